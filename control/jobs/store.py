"""Jobs, in the database of the change that called for them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CursorResult, Index, String, Text, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base

_INSERT: dict[str, Callable[..., Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


class State(StrEnum):
    """Where a job is on its way."""

    WAITING = "waiting"
    PUBLISHED = "published"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


class StoredJob(Base):
    """One job; `body` is its JSON. At `due_at` whoever finds it may take it; a job that is over has none.

    So to take a job is to move its `due_at` to when it counts as lost. `attempts` counts those begun, and is
    the number of the latest.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "state", "ended_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


async def add(session: AsyncSession, **columns: Any) -> bool:
    """Add a job. Returns False when there is one with its key."""
    insert = _INSERT[session.get_bind().dialect.name](StoredJob).values(columns)
    added = insert.on_conflict_do_nothing(index_elements=["key"]).returning(StoredJob.id)
    return await session.scalar(added) is not None


async def remove(session: AsyncSession, key: str) -> bool:
    """Forget the job with this key. Returns False when there is none."""
    removed = delete(StoredJob).where(StoredJob.key == key).returning(StoredJob.id)
    return await session.scalar(removed) is not None


async def earliest_due(session: AsyncSession) -> datetime | None:
    """Return when the first job is due, or was."""
    return await session.scalar(select(func.min(StoredJob.due_at)))


async def take_due(
    session: AsyncSession, now: datetime, limit: int, state: State, until: datetime
) -> list[StoredJob]:
    """Return due jobs, the longest due first, now in `state` and nobody else's `until` then."""
    due = (
        select(StoredJob)
        .where(StoredJob.due_at <= now)
        .order_by(StoredJob.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = list(await session.scalars(due))
    for job in taken:
        _take(job, state, until)
    await session.flush()
    return taken


async def take_published(
    session: AsyncSession, job_id: str, now: datetime, until: datetime
) -> StoredJob | None:
    """Return the job, now running and nobody else's `until` then; None when there is nothing to be done."""
    job = await session.scalar(select(StoredJob).where(StoredJob.id == job_id).with_for_update())
    if job is None or job.due_at is None or (job.state != State.PUBLISHED and job.due_at > now):
        return None
    _take(job, State.RUNNING, until)
    await session.flush()
    return job


def _take(job: StoredJob, state: State, until: datetime) -> None:
    job.state, job.due_at = state, until
    if state == State.RUNNING:
        job.attempts += 1


async def settle(session: AsyncSession, job_id: str, attempt: int, columns: Mapping[str, Any]) -> bool:
    """Write what became of an attempt. Returns False when it is no longer the job's latest, and so void."""
    ours = (StoredJob.id == job_id, StoredJob.attempts == attempt, StoredJob.state == State.RUNNING)
    settled = update(StoredJob).where(*ours).values(**columns).returning(StoredJob.id)
    return await session.scalar(settled) is not None


async def unpublish(session: AsyncSession, job_ids: list[str], due_at: datetime) -> None:
    """Have jobs that could not be published wait until `due_at`."""
    theirs = (StoredJob.id.in_(job_ids), StoredJob.state == State.PUBLISHED)
    await session.execute(update(StoredJob).where(*theirs).values(state=State.WAITING, due_at=due_at))


async def counts(session: AsyncSession) -> dict[str, int]:
    """Return how many jobs are in each state, those done not counted."""
    wanted = select(StoredJob.state, func.count()).where(StoredJob.state != State.DONE)
    found = await session.execute(wanted.group_by(StoredJob.state))
    return {state: count for state, count in found.all()}


async def remove_ended(session: AsyncSession, state: State, before: datetime, limit: int) -> int:
    """Forget at most `limit` jobs that ended in `state` before that moment. Returns how many."""
    old = select(StoredJob.id).where(StoredJob.state == state, StoredJob.ended_at < before).limit(limit)
    removed = await session.execute(delete(StoredJob).where(StoredJob.id.in_(old)))
    assert isinstance(removed, CursorResult)
    return removed.rowcount


async def dead(session: AsyncSession, limit: int) -> list[StoredJob]:
    """Return dead jobs, the latest first."""
    wanted = select(StoredJob).where(StoredJob.state == State.DEAD)
    return list(await session.scalars(wanted.order_by(StoredJob.ended_at.desc()).limit(limit)))


async def revive(session: AsyncSession, now: datetime, job_id: str | None = None) -> int:
    """Have a dead job, or all of them, tried again from the first attempt on. Returns how many."""
    chosen = update(StoredJob).where(StoredJob.state == State.DEAD)
    if job_id is not None:
        chosen = chosen.where(StoredJob.id == job_id)
    anew = chosen.values(state=State.WAITING, attempts=0, due_at=now, ended_at=None)
    revived = await session.execute(anew)
    assert isinstance(revived, CursorResult)
    return revived.rowcount
