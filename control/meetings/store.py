"""Meetings, in the database."""

from datetime import datetime

from sqlalchemy import Index, String, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.events import store as feeds
from control.people.store import Attendance


class Meeting(Base):
    """A meeting. Its id is the room's id on the node. The host's account may be in another database."""

    __tablename__ = "meetings"
    __table_args__ = (Index(None, "host_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(14), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    host_id: Mapped[str]
    host_name: Mapped[str] = mapped_column(String(80))
    guests_allowed: Mapped[bool]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


async def add(session: AsyncSession, meeting: Meeting) -> None:
    """Add a meeting."""
    session.add(meeting)
    await session.flush()


async def by_code(session: AsyncSession, code: str) -> Meeting | None:
    """Return the meeting with this canonical code, if there is one."""
    return await session.scalar(select(Meeting).where(Meeting.code == code))


async def by_id(session: AsyncSession, meeting_id: str) -> Meeting | None:
    """Return the meeting, if there is one."""
    return await session.get(Meeting, meeting_id)


async def is_there(session: AsyncSession, meeting: Meeting | None) -> bool:
    """Tell whether the database has this meeting; None is in no database."""
    return meeting is not None and await session.get(Meeting, meeting.id) is not None


async def hold(session: AsyncSession, meeting_id: str) -> Meeting:
    """Return the meeting as it is, and keep everybody else from changing it until the transaction ends."""
    await feeds.hold(session, meeting_id)
    return (await session.scalars(select(Meeting).where(Meeting.id == meeting_id))).one()


async def of_account(
    session: AsyncSession, account_id: str, after: Meeting | None, limit: int
) -> list[Meeting]:
    """Return the meetings the account hosted or attended, newest first, at most `limit`, from `after` on."""
    attended = exists().where(Attendance.account_id == account_id, Attendance.meeting_id == Meeting.id)
    wanted = select(Meeting).where(or_(Meeting.host_id == account_id, attended))
    if after is not None:
        wanted = wanted.where(tuple_(Meeting.created_at, Meeting.id) < (after.created_at, after.id))
    ordered = wanted.order_by(Meeting.created_at.desc(), Meeting.id.desc())
    return list(await session.scalars(ordered.limit(limit)))
