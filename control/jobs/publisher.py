"""From the table to RabbitMQ: due jobs are published, and published again should their notices get lost.

A job that is to be tried again waits in the table, not in the broker: so there is one place to look for it,
to cancel it, and to lose nothing with a broker that is replaced.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from aio_pika.abc import AbstractChannel, AbstractQueue
from sqlalchemy.exc import SQLAlchemyError

from control.clock import Clock
from control.database import Database
from control.jobs import store
from control.jobs.broker import QUEUE, Broker, Notice, message_of
from control.jobs.service import Jobs
from control.jobs.store import State
from control.loop import pause
from control.metrics import Metrics
from control.settings import JobSettings

log = logging.getLogger(__name__)

BATCH = 100
CONFIRM_S = 10.0


class Publisher:
    """Publishes the due jobs of all databases; any number of processes may."""

    def __init__(
        self,
        databases: Sequence[Database],
        jobs: Jobs,
        broker: Broker,
        settings: JobSettings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._databases = databases
        self._jobs = jobs
        self._broker = broker
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` end after what it is publishing."""
        self._stopping.set()
        self._jobs.due.set()

    async def run(self) -> None:
        """Publish until stopped. While RabbitMQ is away, jobs wait."""
        await self._broker.use(self._publish_all, self._stopping)

    async def _publish_all(self, channel: AbstractChannel, _queue: AbstractQueue) -> None:
        while not self._stopping.is_set():
            self._jobs.due.clear()
            for place, database in enumerate(self._databases):
                try:
                    if self._broker.is_connected:
                        await self._publish_due(channel, place, database)
                except (SQLAlchemyError, OSError) as error:
                    log.warning("due jobs could not be looked for; trying again: %s", error)
                except Exception:
                    log.exception("a bug while publishing jobs; trying again")
            await pause(self._jobs.due, self._settings.jobs_poll_s)

    async def _publish_due(self, channel: AbstractChannel, place: int, database: Database) -> None:
        async with database.read() as session:
            earliest = await store.earliest_due(session)
        now = self._clock()
        if earliest is None or earliest > now:
            return
        until = now + timedelta(seconds=self._settings.jobs_republish_s)
        async with database.write() as session:
            taken = [job.id for job in await store.take_due(session, now, BATCH, State.PUBLISHED, until)]
        publishing = (self._publish(channel, Notice(place, job_id)) for job_id in taken)
        failures = await asyncio.gather(*publishing, return_exceptions=True)
        unconfirmed = [job_id for job_id, failure in zip(taken, failures, strict=True) if failure is not None]
        self._metrics.notices.labels("published").inc(len(taken) - len(unconfirmed))
        self._metrics.notices.labels("unconfirmed").inc(len(unconfirmed))
        if unconfirmed:
            log.warning("RabbitMQ did not take %d jobs; trying again: %r", len(unconfirmed), failures[-1])
            async with database.write() as session:
                await store.unpublish(session, unconfirmed, self._clock())
        elif len(taken) == BATCH:
            self._jobs.due.set()  # there may be more

    async def _publish(self, channel: AbstractChannel, notice: Notice) -> None:
        """Publish, and wait until the broker has it. Raises what the library does when it has not."""
        async with asyncio.timeout(CONFIRM_S):
            await channel.default_exchange.publish(message_of(notice), QUEUE, mandatory=True)
