"""What a node counts itself, for the metrics page."""

from collections import Counter
from dataclasses import dataclass, field

from sfu.contract.codes import Code
from sfu.media.tally import Tally
from sfu.transport.counters import Histogram


@dataclass(slots=True)
class Totals:
    """Counts since the node started."""

    joins: int = 0
    connections: int = 0
    passed_on: int = 0
    goodbyes: Counter[Code] = field(default_factory=Counter)
    refusals: Counter[Code] = field(default_factory=Counter)
    media: Tally = field(default_factory=Tally)
    """Of the peers that are gone."""
    lag: Histogram = field(default_factory=Histogram)
