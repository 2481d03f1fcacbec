"""Which node a room goes to: a pure function over what the nodes last said of themselves."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A node that lives."""

    id: str
    peers: int
    draining: bool


@dataclass(frozen=True)
class Bond:
    """The node a meeting is bound to, because its room is open there or tickets that name it are about."""

    node: str
    room_open: bool


def choose(candidates: Sequence[Candidate], bond: Bond | None) -> str | None:
    """Return the id of the node the meeting's next ticket names, or None when none can take it.

    A room is never split: the node it is open on takes it even while draining. A node that drains takes
    no new room. Otherwise the node with the fewest peers.
    """
    for candidate in candidates:
        if bond is not None and candidate.id == bond.node and (bond.room_open or not candidate.draining):
            return candidate.id
    willing = [candidate for candidate in candidates if not candidate.draining]
    return min(willing, key=lambda candidate: (candidate.peers, candidate.id)).id if willing else None
