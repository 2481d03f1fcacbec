"""Recordings, in the database: a row for each from when it was begun to be handed in."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Select, String, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.meetings.store import Meeting


class Recording(Base):
    """A recording, listed from `ready_at` to `deleted_at`; `key` is that of its object, `size` in bytes.

    `digest` is that of the content when it was looked at; what changed since is not given out.
    """

    __tablename__ = "recordings"
    __table_args__ = (Index(None, "meeting_id", "started_at"), Index(None, "created_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(65))
    title: Mapped[str] = mapped_column(String(120))
    content_type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    digest: Mapped[str | None] = mapped_column(String(128))
    deleted_at: Mapped[datetime | None]


_IS_KEPT = Recording.deleted_at.is_(None)
_IS_LISTED = Recording.ready_at.is_not(None) & _IS_KEPT


async def add(session: AsyncSession, recording: Recording) -> None:
    """Add a recording."""
    session.add(recording)
    await session.flush()


async def bytes_of(session: AsyncSession, meeting_id: str) -> int:
    """Return the size of all recordings of the meeting, those included that may yet be uploaded."""
    theirs = select(func.coalesce(func.sum(Recording.size), 0)).where(Recording.meeting_id == meeting_id)
    return await session.scalar(theirs) or 0


async def kept(session: AsyncSession, meeting_id: str, recording_id: str) -> Recording | None:
    """Return the meeting's recording with this id, complete or not, unless it was deleted."""
    return await session.scalar(_kept(meeting_id, recording_id))


async def hold(session: AsyncSession, meeting_id: str, recording_id: str) -> Recording | None:
    """Return the same, locked until the transaction ends."""
    return await session.scalar(_kept(meeting_id, recording_id).with_for_update())


def _kept(meeting_id: str, recording_id: str) -> Select[Recording]:
    return select(Recording).where(Recording.id == recording_id, Recording.meeting_id == meeting_id, _IS_KEPT)


async def newest(session: AsyncSession, meeting_id: str, after: str | None, limit: int) -> list[Recording]:
    """Return the meeting's complete recordings, the latest first, at most `limit`, from `after` on."""
    wanted = select(Recording).where(Recording.meeting_id == meeting_id, _IS_LISTED)
    if after is not None:
        last = await session.get(Recording, after)
        if last is None or last.meeting_id != meeting_id:
            return []
        wanted = wanted.where(tuple_(Recording.started_at, Recording.id) < (last.started_at, last.id))
    ordered = wanted.order_by(Recording.started_at.desc(), Recording.id.desc())
    return list(await session.scalars(ordered.limit(limit)))


async def hold_unlisted(session: AsyncSession, before: datetime, limit: int) -> list[Recording]:
    """Return those begun before then that are not complete, or deleted, locked, at most `limit`."""
    over = or_(Recording.ready_at.is_(None), Recording.deleted_at.is_not(None))
    old = select(Recording).where(Recording.created_at < before, over)
    return list(await session.scalars(old.limit(limit).with_for_update(skip_locked=True)))


async def hold_ended_since(
    session: AsyncSession, moment: datetime, before: datetime, limit: int
) -> list[Recording]:
    """Return those begun before then of meetings that ended before `moment`, locked, at most `limit`."""
    over = exists().where(Meeting.id == Recording.meeting_id, Meeting.ended_at < moment)
    old = select(Recording).where(Recording.created_at < before, over)
    return list(await session.scalars(old.limit(limit).with_for_update(skip_locked=True)))


async def remove(session: AsyncSession, recordings: Collection[Recording]) -> None:
    """Remove the rows."""
    for recording in recordings:
        await session.delete(recording)
    await session.flush()
