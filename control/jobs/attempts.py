"""Attempts at jobs: a handler is run, and what became of it is written down.

An attempt holds no lock while it runs. Should another have begun meanwhile, because this one was taken for
lost, or should the job have been cancelled, then `finish` finds that out as the last thing before the commit,
and all the attempt has changed is rolled back. So of several attempts one at most has an effect in the
database.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import Database
from control.jobs import store
from control.jobs.schema import Job, kind_of
from control.jobs.store import State, StoredJob
from control.metrics import Metrics
from control.settings import JobSettings

log = logging.getLogger(__name__)

ERROR_MAX = 1000
JITTER = 0.5
EXPONENT_MAX = 30


class PermanentFailure(Exception):
    """To try the job again would be of no use; says why."""


class TemporaryFailure(Exception):
    """The job could not be done this time, for a reason outside of us; says which."""


class NotYet(Exception):
    """It is too early for the job: it is to be done at `due_at`. That is no failure, and no attempt."""

    def __init__(self, due_at: datetime) -> None:
        super().__init__(due_at)
        self.due_at = due_at


class _Void(Exception):
    """The attempt has been followed by another, or its job was cancelled."""


class Outcome(StrEnum):
    """What became of an attempt."""

    DONE = "done"
    RETRIED = "retried"
    DEAD = "dead"
    VOID = "void"
    POSTPONED = "postponed"
    UNKNOWN = "unknown"


class Attempt:
    """One attempt at the job `job_id`, which is in `database`. `number` counts from 1."""

    def __init__(self, database: Database, job_id: str, number: int, clock: Clock) -> None:
        self.database = database
        self.job_id = job_id
        self.number = number
        self._clock = clock
        self.is_finished = False

    @asynccontextmanager
    async def finish(self) -> AsyncIterator[AsyncSession]:
        """One transaction, whose commit marks the job done."""
        async with self.database.write() as session:
            yield session
            over = {"state": State.DONE, "due_at": None, "key": None, "ended_at": self._clock()}
            if not await store.settle(session, self.job_id, self.number, over):
                raise _Void
        self.is_finished = True


Handler = Callable[[Attempt, Any], Awaitable[None]]
Handlers = Mapping[type[Job], Handler]


class Attempts:
    """Makes attempts at jobs that were taken, and settles what became of them."""

    def __init__(self, handlers: Handlers, settings: JobSettings, clock: Clock, metrics: Metrics) -> None:
        self._handlers = {kind_of(job): (job, handler) for job, handler in handlers.items()}
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def make(self, database: Database, stored: StoredJob) -> Outcome:
        """Do the job, or write down why not. Never raises, but is cancelled with the job left to others."""
        attempt = Attempt(database, stored.id, stored.attempts, self._clock)
        try:
            outcome = await self._settled(attempt, stored)
        except asyncio.CancelledError:
            await self._settle(attempt, self._waiting(0.0) | {"attempts": attempt.number - 1})
            raise
        except Exception:
            log.exception("what became of job %s could not be written; it will be taken again", stored.id)
            outcome = Outcome.UNKNOWN
        kind = stored.kind if stored.kind in self._handlers else "unknown"
        self._metrics.jobs.labels(kind, outcome).inc()
        return outcome

    async def _settled(self, attempt: Attempt, stored: StoredJob) -> Outcome:
        name = f"job {stored.id} ({stored.kind}), attempt {attempt.number}"
        try:
            await self._do(attempt, stored)
        except _Void:
            return Outcome.VOID
        except NotYet as early:
            waiting = {"state": State.WAITING, "due_at": early.due_at, "attempts": attempt.number - 1}
            return Outcome.POSTPONED if await self._settle(attempt, waiting) else Outcome.VOID
        except PermanentFailure as error:
            return await self._bury(attempt, name, error)
        except (TemporaryFailure, SQLAlchemyError, OSError) as error:
            return await self._postpone(attempt, name, error)
        except Exception as error:
            log.exception("a bug in %s", name)
            return await self._postpone(attempt, name, error)
        return Outcome.DONE

    async def _do(self, attempt: Attempt, stored: StoredJob) -> None:
        if attempt.number > self._settings.jobs_attempts:
            raise PermanentFailure("given up: the last attempt did not end, and may have ended its process")
        if stored.kind not in self._handlers:
            raise TemporaryFailure("no job of a kind that is known here")  # but maybe to a later version
        kind, handler = self._handlers[stored.kind]
        try:
            job = msgspec.json.decode(stored.body, type=kind)
        except msgspec.DecodeError as error:
            raise PermanentFailure(f"no such job: {error}") from error
        try:
            async with asyncio.timeout(self._settings.jobs_lease_s):
                await handler(attempt, job)
                if not attempt.is_finished:
                    async with attempt.finish():
                        pass
        except TimeoutError as error:
            raise TemporaryFailure(f"took longer than allowed: {error!r}") from error

    async def _postpone(self, attempt: Attempt, name: str, error: Exception) -> Outcome:
        """Have the job tried again, unless it was tried often enough."""
        if attempt.number >= self._settings.jobs_attempts:
            return await self._bury(attempt, name, error)
        doublings = min(attempt.number - 1, EXPONENT_MAX)
        longest_s = min(self._settings.jobs_backoff_max_s, self._settings.jobs_backoff_s * 2.0**doublings)
        wait_s = longest_s * random.uniform(JITTER, 1)  # noqa: S311 - not a secret
        log.warning("%s failed, to be tried again in %.0f s: %r", name, wait_s, error)
        is_ours = await self._settle(attempt, self._waiting(wait_s) | _told(error))
        return Outcome.RETRIED if is_ours else Outcome.VOID

    async def _bury(self, attempt: Attempt, name: str, error: Exception) -> Outcome:
        log.error("%s failed for good: %r", name, error)
        over = {"state": State.DEAD, "due_at": None, "key": None, "ended_at": self._clock()}
        is_ours = await self._settle(attempt, over | _told(error))
        return Outcome.DEAD if is_ours else Outcome.VOID

    async def _settle(self, attempt: Attempt, columns: Mapping[str, Any]) -> bool:
        async with attempt.database.write() as session:
            return await store.settle(session, attempt.job_id, attempt.number, columns)

    def _waiting(self, wait_s: float) -> dict[str, Any]:
        return {"state": State.WAITING, "due_at": self._clock() + timedelta(seconds=wait_s)}


def _told(error: Exception) -> dict[str, Any]:
    text = str(error) if isinstance(error, PermanentFailure | TemporaryFailure) else repr(error)
    return {"error": text[:ERROR_MAX]}
