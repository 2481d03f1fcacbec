"""How long a packet takes through the node: from the sender's making it to the receiver's kernel having it.

Sender and receivers are one process, so one clock serves both, and the kernel stamps arrivals, so that
nothing of the reading process is in the figure. What is in it beside the node is the sender's own
encryption and two passes through loopback; `direct` is the same path without the node.
"""

import asyncio
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.namespace import ADDRESS
from tests.bench.parley import Parley
from tests.bench.scenario import VIDEO, Scenario
from tests.load.light.dtls import Profile
from tests.load.light.pump import Pump
from tests.load.light.reader import StampingReader
from tests.load.light.reception import Reception
from tests.load.light.sources import VideoStream, made_at
from tests.load.light.traffic import Traffic
from tests.load.outcome import quantile

_SETTLE_S = 1.0
_DIRECT_PACKETS = 500


@dataclass(frozen=True)
class Delay:
    """Milliseconds through the node, over all packets of all receivers, and without the node."""

    scenario: str
    packets: int
    p50_ms: float
    p99_ms: float
    direct_p50_ms: float


class _TimedReception(Reception):
    """Decrypts everything to read when it was made."""

    def __init__(self, ssrc: int, traffic: Traffic, delays: list[float]) -> None:
        super().__init__(ssrc)
        self._unprotect = traffic.link.unprotect
        self._delays = delays

    def received(self, packet: memoryview, sequence: int, arrived: float) -> bool:
        clear = self._unprotect(packet)
        if clear is not None:
            self._delays.append(arrived - made_at(clear))
        return super().received(packet, sequence, arrived)


async def measure_delay(profile: Profile, scenario: Scenario, window_s: float) -> Delay:
    """Return the delays of one run."""
    delays: list[float] = []

    def timed(_kind: str, ssrc: int, traffic: Traffic) -> Reception:
        return _TimedReception(ssrc, traffic, delays)

    subject = Parley(profile, loudest=scenario.loudest, reception_of=timed)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with Pump(StampingReader()) as pump:
            try:
                await subject.start(Path(folder))
                await subject.populate(scenario, pump)
                await asyncio.sleep(_SETTLE_S)
                delays.clear()
                await asyncio.sleep(window_s)
                measured = sorted(delays)
            finally:
                await subject.stop()
            direct = await _direct(pump)
    return Delay(
        scenario=scenario.name,
        packets=len(measured),
        p50_ms=quantile(measured, 0.5) * 1000,
        p99_ms=quantile(measured, 0.99) * 1000,
        direct_p50_ms=quantile(direct, 0.5) * 1000,
    )


class _Arrivals:
    """A bare socket that notes how long each packet took."""

    def __init__(self) -> None:
        self.delays: list[float] = []

    def received(self, datagram: memoryview, arrived: float) -> None:
        self.delays.append(arrived - made_at(bytes(datagram)))


async def _direct(pump: Pump) -> list[float]:
    """Return the delays from one socket of this process to another."""
    arrivals = _Arrivals()
    receiver = pump.open(arrivals, socket.AF_INET)
    receiver.bind((ADDRESS, 0))
    stream = VideoStream(VIDEO)
    stream.begin(time.monotonic())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while stream.packets < _DIRECT_PACKETS:
            for packet in stream.due(time.monotonic()):
                sender.sendto(packet, receiver.getsockname())
            await asyncio.sleep(max(0.0, stream.next_due - time.monotonic()))
    return sorted(arrivals.delays)
