"""Key frames, spread over time.

A key frame is many times as large as other frames. Sent at once it fills the queue of a slow network,
sound waits behind it, and the estimate takes the burst for congestion. So from the first packet of a
key frame on, video waits here and leaves tick by tick; sound and repairs go past it. While nothing
waits and no key frame came lately, packets never come this way.
"""

from collections import deque
from collections.abc import Callable, Iterable

from sfu.media.slot import Slot

PACE = 1.6
"""How much faster than the estimate is sent."""
WATCH_S = 0.15
"""How long after a key frame began the pacer stays, even if nothing waits."""
MOST_WAIT_S = 0.5
"""What waits leaves at least at the rate that would empty it in this time."""
BURST_OCTETS = 3_600
"""What leaves at once when a key frame begins."""
REPAIR_SHARE = 0.35
"""Of what the network carries, for packets sent again; saved up for a second at most."""
REPAIR_BURST = 12_000

Send = Callable[[bytes], None]


class Pacer:
    """Of one peer, whose network is thought to carry `bps`."""

    def __init__(self, slots: Callable[[], Iterable[Slot]], wake: Callable[[], None], bps: float) -> None:
        """`wake` is called when `tick` is needed from now on, as long as `is_engaged`."""
        self.bps = bps
        self._slots = slots
        self._wake = wake
        self._waiting: deque[tuple[Send, bytes]] = deque()
        self._octets = 0
        self._credit = 0.0
        self._until: float | None = None
        self._repair_credit = float(REPAIR_BURST)
        self._repaired_at = 0.0

    @property
    def is_engaged(self) -> bool:
        """Whether packets come this way."""
        return self._until is not None

    def engage(self, now: float) -> None:
        """A key frame begins in one of the slots."""
        if self._until is None:
            self._credit = BURST_OCTETS
            for slot in self._slots():
                slot.pace(self)
            self._wake()
        self._until = now + WATCH_S

    def send(self, send: Send, packet: bytes) -> None:
        """Send a packet, now if there is credit for it, else with a later tick."""
        if not self._waiting and self._credit > 0:
            self._credit -= len(packet)
            send(packet)
        else:
            self._waiting.append((send, packet))
            self._octets += len(packet)

    def may_repair(self, octets: int, now: float) -> bool:
        """Whether so much may be sent again: a share of what is carried, or losses feed on losses."""
        earned = REPAIR_SHARE * self.bps / 8 * min(1.0, now - self._repaired_at)
        most = max(REPAIR_SHARE * self.bps / 8, REPAIR_BURST)
        self._repair_credit = min(self._repair_credit + earned, most)
        self._repaired_at = now
        if self._repair_credit <= 0:
            return False
        self._repair_credit -= octets
        return True

    def tick(self, tick_s: float, now: float) -> None:
        """Send what the estimate allows for the time passed."""
        if self._until is None:
            return
        pace_bps = max(PACE * self.bps, self._octets * 8 / MOST_WAIT_S)
        self._credit = min(self._credit, 0.0) + pace_bps * tick_s / 8
        while self._waiting and self._credit > 0:
            send, packet = self._waiting.popleft()
            self._octets -= len(packet)
            self._credit -= len(packet)
            send(packet)
        if not self._waiting and now >= self._until:
            self.release()

    def release(self) -> None:
        """Send what waits, and step aside."""
        self._until = None
        while self._waiting:
            send, packet = self._waiting.popleft()
            send(packet)
        self._octets = 0
        for slot in self._slots():
            slot.pace(None)
