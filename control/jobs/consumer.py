"""From RabbitMQ to the handlers: each notice is acknowledged once its job is done, or put off in the table.

The broker hands out as many notices as may be worked on at a time, and no more: those would only grow old
here.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from sqlalchemy.exc import SQLAlchemyError

from control.clock import Clock
from control.database import Database
from control.jobs import store
from control.jobs.attempts import Attempts, Outcome
from control.jobs.broker import AMQP_ERRORS, RETRY_S, Broker, Notice
from control.jobs.store import StoredJob
from control.metrics import Metrics
from control.settings import JobSettings

log = logging.getLogger(__name__)

DRAIN_S = 10.0


class Consumer:
    """Does the jobs that it is told of; any number of processes may."""

    def __init__(
        self,
        databases: Sequence[Database],
        attempts: Attempts,
        broker: Broker,
        settings: JobSettings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._databases = databases
        self._attempts = attempts
        self._broker = broker
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `run` end, once what is being done is done or a few seconds have passed."""
        self._stopping.set()

    async def run(self) -> None:
        """Do jobs until stopped."""
        await self._broker.use(self._consume, self._stopping)

    async def _consume(self, channel: AbstractChannel, queue: AbstractQueue) -> None:
        await channel.set_qos(prefetch_count=self._settings.jobs_concurrency)
        tag = await queue.consume(self._begin)
        await self._stopping.wait()
        if self._broker.is_connected:
            await queue.cancel(tag)
        await self._drain()

    async def _begin(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.create_task(self._receive(message))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=DRAIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        try:
            outcome = await self._follow(message.body)
        except Exception:
            log.exception("a bug while following a notice")
            outcome = "refused"
        self._metrics.notices.labels(outcome).inc()
        try:
            if outcome in ("refused", Outcome.DEAD):
                await message.reject(requeue=False)
            else:
                await message.ack()
        except AMQP_ERRORS as error:
            log.info("a notice could not be acknowledged, and will come again: %s", error)

    async def _follow(self, body: bytes) -> str:
        """Do the job that the notice names, if it is to be done; return what became of the notice."""
        try:
            notice = msgspec.json.decode(body, type=Notice)
            database = self._databases[notice.database]
        except (msgspec.DecodeError, IndexError) as error:
            log.warning("a message in the queue of jobs is none of ours: %s", error)
            return "refused"
        stored = await self._take(database, notice.job)
        if stored is None:
            return "stale"
        return await self._attempts.make(database, stored)

    async def _take(self, database: Database, job_id: str) -> StoredJob | None:
        """Take the job, once the database answers; None when it is done, cancelled, or another's."""
        while True:
            now = self._clock()
            until = now + timedelta(seconds=self._settings.jobs_lease_s)
            try:
                async with database.write() as session:
                    return await store.take_published(session, job_id, now, until)
            except (SQLAlchemyError, OSError) as error:
                log.warning("a job could not be taken; trying again: %s", error)
            await asyncio.sleep(RETRY_S)
