"""The rate that follows from the delay: up while no queue grows, down when one does.

draft-ietf-rmcat-gcc-02 §5.5 in outline. Its increase of 8 % a second is left to the prober, which
finds headroom in a fraction of the time; here the step is the same for whoever shares the path (one
packet per response time), and a decrease is the same share for all. So those who share a bottleneck
come to share it alike (Chiu and Jain, 1989).
"""

from sfu.congestion.delay import Usage

DECREASE = 0.9
"""The draft says 0.85; here the budget sinks further by itself while a queue is left (`estimate`)."""
RESPONSE_S = 0.1
"""What detection takes, on top of a round trip."""
SETTLE_S = 0.2
"""A decrease shows its effect only after a round trip and the time that the queue takes to empty."""
LIMITED = 0.5
"""Who uses less than this share of the rate did not fill the path: the rate is not to blame."""
LEAST_SHARE = 0.85
"""A decrease does not lead below this share of what arrives all the same."""
HEADROOM = 1.25
HEADROOM_BPS = 10_000
"""Without a probe the rate does not rise beyond what was shown to arrive, by this much."""
PACKET_BITS = 1200 * 8


class RateControl:
    """`bps` is the rate, between `least_bps` and `most_bps`."""

    def __init__(self, start_bps: float, least_bps: float, most_bps: float) -> None:
        self.bps = start_bps
        self.decreased_at = float("-inf")
        self._range = (least_bps, most_bps)
        self._updated_at: float | None = None
        self._usage = Usage.NORMAL

    def update(self, usage: Usage, arriving_bps: float | None, rtt_s: float, now: float) -> None:
        """Follow the detector, which has just been told of packets up to now; so much arrived of late."""
        elapsed = 0.0 if self._updated_at is None else min(1.0, now - self._updated_at)
        self._updated_at = now
        bound = float("inf") if arriving_bps is None else HEADROOM * arriving_bps + HEADROOM_BPS
        if usage is Usage.OVERUSED:
            used = self.bps if arriving_bps is None else arriving_bps
            if now - self.decreased_at >= rtt_s + SETTLE_S and used > LIMITED * self.bps:
                self.fall(max(DECREASE * self.bps, LEAST_SHARE * used), now)
        elif usage is Usage.NORMAL and self._usage is not Usage.OVERUSED and self.bps < bound:
            step = PACKET_BITS / (rtt_s + RESPONSE_S) * elapsed
            self.set(min(self.bps + step, bound))
        self._usage = usage

    def fall(self, bps: float, now: float) -> None:
        """Go down to a rate, because the path is full."""
        self.decreased_at = now
        self.set(min(self.bps, bps))

    def set(self, bps: float) -> None:
        """Go on from a rate that was found otherwise: by a probe, by losses."""
        self.bps = min(max(bps, self._range[0]), self._range[1])
