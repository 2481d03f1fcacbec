"""What a browser makes of the packets of an audio slot: 20 ms after 20 ms, real or concealed.

NetEQ in small: packets are held so long that 95 of 100 are there in time. What is not there when its
turn comes, by itself or repeated in another packet (RED, in-band FEC), is concealed. It is waited for
while nothing after it is there, and given up when there is. To hold packets longer or less long, sound
is stretched or shortened, which is not concealment.
"""

from collections import deque

from sfu.rtp.packet import Packet
from sfu.rtp.sequence import timestamp_distance
from tests.scenario import plans
from tests.simulation.publishers import BODY, Truth

SLOT_S = 0.02
TICKS = 960
REMEMBERED = 150
QUANTILE = 0.95
STRETCH_EVERY = 5
"""At most one of so many slots is stretched or shortened."""
MOST_HELD = 500


class Sound:
    """An audio slot. `slots` has for each 20 ms since the first packet (time, concealed, age in seconds).

    The age is that of what is heard, since its capture; it is None for what is concealed.
    """

    def __init__(self, mid: str, ssrc: int) -> None:
        self.mid = mid
        self.ssrc = ssrc
        self.slots: list[tuple[float, bool, float | None]] = []
        self._held: dict[int, Truth] = {}
        self._next: int | None = None
        self._newest = 0
        self._first: int | None = None
        self._apart: deque[float] = deque(maxlen=REMEMBERED)
        self._target = 1
        self._count = 0
        self._started = False
        self._changed = 0

    def receive(self, packet: Packet, now: float) -> None:
        if self._first is None:
            self._first = packet.timestamp
        at = timestamp_distance(packet.timestamp, self._first)
        if packet.payload_type == plans.THEIR_OPUS:
            self._hold(at, packet.data, packet.payload_start)
        else:
            self._read_red(at, packet)
        self._apart.append(now - at / 48_000)
        self._count += 1
        if self._count % 10 == 1:
            apart = sorted(self._apart)
            late = apart[min(len(apart) - 1, int(QUANTILE * len(apart)))] - apart[0]
            self._target = 1 + int(late / SLOT_S + 0.999)

    def _read_red(self, at: int, packet: Packet) -> None:
        """RFC 2198: block headers, then blocks; the last one is primary."""
        data, where = packet.data, packet.payload_start
        blocks = []
        while data[where] & 0x80:
            head = int.from_bytes(data[where + 1 : where + 4], "big")
            blocks.append((head >> 10, head & 0x3FF))
            where += 4
        where += 1
        for offset, size in blocks:
            if size:
                self._hold(at - offset, data, where)
            where += size
        self._hold(at, data, where)

    def _hold(self, at: int, data: bytes, start: int) -> None:
        slot = at // TICKS
        if self._next is not None and slot < self._next:
            return
        if len(self._held) < MOST_HELD:
            self._held.setdefault(slot, Truth(*BODY.unpack_from(data, start)))
            self._newest = max(self._newest, slot)

    def play(self, now: float) -> None:
        """Play the next 20 ms."""
        if self._next is None:
            if not self._held or len(self._held) < self._target:
                return
            self._next = min(self._held)
        level = self._newest - self._next + 1
        captured = self._take(self._next)
        if captured is not None:
            self.slots.append((now, False, now - captured))
            self._next += 1
            self._adapt(level)
        else:
            self.slots.append((now, True, None))
            if level > 0:
                self._next += 1

    def _take(self, slot: int) -> float | None:
        """Return when the sound of a slot was captured, if it is there, or repeated in the next one."""
        truth = self._held.pop(slot, None)
        if truth is not None:
            return truth.captured
        following = self._held.get(slot + 1)
        if following is None or following.packets == 1:
            return None
        return following.captured - SLOT_S

    def _adapt(self, level: int) -> None:
        """Leave out 20 ms, or play them twice, to hold packets as long as is called for."""
        assert self._next is not None
        self._changed += 1
        if self._changed < STRETCH_EVERY:
            return
        if level > self._target + 1 and self._take(self._next) is not None:
            self._next += 1
            self._changed = 0
        elif 0 < level < self._target:
            self._next -= 1
            self._held[self._next] = Truth(
                0, 0, 0, 1, 1, 0, 0, self.slots[-1][0] - (self.slots[-1][2] or 0.0)
            )
            self._changed = 0
