"""Jobs done by control itself, from the table; replicas share them out by the rows that each takes."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from control.clock import Clock
from control.database import Database
from control.jobs import store
from control.jobs.attempts import Attempts
from control.jobs.service import Jobs
from control.jobs.store import State, StoredJob
from control.loop import pause
from control.settings import JobSettings

log = logging.getLogger(__name__)

DRAIN_S = 5.0


class Embedded:
    """Takes due jobs, as many as may be done at a time, and does them."""

    def __init__(
        self,
        databases: Sequence[Database],
        jobs: Jobs,
        attempts: Attempts,
        settings: JobSettings,
        clock: Clock,
    ) -> None:
        self._databases = databases
        self._jobs = jobs
        self._attempts = attempts
        self._settings = settings
        self._clock = clock
        self._running: set[asyncio.Task[object]] = set()
        self._stopping = False

    def stop(self) -> None:
        """Let `run` end, once what is being done is done or a few seconds have passed."""
        self._stopping = True
        self._jobs.due.set()

    async def run(self) -> None:
        """Do jobs until stopped."""
        while not self._stopping:
            self._jobs.due.clear()
            for database in self._databases:
                try:
                    await self._begin_due(database)
                except (SQLAlchemyError, OSError) as error:
                    log.warning("jobs could not be looked for; trying again: %s", error)
                except Exception:
                    log.exception("a bug while looking for jobs; trying again")
            await pause(self._jobs.due, self._settings.jobs_poll_s)
        await self._drain()

    async def _begin_due(self, database: Database) -> None:
        room = self._settings.jobs_concurrency - len(self._running)
        if room == 0:
            return
        async with database.read() as session:
            earliest = await store.earliest_due(session)
        now = self._clock()
        if earliest is None or earliest > now:
            return
        until = now + timedelta(seconds=self._settings.jobs_lease_s)
        async with database.write() as session:
            taken = await store.take_due(session, now, room, State.RUNNING, until)
        for stored in taken:
            self._begin(database, stored)

    def _begin(self, database: Database, stored: StoredJob) -> None:
        task: asyncio.Task[object] = asyncio.create_task(self._attempts.make(database, stored))
        self._running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        self._jobs.due.set()  # there is room for another

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=DRAIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
