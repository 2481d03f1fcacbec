"""How much a node bears, and how near to that it is: pure, as measures and their times are arguments."""

from dataclasses import dataclass
from math import exp

SMOOTHING_S = 3.0
RELIEF = 0.1
"""By so much strain must fall before those are let in again who were turned away for it."""


@dataclass(frozen=True, slots=True)
class Strain:
    """What the node's work is of what it bears, smoothed: 1 is all. It keeps out rooms, then peers, too."""

    level: float = 0.0
    bars_rooms: bool = False
    bars_peers: bool = False


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a node bears: it is full at so many peers, such a share of a core, or so late an event loop.

    The last `reserve` of it is kept for peers of the rooms that are here, because a room is on one node. An
    empty node is never full: what it measures is not its own doing.
    """

    peers: int = 2000
    cpu: float = 0.95
    """A loop has one core; with a twentieth left a burst of a few packets already waits."""
    lag_s: float = 0.015
    """Later than most of a 20 ms packet of sound, each receiver's playout begins to stretch."""
    reserve: float = 0.1

    def strained(self, before: Strain, cpu: float, lag_s: float, over_s: float) -> Strain:
        """Return the strain after `over_s` seconds in which the loop used `cpu` and ran `lag_s` late."""
        measured = max(cpu / self.cpu, lag_s / self.lag_s)
        level = before.level + (1 - exp(-over_s / SMOOTHING_S)) * (measured - before.level)
        return Strain(
            level,
            bars_rooms=level >= 1 - self.reserve - RELIEF * before.bars_rooms,
            bars_peers=level >= 1 - RELIEF * before.bars_peers,
        )

    def fullness(self, strain: Strain, peers: int) -> float:
        """Return how full the node is, from 0 to 1."""
        return min(1.0, max(strain.level, peers / self.peers)) if peers else 0.0

    def takes_room(self, strain: Strain, peers: int) -> bool:
        """Tell whether another room may be opened."""
        return not peers or (not strain.bars_rooms and peers < self.peers * (1 - self.reserve))

    def takes_peer(self, strain: Strain, peers: int) -> bool:
        """Tell whether another peer may enter a room that is here."""
        return not peers or (not strain.bars_peers and peers < self.peers)
