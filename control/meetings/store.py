"""Meetings, in the database."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, exists, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from control.accounts.store import Account
from control.database import Base
from control.people.store import Attendance


class Meeting(Base):
    """A meeting. Its id is the room's id on the node."""

    __tablename__ = "meetings"
    __table_args__ = (Index(None, "host_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(14), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    host_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    guests_allowed: Mapped[bool]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    host: Mapped[Account] = relationship(lazy="raise")


async def add(session: AsyncSession, meeting: Meeting) -> None:
    """Add a meeting."""
    session.add(meeting)
    await session.flush()


async def by_code(session: AsyncSession, code: str) -> Meeting | None:
    """Return the meeting with this canonical code and its host, if there is one."""
    wanted = select(Meeting).where(Meeting.code == code).options(joinedload(Meeting.host))
    return await session.scalar(wanted)


async def refresh(session: AsyncSession, meeting: Meeting) -> None:
    """Read the meeting's own columns again, since another transaction may have changed them."""
    await session.refresh(meeting, ["ended_at"])


async def of_account(session: AsyncSession, account_id: str, after: str | None, limit: int) -> list[Meeting]:
    """Return the meetings the account hosted or attended, newest first, at most `limit`, from `after` on."""
    attended = exists().where(Attendance.account_id == account_id, Attendance.meeting_id == Meeting.id)
    wanted = select(Meeting).where(or_(Meeting.host_id == account_id, attended))
    if after is not None:
        last = await session.get(Meeting, after)
        if last is None:
            return []
        wanted = wanted.where(tuple_(Meeting.created_at, Meeting.id) < (last.created_at, last.id))
    ordered = wanted.order_by(Meeting.created_at.desc(), Meeting.id.desc())
    return list(await session.scalars(ordered.limit(limit).options(joinedload(Meeting.host))))
