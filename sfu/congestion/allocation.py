"""How a receiver's budget is shared out over its video slots. A pure function.

Every visible tile first gets its smallest option, the most important tile first. What is left goes,
step by step, to the upgrade that improves the most for what it costs: a picture is worth more the
closer it comes to the size it is drawn at, more with more frames, and more in an important tile.
A shared screen climbs to its full size before it gains frames.

To climb above what plays now an upgrade must fit with room to spare, so that nothing flaps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

CLIMB_MARGIN = 1.07
FRAMES_WEIGHT = 0.4
"""So that half of the frames at twice the height is a gain, and a quarter of them is not."""
STAY_FACTOR = 1.5
"""What plays is preferred to what is as good: a change costs a key frame."""
SIZE_TOLERANCE = 0.9
"""A picture this much smaller than the tile still counts as large enough."""
WEIGHTS = {"pinned": 16.0, "screen": 12.0, "speaker": 6.0, "grid": 3.0, "thumbnail": 1.0}


class Reason(StrEnum):
    """Why a slot gets what it gets."""

    FULL = "full"
    """As large as it is drawn."""
    BANDWIDTH = "bandwidth"
    """More would not fit the budget."""
    SOURCE = "source"
    """The publisher sends nothing better."""
    NO_BANDWIDTH = "no_bandwidth"
    """Not even the smallest option fits."""
    NOT_SENT = "not_sent"
    """The publisher sends nothing."""


@dataclass(frozen=True, slots=True)
class Option:
    """A way to show a track: the rank of its layer, and the highest temporal and spatial ones in it.

    `height` is in pixels (0: unknown), `frames` the share of the frames, `bps` the rate measured.
    """

    rank: int
    temporal: int
    bps: float
    height: float
    frames: float = 1.0
    spatial: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Return what orders options by the size of the picture."""
        return self.rank, self.spatial


@dataclass(frozen=True, slots=True)
class Demand:
    """What a slot would show: options from the least on, the height drawn in pixels, what plays now.

    An option dearer than `current` must fit with room to spare: a larger layer `climb_margin` times over.
    """

    slot: str
    options: tuple[Option, ...]
    height: float
    priority: str
    current: Option | None = None
    climb_margin: float = CLIMB_MARGIN


@dataclass(frozen=True, slots=True)
class Grant:
    """What a slot gets (None: nothing), what it would get with all the bandwidth, and why it does not."""

    slot: str
    option: Option | None
    wanted: Option | None
    reason: Reason


def path(demand: Demand) -> tuple[Option, ...]:
    """Return the steps from the least option to the best that is of use at the height drawn.

    Each is dearer than the one before; none costs as much as one that is worth more. What a screen is worth
    goes by its size: full frames of the smallest picture are of no use, the full picture with few frames is.
    """
    useful = _useful(demand)
    worth = {option: value(option, demand) for option in useful}
    if demand.priority == "screen" and useful:
        sharp = [option for option in useful if option.size == useful[-1].size]
        useful = (*(option for option in useful[:1] if option not in sharp), *sharp)
        worth = {option: float(at) for at, option in enumerate(useful)}
    steps: list[Option] = []
    for option in useful:
        while steps and steps[-1].bps >= option.bps and worth[steps[-1]] <= worth[option]:
            steps.pop()  # dearer and no better: the encoder starves the larger layer
        if not steps or steps[-1].bps < option.bps:
            steps.append(option)
    return tuple(steps)


def _useful(demand: Demand) -> tuple[Option, ...]:
    enough = next(
        (option.size for option in demand.options if option.height >= demand.height * SIZE_TOLERANCE),
        None,
    )
    if enough is None:
        return demand.options
    return tuple(option for option in demand.options if option.size <= enough)


def value(option: Option, demand: Demand) -> float:
    """Return what an option is worth to a tile: concave in size and in frames."""
    drawn = max(demand.height, 1.0)
    size = min(1.0, option.height / drawn) if option.height else 1.0
    return WEIGHTS[demand.priority] * math.sqrt(size) * math.pow(option.frames, FRAMES_WEIGHT)


def allocate(budget_bps: float, demands: Sequence[Demand]) -> tuple[Grant, ...]:
    """Share out `budget_bps` over demands, the most important first; return a grant for each."""
    paths = [path(demand) for demand in demands]
    levels = [-1] * len(demands)
    left = budget_bps
    for index, steps in enumerate(paths):
        if steps and _cost(demands[index], steps[0]) <= left:
            left -= steps[0].bps
            levels[index] = 0
    while (best := _best_upgrade(demands, paths, levels, left)) is not None:
        index, level = best
        left -= paths[index][level].bps - paths[index][levels[index]].bps
        levels[index] = level
    return tuple(map(_grant, demands, paths, levels))


def attempt(demand: Demand) -> Grant:
    """Return the grant of a demand's least option, whatever it costs."""
    return _grant(demand, path(demand), 0)


def _cost(demand: Demand, option: Option) -> float:
    """Return what must be free for an option to be taken."""
    current = demand.current
    if current is not None and option.bps <= current.bps:
        return option.bps
    larger = current is None or option.size > current.size
    return option.bps * (demand.climb_margin if larger else CLIMB_MARGIN)


def _best_upgrade(
    demands: Sequence[Demand], paths: Sequence[tuple[Option, ...]], levels: Sequence[int], left: float
) -> tuple[int, int] | None:
    best, best_gain = None, 0.0
    for index, level in enumerate(levels):
        steps = paths[index]
        if level < 0 or level + 1 >= len(steps):
            continue
        demand, present = demands[index], steps[level]
        worth = value(present, demand)
        for above in range(level + 1, len(steps)):
            option = steps[above]
            if _cost(demand, option) - present.bps > left:
                break
            gain = (value(option, demand) - worth) / (option.bps - present.bps)
            if demand.current is not None and option.bps <= demand.current.bps:
                gain *= STAY_FACTOR
            if gain > best_gain:
                best, best_gain = (index, above), gain
    return best


def _grant(demand: Demand, steps: Sequence[Option], level: int) -> Grant:
    wanted = steps[-1] if steps else None
    if wanted is None:
        return Grant(demand.slot, None, None, Reason.NOT_SENT)
    if level < 0:
        return Grant(demand.slot, None, wanted, Reason.NO_BANDWIDTH)
    if level + 1 < len(steps):
        return Grant(demand.slot, steps[level], wanted, Reason.BANDWIDTH)
    fills = wanted.height >= demand.height * SIZE_TOLERANCE or not wanted.height
    return Grant(demand.slot, wanted, wanted, Reason.FULL if fills else Reason.SOURCE)
