"""Finding headroom by sending more for a moment.

An increase of 8 % a second takes half a minute from 500 kbit/s to 5 Mbit/s. So when more is wanted
than the estimate allows, and nothing speaks against it, a cluster of packets is sent at a higher
rate: what was to be sent anyway, filled up with padding at each tick. How fast it arrives says how
much the path carries at least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from sfu.congestion.delay import MS_PER_TICK
from sfu.rtp.transport_cc import SentPackets

DURATION_S = 0.06
"""Of a cluster: some bursts of one tick each."""
LEAST_PACKETS = 5
LEAST_ARRIVED = 0.9
"""Of what the path lets through at all; a policer lets a burst through, and drops the rest."""
SATURATED = 0.9
"""Arriving below this share of the rate sent, the cluster filled the path…"""
UTILISATION = 0.95
"""…and this share of what arrived is kept as the estimate."""
PATIENCE_S = 1.0
"""Feedback on a cluster that is not there after this time does not come."""
CLAIM_BPS = 80_000.0
STEP = 2.0
SMALL_STEP, MODEST_S = 1.25, 10.0
"""For so long after a probe filled the path, the next ones go little beyond."""
FIRST_STEP = 3.0
AFTER_SUCCESS_S = 0.15
FIRST_WAIT_S = 0.8
WAIT_GROWTH = 1.6
MOST_WAIT_S = 4.0
AFTER_DECREASE_S = 1.5
WARY_S, MOST_WARY_S = 15.0, 120.0
WARY_STEP = 1.1
QUEUE_LIMIT_MS = 40.0
EXCESS_LOSS_LIMIT = 0.05


class Refrain(Enum):
    """Why nothing is probed now."""

    SATISFIED = "satisfied"
    WAITING = "waiting"
    CONGESTED = "congested"


@dataclass(slots=True)
class Cluster:
    """A probe: packets numbered from `first`, sent from `began` on at `bps`; what was thought before."""

    bps: float
    estimate_bps: float
    first: int
    began: float
    last: int = 0
    """0 while it is being sent."""


@dataclass(frozen=True, slots=True)
class Health:
    """What speaks against probing."""

    decreased_at: float
    queue_ms: float
    excess_loss: float


class Prober:
    """Decides when to probe and at what rate, and reads the outcome.

    `saturated`: the last probe filled the path; `refrain`: why none was begun when last considered.
    """

    def __init__(self) -> None:
        self.probes = 0
        self.saturated = False
        self.refrain: Refrain | None = Refrain.SATISFIED
        self._cluster: Cluster | None = None
        self._next = float("-inf")
        self._wait_s = FIRST_WAIT_S
        self._modest_until = float("-inf")
        self._wary_until = float("-inf")
        self._wary_s = WARY_S
        self._ceiling_bps = 0.0
        self._sizes: list[int] = []
        self._sent_ms: list[float] = []
        self._arrived_ms: list[float] = []

    @property
    def cluster(self) -> Cluster | None:
        """Return the cluster in flight."""
        return self._cluster

    def consider(
        self, estimate_bps: float, wanted_bps: float, health: Health, sent: SentPackets, now: float
    ) -> None:
        """Begin a probe if more is wanted than the estimate and nothing speaks against it."""
        if now < self._wary_until:
            wanted_bps = min(wanted_bps, self._ceiling_bps)
        self.refrain = self._objection(estimate_bps, wanted_bps, health, now)
        if self.refrain is None:
            step = SMALL_STEP if now < self._modest_until else STEP if self.probes else FIRST_STEP
            self._cluster = Cluster(min(step * estimate_bps, wanted_bps), estimate_bps, sent.last + 1, now)
            self.probes += 1
            self._sizes.clear()
            self._sent_ms.clear()
            self._arrived_ms.clear()

    def _objection(
        self, estimate_bps: float, wanted_bps: float, health: Health, now: float
    ) -> Refrain | None:
        if wanted_bps <= estimate_bps:
            return Refrain.SATISFIED
        if self._cluster is not None or now < self._next:
            return Refrain.WAITING
        recovering = now - health.decreased_at < AFTER_DECREASE_S
        if recovering or health.queue_ms > QUEUE_LIMIT_MS or health.excess_loss > EXCESS_LOSS_LIMIT:
            return Refrain.CONGESTED
        return None

    def octets_due(self, sent: SentPackets, tick_s: float, now: float) -> int:
        """Return how many octets to send now, beside what was sent, so that the cluster has its rate."""
        cluster = self._cluster
        if cluster is None or cluster.last:
            return 0
        elapsed = now - cluster.began
        if elapsed >= DURATION_S and sent.last - cluster.first + 1 >= LEAST_PACKETS:
            cluster.last = sent.last
            return 0
        due = cluster.bps * (elapsed + tick_s) / 8
        words = sent.words(cluster.first, sent.last - cluster.first + 1)
        return max(0, int(due) - sum(word & 0xFFFF for word in words))

    def observe(self, first: int, words: Sequence[int], arrivals: Sequence[int], shift: int) -> None:
        """Take feedback: packets numbered from `first` on."""
        cluster = self._cluster
        if cluster is None:
            return
        low = max(0, cluster.first - first)
        high = len(words) if not cluster.last else min(len(words), cluster.last - first + 1)
        for at in range(low, high):
            if arrivals[at] >= 0:
                self._sizes.append(words[at] & 0xFFFF)
                self._sent_ms.append((words[at] >> 16) * 1e-3)
                self._arrived_ms.append((arrivals[at] + shift) * MS_PER_TICK)

    def conclude(self, heard: int, own_loss: float, now: float) -> float | None:
        """Return the rate that the cluster showed, once feedback has come up to packet `heard`.

        0: it showed nothing. None: not known yet, or there is no cluster. `own_loss` is the share of
        packets that the path loses anyway.
        """
        cluster = self._cluster
        if cluster is None:
            return None
        if not (cluster.last and heard >= cluster.last) and now - cluster.began < PATIENCE_S:
            return None
        self._cluster = None
        found = self._rate(cluster, own_loss)
        succeeded = found >= SATURATED * UTILISATION * cluster.bps
        if self.saturated:
            self._modest_until = now + MODEST_S
        self._wait_s = FIRST_WAIT_S if succeeded else min(self._wait_s * WAIT_GROWTH, MOST_WAIT_S)
        self._next = now + (AFTER_SUCCESS_S if succeeded else self._wait_s)
        return found

    def _rate(self, cluster: Cluster, own_loss: float) -> float:
        packets = cluster.last - cluster.first + 1
        if len(self._sizes) < max(LEAST_PACKETS, LEAST_ARRIVED * packets * (1 - own_loss)):
            return 0.0
        begun, ended = self._sent_ms[0], self._sent_ms[-1]
        between = sum(s for s, t in zip(self._sizes, self._sent_ms, strict=True) if t < ended - 1)
        first, last = min(self._arrived_ms), max(self._arrived_ms)
        if ended - begun < 1 or last - first <= 0:
            return 0.0
        sending = between * 8000 / (ended - begun)
        arriving = (sum(self._sizes) - self._sizes[0]) * 8000 / (last - first)
        self.saturated = arriving < SATURATED * sending
        if self.saturated:
            return self._share_of(UTILISATION * arriving, cluster)
        return min(sending, arriving)

    def _share_of(self, found: float, cluster: Cluster) -> float:
        """Return what to claim of a path that the cluster filled: others may have had to give way to it.

        The same step for all who share it; a newcomer claims all, having nothing yet.
        """
        if self.probes == 1 or found <= cluster.estimate_bps:
            return found
        return min(found, cluster.estimate_bps + CLAIM_BPS)

    def beware(self, bps: float, now: float) -> None:
        """A rate above `bps` turned out to be cut off: do not try again for a while, each time longer."""
        relapsed = now < self._wary_until + self._wary_s
        self._wary_s = min(2 * self._wary_s, MOST_WARY_S) if relapsed else WARY_S
        self._wary_until = now + self._wary_s
        self._ceiling_bps = WARY_STEP * bps

    def postpone(self, now: float) -> None:
        """The path turned out to be full: what is in flight proves nothing."""
        self._cluster = None
        self._next = now + AFTER_DECREASE_S
