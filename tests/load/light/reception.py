"""What a bot makes of a stream it receives: counts, loss, and whether a picture could be shown.

Loss is exact: each sequence number that should have come is missing until it comes, late or repaired,
and lost when it has not come in a second. Pictures are judged as a decoder must: a frame can be shown
when it is whole and nothing since the last key frame is missing. A freeze is more than `FREEZE_S`
without a new picture (or without an audio packet) in a slot that is labelled with a source.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.load.light.rtcp import ReportBlock
from tests.load.light.rtp import payload_offset, read_vp8

FREEZE_S = 0.2
_GIVE_UP_S = 1.0
_ASK_AGAIN_S = 0.1
_MAX_GAP = 1000
_MAX_ASKED = 64
_PLI_S = 0.5


@dataclass(slots=True)
class Continuity:
    """Freezes of one slot, while it shows something."""

    showing: bool = False
    renewals: int = 0
    freezes: int = 0
    frozen_s: float = 0.0
    _renewed_at: float = 0.0

    def label(self, showing: bool, now: float) -> None:
        """The slot shows a source from now on, or none; a change of source does not restart the clock."""
        if self.showing and not showing:
            self._pause(now)
        elif showing and not self.showing:
            self._renewed_at = now
        self.showing = showing

    def renew(self, now: float) -> None:
        """Something new could be played."""
        self.renewals += 1
        self._pause(now)
        self._renewed_at = now

    def so_far(self, now: float) -> tuple[int, float]:
        """Return the number of freezes and their sum in seconds, one that lasts included."""
        pause = now - self._renewed_at
        if self.showing and pause > FREEZE_S:
            return self.freezes + 1, self.frozen_s + pause
        return self.freezes, self.frozen_s

    def _pause(self, now: float) -> None:
        self.freezes, self.frozen_s = self.so_far(now)


class Reception:
    """Counts one incoming stream. Cheap: nothing is decrypted, and the usual packet changes five numbers."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.bytes = 0
        self.highest = -1
        self.first = -1
        self.lost = 0
        self.recovered = 0
        self.duplicates = 0
        self.first_at: float | None = None
        self.missing: dict[int, _Hole] = {}
        self._reported = (0, 0)
        self._sender_report = (0, 0.0)

    def received(self, packet: memoryview, sequence: int, arrived: float) -> bool:
        """Take a packet from the link; tell whether it was new, not a repetition."""
        return self.count(len(packet), sequence, arrived)

    def count(self, size: int, sequence: int, arrived: float) -> bool:
        """Count a packet by its 16-bit number; tell whether it was new."""
        self.packets += 1
        self.bytes += size
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead == 1 and self.packets > 1:
            self.highest += 1
            return True
        if self.first_at is None:
            self.first_at = arrived
            self.first = self.highest = sequence
            return True
        if 0 < ahead < 0x8000:
            self._skip(ahead - 1, arrived)
            self.highest += ahead
            return True
        if self.missing.pop(self.highest - (-ahead & 0xFFFF), None) is not None:
            self.recovered += 1
            return True
        self.duplicates += 1
        return False

    @property
    def expected(self) -> int:
        """How many packets should have come, from the first to the highest number."""
        return self.highest - self.first + 1 if self.packets else 0

    @property
    def gone(self) -> int:
        """How many have not come, whether or not they still might."""
        return self.lost + len(self.missing)

    def to_ask(self, now: float) -> list[int]:
        """Return the 16-bit numbers to ask for now; what is too old is counted as lost."""
        asked: list[int] = []
        for number, hole in tuple(self.missing.items()):
            if now - hole.since > _GIVE_UP_S:
                del self.missing[number]
                self.lost += 1
            elif now - hole.asked_at >= _ASK_AGAIN_S and len(asked) < _MAX_ASKED:
                hole.asked_at = now
                asked.append(number & 0xFFFF)
        return asked

    def note_sender_report(self, body: bytes, now: float) -> None:
        """Remember a sender report: the next block answers it (RFC 3550 section 6.4.1)."""
        self._sender_report = (int.from_bytes(body[2:6], "big"), now)

    def report(self, now: float) -> ReportBlock:
        """Return a report block on what came since the block before."""
        expected, gone = self.expected, self.gone
        due, lost = expected - self._reported[0], max(0, gone - self._reported[1])
        self._reported = (expected, gone)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(255, lost * 256 // due) if due > 0 else 0,
            lost=gone,
            highest=max(0, self.highest),
            last_report=self._sender_report[0],
            delay_since=max(0, int((now - self._sender_report[1]) * 65536)) if self._sender_report[0] else 0,
        )

    def _skip(self, count: int, now: float) -> None:
        if count > _MAX_GAP:
            self.lost += count
            return
        for number in range(self.highest + 1, self.highest + 1 + count):
            self.missing[number] = _Hole(since=now)


