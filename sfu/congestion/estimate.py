"""How much one receiver's network carries: the send-side estimate.

What a receiver feeds back goes through the delay detector and the loss control; the lesser of their
rates counts, and a receiver's own estimate (REMB) caps it. While a queue is left over from an
overuse, the budget is below the estimate, so that the queue empties.

A client without transport-cc is judged by its receiver reports alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.congestion.aimd import DECREASE, RateControl
from sfu.congestion.delay import MS_PER_TICK, STANDING_MS, DelayDetector, Usage
from sfu.congestion.loss import LossControl
from sfu.congestion.probe import Health, Prober
from sfu.congestion.throughput import Throughput
from sfu.rtp.transport_cc import Feedback, SentPackets

TICKS_WRAP = 1 << 32
START_BPS = 1_000_000
LEAST_BPS = 40_000
MOST_BPS = 50_000_000
RTT_S = 0.1
FLOOD_MS, FLOOD_GROWTH_MS, FLOOD_SHARE = 45.0, 10.0, 0.75
"""A queue so long, grown so much since the last feedback, on a path that carries so little."""
USUAL_MEMORY = 0.97
AFTERMATH_S = 0.25
STALL_FACTOR = 1.5
POLICED_MS, POLICED_SHARE = 30.0, 0.15
"""Such losses with a shorter queue are a policer's, who lets a probe's burst through and no more."""
FLOOD_FALL, FLOOD_LEAST_BPS, DELUGE_MS = 0.75, 400_000.0, 110.0
"""A flood lowers the rate by no more than this factor, for it may be somebody else's burst; to this rate
and no further if the queue is longer than a burst's."""
DRAIN_QUEUE_MS = 60.0
"""A queue above this is drained…"""
DRAIN_S, FLOOD_DRAIN_S = 0.5, 0.2
"""…within about this time (after a flood, when sound is late already, the latter)…"""
LEAST_DRAIN_SHARE = 0.1
"""…but at least this share of the estimate is used meanwhile."""
SILENCE_S = 2.0
"""Sending without hearing for this long, the rate is halved, again and again."""
REMB_LIFE_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds of an estimate, in bit/s."""

    start_bps: float = START_BPS
    least_bps: float = LEAST_BPS
    most_bps: float = MOST_BPS


class Estimate:
    """One receiver's. `budget_bps` is what may be sent now, `bps` what the path is thought to carry."""

    def __init__(self, settings: Settings, sent: SentPackets | None) -> None:
        """Without `sent` the client has no transport-cc."""
        self.rtt_s = RTT_S
        self.feedbacks = 0
        self.overuses = 0
        self.sent = sent
        self.detector = DelayDetector()
        self.throughput = Throughput()
        self.prober = Prober()
        start = settings.start_bps if sent is not None else settings.most_bps
        self.rate = RateControl(start, settings.least_bps, settings.most_bps)
        self.loss = LossControl(start, settings.least_bps, settings.most_bps)
        self._delay_ms = 0.0
        self._flooded = False
        self._usual_bps = start
        self._queue_ms = 0.0
        self._aftermath_until = float("-inf")
        self._heard = 0
        self._heard_at: float | None = None
        self._ticks: int | None = None
        self._remb: tuple[float, float] | None = None

    @property
    def bps(self) -> float:
        """Return what the path is thought to carry."""
        bps = min(self.rate.bps, self.loss.bps)
        return bps if self._remb is None else min(bps, self._remb[0])

    @property
    def is_draining(self) -> bool:
        """Whether a queue is being emptied."""
        return self.budget_bps < self.bps

    @property
    def budget_bps(self) -> float:
        """Return what to send at most: less than the path carries while a queue is to be emptied."""
        queue_ms, drain_s = self._queue_ms, DRAIN_S
        if self._flooded:
            queue_ms, drain_s = self.detector.delay_ms, FLOOD_DRAIN_S
        if queue_ms <= DRAIN_QUEUE_MS or self._is_stall:
            return self.bps
        return self.bps * max(LEAST_DRAIN_SHARE, 1 - (queue_ms - DRAIN_QUEUE_MS / 2) / 1000 / drain_s)

    def hear(self, feedback: Feedback, now: float) -> None:
        """Take transport-wide feedback. What speaks of packets never sent, or too old, is passed over."""
        sent = self.sent
        if sent is None:
            return
        first = sent.unwrap(feedback.first)
        arrivals = feedback.arrivals
        words = sent.words(first, len(arrivals))
        if not words:
            return
        self.feedbacks += 1
        shift = self._shift(arrivals)
        known = self._heard + 1 - first
        if known > 0:  # reported before; late arrivals among them matter no more
            if known >= len(arrivals):
                return
            words, arrivals, first = words[known:], arrivals[known:], self._heard + 1
        self._heard = first + len(arrivals) - 1
        self._heard_at = now
        self._measure(first, words, arrivals, shift, now)

    def _measure(
        self, first: int, words: Sequence[int], arrivals: Sequence[int], shift: int, now: float
    ) -> None:
        lost = arrivals.count(-1)
        if lost < len(arrivals):
            before_ms = self.detector.queue_ms
            self.detector.observe(words, arrivals, shift)
            self._queue_ms = min(before_ms, self.detector.queue_ms)
            octets = sum([word & 0xFFFF for word, ticks in zip(words, arrivals, strict=True) if ticks >= 0])
            self.throughput.add((max(arrivals) + shift) * MS_PER_TICK, octets)
        arriving = self.throughput.bps
        lowered = self.loss.add(len(arrivals), lost, self.bps, arriving, now)
        if self.prober.cluster is not None:
            self.prober.observe(first, words, arrivals, shift)
            self._conclude(now)
            return
        before = self.rate.decreased_at
        if not self._fall_if_flooded(arriving, now):
            quiet = now < self._aftermath_until or self.detector.queue_ms < STANDING_MS or self._is_stall
            self.rate.update(Usage.NORMAL if quiet else self.detector.usage, arriving, self.rtt_s, now)
        if lowered or self.rate.decreased_at != before:
            self.overuses += 1
            self.prober.postpone(now)
        if lowered and self.detector.delay_ms < POLICED_MS and self.loss.share > POLICED_SHARE:
            self.rate.set(min(self.rate.bps, self.loss.bps))
            self.prober.beware(self.bps, now)

    @property
    def _is_stall(self) -> bool:
        """Whether what was late came faster than the path is thought to carry: then it is not the path.

        A busy machine, here or there, or a channel shared with others held it up for a moment.
        """
        busy_bps = self.detector.busy_bps
        return busy_bps is None or busy_bps > STALL_FACTOR * self.rate.bps

    def _fall_if_flooded(self, arriving_bps: float | None, now: float) -> bool:
        """Go down at once if the path suddenly carries much less: its queue tells sooner than a trend.

        A receiver that stalls for a moment looks alike at first, so only a second word is wholly believed.
        """
        detector = self.detector
        delay_ms, before, busy_bps = detector.delay_ms, self._delay_ms, detector.busy_bps
        self._delay_ms = delay_ms
        self._usual_bps = max(arriving_bps or 0.0, USUAL_MEMORY * self._usual_bps)
        if delay_ms <= DRAIN_QUEUE_MS:
            self._flooded = False
        growing = delay_ms > FLOOD_MS and delay_ms > before + FLOOD_GROWTH_MS
        full_bps = FLOOD_SHARE * min(self.rate.bps, self._usual_bps)
        if not growing or busy_bps is None or busy_bps >= full_bps:
            return False
        least_bps = FLOOD_FALL * self.rate.bps
        if self._flooded and delay_ms > DELUGE_MS:
            least_bps = min(least_bps, FLOOD_LEAST_BPS)
        self.rate.fall(DECREASE * max(busy_bps, least_bps), now)
        self._flooded = True
        return True

    def _conclude(self, now: float) -> None:
        """Believe what a probe showed: more than was thought, or less if it filled the path.

        While it is in flight, and a little longer, the detector's word does not count: the queue is of
        the probe's making.
        """
        found = self.prober.conclude(self._heard, self.loss.own, now)
        if found is not None:
            self._aftermath_until = now + AFTERMATH_S
        if not found:
            return
        if found > self.bps:
            self.rate.set(max(self.rate.bps, found))
            self.loss.set(max(self.loss.bps, found))
        elif self.prober.saturated:
            self.rate.set(min(self.rate.bps, found))

    def _shift(self, arrivals: Sequence[int]) -> int:
        """Return what to add to the ticks of a feedback so that they go on from the one before."""
        newest = max(arrivals)
        if newest < 0:
            return 0
        last = newest if self._ticks is None else self._ticks
        unwrapped = last + (newest - last + TICKS_WRAP // 2) % TICKS_WRAP - TICKS_WRAP // 2
        self._ticks = unwrapped
        return unwrapped - newest

    def hear_loss(self, packets: int, lost: int, now: float) -> None:
        """Take a receiver report of a client without transport-cc."""
        if self.sent is None:
            self.loss.add(packets, lost, self.bps, None, now)

    def hear_remb(self, bps: float, now: float) -> None:
        """Take the receiver's own estimate."""
        self._remb = (bps, now)

    def tick(self, wanted_bps: float, now: float) -> None:
        """Let time pass: begin a probe if `wanted_bps` calls for one; doubt a path that is not heard of."""
        if self._remb is not None and now - self._remb[1] > REMB_LIFE_S:
            self._remb = None
        sent = self.sent
        if sent is None:
            return
        if self._heard_at is not None and sent.last > self._heard and now - self._heard_at > SILENCE_S:
            self._heard_at = now
            self.rate.set(self.rate.bps / 2)
            self.prober.postpone(now)
            return
        self._conclude(now)
        excess = max(0.0, self.loss.share - self.loss.own)
        health = Health(self.rate.decreased_at, self.detector.queue_ms, excess)
        self.prober.consider(self.bps, wanted_bps, health, sent, now)

    def padding_due(self, tick_s: float, now: float) -> int:
        """Return how many octets of padding a probe needs now."""
        return 0 if self.sent is None else self.prober.octets_due(self.sent, tick_s, now)
