"""Meetings, in the database."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.events import store as feeds
from control.invitations.store import Invitation
from control.meetings.schedule import Schedule
from control.people.store import Attendance
from control.refusals import Reason


class When(StrEnum):
    """Which of an account's meetings: those that may still be entered, or those that have ended."""

    COMING = "coming"
    PAST = "past"


class Meeting(Base):
    """A meeting. Its id is the room's id on the node. The host's account may be in another database.

    One without times is open from the moment it was made. One that was `cancelled` has ended by that.
    `sequence` counts what calendars have to be told of.
    """

    __tablename__ = "meetings"
    __table_args__ = (Index(None, "host_id", "created_at"), Index(None, "host_id", "ended_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(14), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    host_id: Mapped[str]
    host_name: Mapped[str] = mapped_column(String(80))
    guests_allowed: Mapped[bool]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    time_zone: Mapped[str | None] = mapped_column(String(64))
    cancelled: Mapped[bool] = mapped_column(default=False)
    sequence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    @property
    def schedule(self) -> Schedule | None:
        """Its times, if it has any."""
        if self.starts_at is None or self.ends_at is None or self.time_zone is None:
            return None
        return Schedule(self.starts_at, self.ends_at, self.time_zone)

    @schedule.setter
    def schedule(self, schedule: Schedule | None) -> None:
        if schedule is not None:
            self.starts_at, self.ends_at = schedule.starts_at, schedule.ends_at
            self.time_zone = schedule.time_zone

    @property
    def over(self) -> Reason | None:
        """Why nobody is let in any more, or None."""
        if self.ended_at is None:
            return None
        return Reason.MEETING_CANCELLED if self.cancelled else Reason.MEETING_ENDED

    def moment(self, when: When | None) -> datetime:
        """Return by which moment it stands in a list."""
        if when is When.COMING:
            return self.starts_at or self.created_at
        return self.created_at if when is None or self.ended_at is None else self.ended_at


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


async def is_there(session: AsyncSession, meeting_id: str | None) -> bool:
    """Tell whether the database has this meeting; None is in no database."""
    return meeting_id is not None and await session.get(Meeting, meeting_id) is not None


async def hold(session: AsyncSession, meeting_id: str) -> Meeting:
    """Return the meeting as it is, and keep everybody else from changing it until the transaction ends."""
    await feeds.hold(session, meeting_id)
    return (await session.scalars(select(Meeting).where(Meeting.id == meeting_id))).one()


async def of_account(
    session: AsyncSession,
    account_id: str,
    address: str | None,
    when: When | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Meeting]:
    """Return the meetings the account hosted or attended, or its `address` is invited to, at most `limit`.

    Those that are coming in the order of their start, others the latest first; from `after` on, a moment in
    that list and a meeting's id.
    """
    hosted = select(Meeting.id).where(Meeting.host_id == account_id)
    attended = select(Attendance.meeting_id).where(Attendance.account_id == account_id)
    invited = select(Invitation.meeting_id).where(
        Invitation.address == address, Invitation.declined_at.is_(None)
    )
    wanted = select(Meeting).where(Meeting.id.in_(hosted.union(attended, invited)))
    if when is not None:
        is_over = Meeting.ended_at.is_not(None)
        wanted = wanted.where(is_over if when is When.PAST else ~is_over)
    moment = _MOMENTS[when]
    place = tuple_(moment, Meeting.id)
    if after is not None:
        wanted = wanted.where(place > after if when is When.COMING else place < after)
    order = (moment, Meeting.id) if when is When.COMING else (moment.desc(), Meeting.id.desc())
    return list(await session.scalars(wanted.order_by(*order).limit(limit)))


_MOMENTS: dict[When | None, Any] = {
    None: Meeting.created_at,
    When.COMING: func.coalesce(Meeting.starts_at, Meeting.created_at),
    When.PAST: Meeting.ended_at,
}
"""By which a list is ordered; `Meeting.moment` says the same of one."""
