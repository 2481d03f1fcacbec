"""Which node a room goes to: a pure function over what the nodes last said of themselves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from control.nodes.store import Node

AWAITED_SHARE = 0.01
"""How much fuller a peer on its way will make a node, about: a small meeting's costs so much of a core."""


class Strategy(StrEnum):
    """Which of the nodes that could take a room takes it."""

    LEAST_LOADED = "least-loaded"
    """The emptiest: sound is best where there is most to spare."""
    FILL_FIRST = "fill-first"
    """The fullest: the others can be switched off."""


@dataclass(frozen=True)
class Candidate:
    """A node that lives. `awaited` peers have tickets for it and may not be among its `peers` yet."""

    id: str
    region: str = ""
    peers: int = 0
    fullness: float = 0.0
    full: bool = False
    draining: bool = False
    awaited: int = 0

    @property
    def takes_rooms(self) -> bool:
        """Whether a new room may be opened on it."""
        return not (self.full or self.draining)

    @property
    def load(self) -> float:
        """How full it will be, about, once everybody has come."""
        return self.fullness + AWAITED_SHARE * self.awaited

    @property
    def rank(self) -> tuple[float, int, str]:
        """Its place among the others, from the emptiest to the fullest."""
        return self.load, self.peers + self.awaited, self.id


def candidates_of(nodes: Iterable[Node], awaited: Mapping[str, int]) -> list[Candidate]:
    """Return the nodes as candidates; `awaited` is how many are on their way to each."""
    return [
        Candidate(
            node.id,
            region=node.region,
            peers=node.peers,
            fullness=node.fullness,
            full=node.full,
            draining=node.draining,
            awaited=awaited.get(node.id, 0),
        )
        for node in nodes
    ]


@dataclass(frozen=True)
class Placing:
    """How nodes are chosen for those who join here, and the `region` of those who name none."""

    strategy: Strategy
    region: str | None = None


@dataclass(frozen=True)
class Bond:
    """The node a meeting is bound to, because its room is open there or tickets that name it are about."""

    node: str
    room_open: bool


def choose(
    candidates: Sequence[Candidate], bond: Bond | None, strategy: Strategy, region: str | None = None
) -> str | None:
    """Return the id of the node the meeting's next ticket names, or None when none can take it.

    A room is never split: the node it is open on takes it even while full or draining, and says itself who is
    too many. A new room goes to a node of the `region` if one there takes rooms, else to any that does.
    """
    for candidate in candidates:
        if bond is not None and candidate.id == bond.node and (bond.room_open or candidate.takes_rooms):
            return candidate.id
    willing = [candidate for candidate in candidates if candidate.takes_rooms]
    near = [candidate for candidate in willing if candidate.region == region]
    chosen = _CHOICES[strategy](near or willing)
    return None if chosen is None else chosen.id


def _least_loaded(willing: Sequence[Candidate]) -> Candidate | None:
    return min(willing, key=lambda each: each.rank, default=None)


def _fill_first(willing: Sequence[Candidate]) -> Candidate | None:
    """Return the fullest that will have places left once everybody has come; if none will, the emptiest."""
    roomy = [each for each in willing if each.load < 1]
    return max(roomy, key=lambda each: each.rank, default=_least_loaded(willing))


_CHOICES: dict[Strategy, Callable[[Sequence[Candidate]], Candidate | None]] = {
    Strategy.LEAST_LOADED: _least_loaded,
    Strategy.FILL_FIRST: _fill_first,
}