@dataclass(slots=True)
class _Hole:
    since: float
    asked_at: float = float("-inf")


class AudioReception(Reception):
    """An audio slot: every packet can be played."""

    def __init__(self, ssrc: int) -> None:
        super().__init__(ssrc)
        self.continuity = Continuity()

    def received(self, packet: memoryview, sequence: int, arrived: float) -> bool:
        """Count a packet."""
        new = self.count(len(packet), sequence, arrived)
        if new:
            self.continuity.renew(arrived)
        return new

    def to_ask(self, now: float) -> list[int]:
        """Return nothing: audio is not repaired, what is missing for long is lost."""
        super().to_ask(now)
        return []


class VideoReception(Reception):
    """A VP8 slot. Decrypts the first packet of each frame, to see key frames."""

    def __init__(self, ssrc: int, unprotect: Callable[[memoryview], bytes | None]) -> None:
        super().__init__(ssrc)
        self.continuity = Continuity()
        self.key_frames = 0
        self._unprotect = unprotect
        self._timestamp = -1
        self._decodable = False
        self._frame_due = False
        self._asked_key_at = float("-inf")

    def received(self, packet: memoryview, sequence: int, arrived: float) -> bool:
        """Count a packet and judge its frame."""
        if not self.count(len(packet), sequence, arrived):
            return False
        timestamp = int.from_bytes(packet[4:8], "big")
        if timestamp != self._timestamp:
            self._timestamp = timestamp
            clear = self._unprotect(packet)
            if clear is not None:
                self._first_of_frame(clear[payload_offset(clear) :])
        self._judge(ends_frame=bool(packet[1] & 0x80), now=arrived)
        return True

    def repaired(self, payload: bytes, sequence: int, *, ends_frame: bool, arrived: float) -> bool:
        """Take a packet that came again by RTX (RFC 4588), decrypted, under its original number."""
        if not self.count(len(payload), sequence, arrived):
            return False
        self._first_of_frame(payload)
        self._judge(ends_frame=ends_frame, now=arrived)
        return True

    def to_ask(self, now: float) -> list[int]:
        """Return the numbers to ask for; a loss makes pictures undecodable until a key frame."""
        lost = self.lost
        asked = super().to_ask(now)
        if self.lost > lost:
            self._decodable = False
        return asked

    def wants_key_frame(self, now: float) -> bool:
        """Tell whether to ask for a key frame now."""
        if self._decodable or not self.continuity.showing or now - self._asked_key_at < _PLI_S:
            return False
        self._asked_key_at = now
        return True

    def _first_of_frame(self, payload: bytes) -> None:
        try:
            key = bool(payload) and read_vp8(payload).key
        except ValueError:
            return
        if key:
            self.key_frames += 1
            self.lost += len(self.missing)
            self.missing.clear()
            self._decodable = True
            self._frame_due = False  # what waited for a repair is overtaken

    def _judge(self, *, ends_frame: bool, now: float) -> None:
        self._frame_due |= ends_frame
        if self._frame_due and self._decodable and not self.missing:
            self._frame_due = False
            self.continuity.renew(now)
