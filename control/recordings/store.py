"""Recordings, in the database."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Select, String, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.meetings.store import Meeting


class Recording(Base):
    """A finished recording; `key` is that of its object, `size` in bytes."""

    __tablename__ = "recordings"
    __table_args__ = (Index(None, "meeting_id", "started_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(65))
    content_type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]


async def add(session: AsyncSession, recording: Recording) -> None:
    """Add a recording."""
    session.add(recording)
    await session.flush()


async def of_meeting(session: AsyncSession, meeting_id: str, recording_id: str) -> Recording | None:
    """Return the meeting's recording with this id, if there is one."""
    return await session.scalar(_of_meeting(meeting_id, recording_id))


async def hold(session: AsyncSession, meeting_id: str, recording_id: str) -> Recording | None:
    """Return the same, locked until the transaction ends."""
    return await session.scalar(_of_meeting(meeting_id, recording_id).with_for_update())


def _of_meeting(meeting_id: str, recording_id: str) -> Select[Recording]:
    return select(Recording).where(Recording.id == recording_id, Recording.meeting_id == meeting_id)


async def newest(session: AsyncSession, meeting_id: str, after: str | None, limit: int) -> list[Recording]:
    """Return the meeting's recordings, the latest first, at most `limit`, from `after` on."""
    wanted = select(Recording).where(Recording.meeting_id == meeting_id)
    if after is not None:
        last = await session.get(Recording, after)
        if last is None:
            return []
        wanted = wanted.where(tuple_(Recording.started_at, Recording.id) < (last.started_at, last.id))
    ordered = wanted.order_by(Recording.started_at.desc(), Recording.id.desc())
    return list(await session.scalars(ordered.limit(limit)))


async def hold_ended_since(session: AsyncSession, moment: datetime, limit: int) -> list[Recording]:
    """Return the recordings of meetings that ended before `moment`, locked, at most `limit`."""
    over = exists().where(Meeting.id == Recording.meeting_id, Meeting.ended_at < moment)
    old = select(Recording).where(over)
    return list(await session.scalars(old.limit(limit).with_for_update(skip_locked=True)))


async def remove(session: AsyncSession, recordings: Collection[Recording]) -> None:
    """Remove the rows."""
    for recording in recordings:
        await session.delete(recording)
    await session.flush()
