"""What a server under measurement has to offer, and the people in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.bench.scenario import AUDIO_PACKET_BYTES, VIDEO, Scenario
from tests.load.light.pump import Pump
from tests.load.light.reception import Reception
from tests.load.light.rtp import payload_offset
from tests.load.light.sources import AudioStream, Stream, VideoStream, intact
from tests.load.light.traffic import Traffic
from tests.load.process import Server

LEVEL_EXTENSION = 1
_SAMPLE_EVERY = 200


class Counted(Protocol):
    """What a receiver counts: packets that came, those of them found harmed, and those that did not come."""

    packets: int
    harmed: int

    @property
    def gone(self) -> int:
        """Packets that should have come and did not."""


class SampledReception(Reception):
    """Counts, and decrypts one packet of many to see that what comes is what was sent."""

    def __init__(self, ssrc: int, traffic: Traffic) -> None:
        super().__init__(ssrc)
        self.harmed = 0
        self._unprotect = traffic.link.unprotect

    def received(self, packet: memoryview, sequence: int, arrived: float) -> bool:
        """Take a packet from the link."""
        if self.packets % _SAMPLE_EVERY == 0:
            clear = self._unprotect(packet)
            self.harmed += clear is None or not intact(clear[payload_offset(clear) :])
        return self.count(len(packet), sequence, arrived)


class Population:
    """Everybody in the room, seen as streams sent and streams received."""

    def __init__(self, streams: Sequence[Stream], receptions: Sequence[Counted]) -> None:
        self.streams = tuple(streams)
        self._receptions = receptions
        self._before = [0] * len(receptions)

    def sent(self) -> int:
        """Packets sent so far."""
        return sum(stream.packets for stream in self.streams)

    def received(self) -> int:
        """Packets received so far, by all."""
        return sum(reception.packets for reception in self._receptions)

    def gone(self) -> int:
        """Packets missing so far, at all."""
        return sum(reception.gone for reception in self._receptions)

    def harmed(self) -> int:
        """Packets that were looked into and not found as they were sent."""
        return sum(reception.harmed for reception in self._receptions)

    def flowing(self) -> int:
        """Streams of which a packet came since this was last asked."""
        before, self._before = self._before, [reception.packets for reception in self._receptions]
        return sum(now > then for now, then in zip(self._before, before, strict=True))


class Subject(Protocol):
    """A server, started for one run."""

    name: str
    server: Server

    async def start(self, folder: Path) -> None:
        """Start, and return when it takes participants; `folder` is its to write in."""

    async def populate(self, scenario: Scenario, pump: Pump) -> Population:
        """Let everybody in and media flow."""

    async def stop(self) -> None:
        """Let everybody out and stop."""


class SubjectFailed(Exception):
    """The server did not do its part."""


def level_of(index: int) -> int:
    """Return the constant audio level of a participant: three are loud, nobody is silent (-dBov)."""
    return 20 + index if index < 3 else 50 + index


def stream_of(scenario: Scenario, index: int) -> Stream:
    """Return what a participant sends."""
    if scenario.kind == "video":
        return VideoStream(VIDEO)
    return AudioStream(
        level=lambda _now: level_of(index), level_extension=LEVEL_EXTENSION, packet_bytes=AUDIO_PACKET_BYTES
    )
