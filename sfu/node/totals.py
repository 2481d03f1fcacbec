"""What a node counts itself, for the metrics page: plain numbers, and histograms that cost one bisect."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu.contract.codes import Code
from sfu.media.tally import Tally

DELAY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Histogram:
    """Counts of observations at or below each bound (the last: above all), and their sum, in seconds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = DELAY_BUCKETS_S) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, `times` over."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


@dataclass(slots=True)
class Totals:
    """Counts since the node started."""

    joins: int = 0
    connections: int = 0
    goodbyes: Counter[Code] = field(default_factory=Counter)
    refusals: Counter[Code] = field(default_factory=Counter)
    media: Tally = field(default_factory=Tally)
    """Of the peers that are gone."""
    lag: Histogram = field(default_factory=Histogram)
