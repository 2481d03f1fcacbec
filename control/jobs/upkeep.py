"""What the table of jobs needs now and then: to be counted, and cleared of what is long over."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from control.clock import Clock
from control.database import Database
from control.jobs import store
from control.jobs.store import State
from control.metrics import Metrics
from control.settings import JobSettings

log = logging.getLogger(__name__)

EVERY_S = 10.0
REMOVED_MAX = 1000
"""So many rows go at a time: none has to wait for a long deletion."""


class Upkeep:
    """Counts the jobs of all databases, and removes old ones."""

    def __init__(
        self, databases: Sequence[Database], settings: JobSettings, clock: Clock, metrics: Metrics
    ) -> None:
        self._databases = databases
        self._keep_s = {State.DONE: settings.jobs_keep_s, State.DEAD: settings.jobs_keep_dead_s}
        self._clock = clock
        self._metrics = metrics

    async def look(self) -> None:
        """Count and remove once, in the databases that answer."""
        counts: Counter[str] = Counter()
        late_s = 0.0
        for database in self._databases:
            try:
                await self._remove(database)
                async with database.read() as session:
                    counts.update(await store.counts(session))
                    earliest = await store.earliest_due(session)
            except (SQLAlchemyError, OSError) as error:
                log.warning("jobs could not be counted; trying again: %s", error)
                continue
            if earliest is not None:
                late_s = max(late_s, (self._clock() - earliest).total_seconds())
        for state in (State.WAITING, State.PUBLISHED, State.RUNNING, State.DEAD):
            self._metrics.jobs_stored.labels(state).set(counts[state])
        self._metrics.jobs_late_s.set(late_s)

    async def _remove(self, database: Database) -> None:
        for state, keep_s in self._keep_s.items():
            before = self._clock() - timedelta(seconds=keep_s)
            async with database.write() as session:
                removed = await store.remove_ended(session, state, before, REMOVED_MAX)
            self._metrics.jobs_removed.labels(state).inc(removed)
