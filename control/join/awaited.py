"""Who is on the way to a node: several rooms placed between two of its reports should not all go to it."""

from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from control.clock import Clock

ON_THE_WAY = timedelta(seconds=5)
"""Longer than the way into a room and the report of it together take."""
TICKETS_MAX = 10_000


class Awaited:
    """The tickets this process lately gave out. Other processes' are not known: each spreads its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._given: deque[tuple[datetime, str]] = deque(maxlen=TICKETS_MAX)

    def add(self, node_id: str) -> None:
        """Note that a ticket for the node was given out."""
        self._given.append((self._clock(), node_id))

    def counted(self) -> Mapping[str, int]:
        """Return how many more peers each node may have than it has told of."""
        long_ago = self._clock() - ON_THE_WAY
        while self._given and self._given[0][0] <= long_ago:
            self._given.popleft()
        return Counter(node_id for _, node_id in self._given)
