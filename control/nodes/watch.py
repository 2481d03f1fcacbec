"""Looking for nodes that have fallen silent, without taking an absence of our own for theirs."""

from datetime import timedelta
from math import ceil

from control.clock import Clock
from control.nodes.service import Nodes

LOOK = timedelta(seconds=0.5)


class Watch:
    """Looks after the nodes every `every_s` seconds.

    Nobody can report while we, or the database, are away: after that, nodes get the time to.
    """

    def __init__(self, nodes: Nodes, clock: Clock) -> None:
        every = min(LOOK, nodes.lease)
        self.every_s = every.total_seconds()
        self._nodes = nodes
        self._clock = clock
        self._late = every + LOOK
        self._grace = self._spared = ceil(nodes.lease / every)
        self._looked_at = clock()

    async def look(self) -> None:
        """Give up the nodes that have fallen silent, unless there was an absence within the last lease."""
        if self._clock() - self._looked_at > self._late:
            self._spared = self._grace
        try:
            if self._spared:
                self._spared -= 1
            else:
                self._spared = self._grace  # should this fail
                await self._nodes.sweep()
                self._spared = 0
        finally:
            self._looked_at = self._clock()
