"""Jobs at work without the rest of control: kinds of the tests' own, and a table that shows their effects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy
from sqlalchemy import text

from control.database import Database
from control.jobs.attempts import Attempt, Handlers, PermanentFailure, TemporaryFailure
from control.jobs.schema import Job
from control.jobs.service import Jobs
from control.metrics import Metrics
from control.settings import JobSettings, Settings
from control.work import Loop, Work
from tests.integration.control.harness import Hands, rows
from tests.support.waiting import until

QUICK = JobSettings(jobs_poll_s=0.1, jobs_attempts=3)
EFFECT = text("INSERT INTO effects VALUES (:name)")


class Note(Job, frozen=True, tag="test.note.v1"):
    """Leaves its name among the effects."""

    name: str


class Stumble(Job, frozen=True, tag="test.stumble.v1"):
    """Fails so many times after it has changed something, then leaves its name."""

    name: str
    times: int
    permanently: bool = False
    buggily: bool = False


class Wait(Job, frozen=True, tag="test.wait.v1"):
    """Waits to be let go before it leaves its name."""

    name: str


class Linger(Job, frozen=True, tag="test.linger.v1"):
    """Takes so long before it leaves its name."""

    name: str
    seconds: float


class Ticking(Hands):
    """The machine's clock."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Hand:
    """Does the tests' jobs. `gate` lets those go that wait; `begun` tells the attempts."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[tuple[str, int]] = field(default_factory=list)

    @property
    def handlers(self) -> Handlers:
        return {Note: self.note, Stumble: self.stumble, Wait: self.wait, Linger: self.linger}

    async def note(self, attempt: Attempt, job: Note) -> None:
        async with attempt.finish() as session:
            await session.execute(EFFECT, {"name": job.name})

    async def stumble(self, attempt: Attempt, job: Stumble) -> None:
        self.begun.append((attempt.job_id, attempt.number))
        async with attempt.finish() as session:
            await session.execute(EFFECT, {"name": job.name})
            if attempt.number <= job.times:
                if job.buggily:
                    raise ZeroDivisionError
                failure = PermanentFailure if job.permanently else TemporaryFailure
                raise failure("it was not to be")

    async def wait(self, attempt: Attempt, job: Wait) -> None:
        self.begun.append((attempt.job_id, attempt.number))
        await self.gate.wait()
        await self.note(attempt, Note(job.name))

    async def linger(self, attempt: Attempt, job: Linger) -> None:
        await asyncio.sleep(job.seconds)
        await self.note(attempt, Note(job.name))


@dataclass
class Works:
    """A database, and who adds jobs to it."""

    url: sqlalchemy.URL
    database: Database
    clock: Hands
    jobs: Jobs
    metrics: Metrics
    hand: Hand

    def work(self, settings: Settings, *others: Database) -> Work:
        databases = [self.database, *others]
        return Work(settings, databases, self.jobs, self.hand.handlers, self.clock, self.metrics)

    def loops(self, settings: Settings, *others: Database) -> list[Loop]:
        """What control does, and with RabbitMQ what a worker does."""
        work = self.work(settings, *others)
        return work.in_control() + (work.in_worker(settings.amqp_url) if settings.amqp_url else [])

    async def add(self, job: Job, **options: object) -> bool:
        async with self.database.write() as session:
            return await self.jobs.add(session, job, **options)  # type: ignore[arg-type]

    async def cancel(self, key: str) -> bool:
        async with self.database.write() as session:
            return await self.jobs.cancel(session, key)

    def effects(self) -> list[str]:
        return sorted(name for (name,) in rows(self.url, "SELECT name FROM effects"))

    def states(self) -> dict[str, int]:
        return {state: n for state, n in rows(self.url, "SELECT state, count(*) FROM jobs GROUP BY state")}

    async def until_effects(self, *names: str) -> None:
        await until("the effects are there", self._effects, accept=lambda seen: seen == sorted(names))

    async def until_states(self, **counts: int) -> None:
        await until("the jobs have come so far", self._states, accept=lambda seen: seen == counts)

    def count(self, kind: str, outcome: str) -> float:
        labels = {"kind": kind, "outcome": outcome}
        return self.metrics.registry.get_sample_value("parley_control_jobs_total", labels) or 0

    async def _effects(self) -> list[str]:
        return self.effects()

    async def _states(self) -> dict[str, int]:
        return self.states()


@asynccontextmanager
async def works(url: sqlalchemy.URL, clock: Hands) -> AsyncIterator[Works]:
    """Prepare the database; nobody does anything yet."""
    database = Database(url, readers=4, writers=4)
    await database.prepare(5)
    async with database.write() as session:
        await session.execute(text("CREATE TABLE IF NOT EXISTS effects (name VARCHAR(64))"))
    yield Works(url, database, clock, Jobs(clock), Metrics(), Hand())
    await database.close()


@asynccontextmanager
async def going(some: Sequence[Loop]) -> AsyncIterator[None]:
    """Have them go on inside the block."""
    tasks = [asyncio.create_task(loop.run()) for loop in some]
    try:
        yield
    finally:
        for loop in some:
            loop.stop()
        await asyncio.gather(*tasks)
