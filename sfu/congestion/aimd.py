"""The rate that follows from the delay: up while no queue grows, down to what arrives when one does.

draft-ietf-rmcat-gcc-02 §5.5, with libwebrtc's refinements: near the rate at which the path was last
overused the increase is additive, one packet per response time, the same for whoever shares the path;
elsewhere 8 % a second.
"""

from sfu.congestion.delay import Usage

DECREASE = 0.9
"""The draft says 0.85; here the budget sinks further by itself while a queue is left (`estimate`)."""
INCREASE_PER_S = 1.08
RESPONSE_S = 0.1
"""What detection takes, on top of a round trip."""
SETTLE_S = 0.2
"""A decrease shows its effect only after a round trip and the time that the queue takes to empty."""
HEADROOM = 1.25
HEADROOM_BPS = 10_000
"""An increase does not lead beyond what was shown to arrive, by this much."""
PACKET_BITS = 1200 * 8
NEAR = 3.0
"""Near the capacity: within so many of its deviations."""
CAPACITY_PACE = 0.05
DEVIATION_RANGE = (0.4, 2.5)


class _Capacity:
    """Where the path was last found full: mean and normalised variance, in kbit/s."""

    def __init__(self) -> None:
        self.kbps: float | None = None
        self._variance = DEVIATION_RANGE[0]

    def sample(self, bps: float) -> None:
        kbps = bps / 1000
        if self.kbps is None:
            self.kbps = kbps
        else:
            self.kbps += CAPACITY_PACE * (kbps - self.kbps)
        error = self.kbps - kbps
        norm = max(self.kbps, 1.0)
        self._variance += CAPACITY_PACE * (error * error / norm - self._variance)
        self._variance = min(max(self._variance, DEVIATION_RANGE[0]), DEVIATION_RANGE[1])

    def position(self, bps: float) -> int:
        """Return -1 below, 0 near, 1 above the capacity; 0 only if there is one."""
        if self.kbps is None:
            return 1
        deviation = NEAR * (self._variance * self.kbps) ** 0.5
        distance = bps / 1000 - self.kbps
        if abs(distance) <= deviation:
            return 0
        return 1 if distance > 0 else -1


class RateControl:
    """`bps` is the rate, between `least_bps` and `most_bps`."""

    def __init__(self, start_bps: float, least_bps: float, most_bps: float) -> None:
        self.bps = start_bps
        self.decreased_at = float("-inf")
        self._range = (least_bps, most_bps)
        self._capacity = _Capacity()
        self._updated_at: float | None = None
        self._usage = Usage.NORMAL

    def update(
        self, usage: Usage, arriving_bps: float | None, carried_bps: float, rtt_s: float, now: float
    ) -> None:
        """Follow the detector, which has just been told of packets up to now.

        `arriving_bps` is what arrived of late, `carried_bps` what the path is thought to carry by how much
        slower than it was sent.
        """
        elapsed = 0.0 if self._updated_at is None else min(1.0, now - self._updated_at)
        self._updated_at = now
        if usage is Usage.OVERUSED:
            if now - self.decreased_at >= rtt_s + SETTLE_S or carried_bps < self.bps / 2:
                self._decrease(carried_bps, now)
        elif usage is Usage.NORMAL and self._usage is not Usage.OVERUSED:
            self._increase(arriving_bps, rtt_s, elapsed)
        self._usage = usage

    def _decrease(self, carried_bps: float, now: float) -> None:
        self.decreased_at = now
        carried_bps = min(self.bps, carried_bps)
        if self._capacity.position(carried_bps) < 0:
            self._capacity = _Capacity()
        self._capacity.sample(carried_bps)
        self.set(DECREASE * carried_bps)

    def _increase(self, arriving_bps: float | None, rtt_s: float, elapsed: float) -> None:
        if arriving_bps is not None and self._capacity.position(arriving_bps) > 0:
            self._capacity = _Capacity()
        if self._capacity.kbps is None:
            step = max(self.bps * (INCREASE_PER_S**elapsed - 1), 1000 * elapsed)
        else:
            step = PACKET_BITS / (rtt_s + RESPONSE_S) * elapsed
        bound = float("inf") if arriving_bps is None else HEADROOM * arriving_bps + HEADROOM_BPS
        if self.bps < bound:
            self.set(min(self.bps + step, bound))

    def set(self, bps: float) -> None:
        """Go on from a rate that was found otherwise: by a probe, by losses."""
        self.bps = min(max(bps, self._range[0]), self._range[1])
