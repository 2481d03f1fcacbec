"""The rate that follows from losses.

As in draft-ietf-rmcat-gcc-02 §6, little loss allows an increase and much commands a decrease. Unlike
there, a path's own loss is told from that of congestion: what is lost however little is sent (as in
the better half of the last intervals) is no reason to send less, nor what so few packets may lose by
chance. And a decrease does not lead far below what was seen to arrive: that is what a policer lets
through.
"""

import math
from collections import deque

LOW, HIGH = 0.03, 0.10
INTERVAL_S = 0.5
LEAST_PACKETS = 60
PLAIN_LOST, PLAIN_SHARE = 15, 0.3
"""So many lost, and so large a share of what was sent, are not waited for any longer."""
REMEMBERED = 10
"""Intervals of which the better half tells what the path loses anyway…"""
KNOWN_AFTER = 3
"""…once there are so many."""
INCREASE_PER_S = 1.08
HEADROOM = 1.5
"""The rate does not rise beyond what was shown to arrive, by this much."""
AVERAGE_PACE = 0.3
ARRIVING_SHARE = 0.95


class LossControl:
    """`bps` is the rate; `share` the loss of the last interval, `average` that of the last few.

    `own` is what of it the path has anyway.
    """

    def __init__(self, start_bps: float, least_bps: float, most_bps: float) -> None:
        self.bps = start_bps
        self.share = self.average = self.own = 0.0
        self._range = (least_bps, most_bps)
        self._sent = self._lost = 0
        self._began: float | None = None
        self._shares: deque[float] = deque(maxlen=REMEMBERED)

    def add(
        self, packets: int, lost: int, sending_bps: float, arriving_bps: float | None, now: float
    ) -> bool:
        """Take what became of `packets`, sent at most at `sending_bps`; tell whether the rate was lowered."""
        if self._began is None:
            self._began = now
        self._sent += packets
        self._lost += lost
        elapsed = now - self._began
        plain = self._lost >= PLAIN_LOST and self._lost >= PLAIN_SHARE * self._sent
        if not plain and (elapsed < INTERVAL_S or self._sent < LEAST_PACKETS):
            return False
        self.share = self._lost / self._sent
        self.average += AVERAGE_PACE * (self.share - self.average)
        self._shares.append(self.share)
        if len(self._shares) >= KNOWN_AFTER:
            better = sorted(self._shares)[: (len(self._shares) + 1) // 2]
            self.own = sum(better) / len(better)
        by_chance = math.sqrt(self.own * (1 - self.own) / self._sent)
        excess = max(0.0, self.share - self.own - by_chance) / (1 - min(self.own, 0.99))
        self._sent = self._lost = 0
        self._began = now
        if excess < LOW:
            if arriving_bps is None or self.bps < HEADROOM * arriving_bps:
                self.set(self.bps * INCREASE_PER_S ** min(elapsed, 1.0))
            return False
        if excess <= HIGH:
            return False
        present = min(self.bps, sending_bps)
        lowered = present * (1 - 0.5 * excess)
        if arriving_bps is not None:
            lowered = min(present, max(lowered, ARRIVING_SHARE * arriving_bps))
        self.set(lowered)
        return True

    def set(self, bps: float) -> None:
        """Go on from a rate that was found otherwise."""
        self.bps = min(max(bps, self._range[0]), self._range[1])
