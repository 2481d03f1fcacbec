"""Attendances, in the database: one row per ticket given out, its id the peer's id on the node."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.people.attendance import Stay


class Attendance(Base):
    """One person's stay in a meeting. `node_id` and `boot` tell where they entered, once they have.

    The account may be in another database.
    """

    __tablename__ = "attendances"
    __table_args__ = (
        Index(None, "meeting_id", "joined_at"),
        Index(None, "account_id", "meeting_id"),
        Index(None, "node_id", "left_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"))
    account_id: Mapped[str | None]
    name: Mapped[str] = mapped_column(String(80))
    node_id: Mapped[str | None] = mapped_column(String(64))
    boot: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    joined_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Presence:
    """Whether anyone is in the call, and when last anyone left or got a ticket."""

    is_anyone_in: bool
    last_at: datetime | None


async def add(session: AsyncSession, attendance: Attendance) -> None:
    """Add an attendance that has not begun."""
    session.add(attendance)
    await session.flush()


async def hold(session: AsyncSession, meeting_id: str, peer: str) -> Attendance | None:
    """Return the peer's attendance of the meeting, locked until the transaction ends."""
    theirs = (Attendance.id == peer, Attendance.meeting_id == meeting_id)
    return await session.scalar(select(Attendance).where(*theirs).with_for_update())


async def name_in(session: AsyncSession, meeting_id: str, account_id: str) -> str | None:
    """Return the name under which the account last got a ticket for the meeting, if it ever did."""
    theirs = (Attendance.meeting_id == meeting_id, Attendance.account_id == account_id)
    names = select(Attendance.name).where(*theirs).order_by(Attendance.created_at.desc())
    return await session.scalar(names.limit(1))


async def present_on(session: AsyncSession, node_id: str, boot: str | None) -> list[Attendance]:
    """Return those who are still in a call on the node, or on one boot of it, locked."""
    there = [Attendance.node_id == node_id, Attendance.joined_at.is_not(None), Attendance.left_at.is_(None)]
    if boot is not None:
        there.append(Attendance.boot == boot)
    return list(await session.scalars(select(Attendance).where(*there).with_for_update()))


async def presence(session: AsyncSession, meeting_id: str) -> Presence:
    """Return whether the meeting is empty, and since when."""
    is_in = Attendance.joined_at.is_not(None) & Attendance.left_at.is_(None)
    wanted = select(
        func.count().filter(is_in), func.max(func.coalesce(Attendance.left_at, Attendance.created_at))
    )
    (present, last_at) = (await session.execute(wanted.where(Attendance.meeting_id == meeting_id))).one()
    return Presence(present > 0, last_at)


async def is_there(session: AsyncSession, attendance_id: str | None) -> bool:
    """Tell whether the database has this attendance; None is in no database."""
    return attendance_id is not None and await session.get(Attendance, attendance_id) is not None


async def first(session: AsyncSession, meeting_id: str, limit: int) -> list[Stay]:
    """Return the first stays in the meeting, at most `limit`."""
    theirs = select(Attendance).where(Attendance.meeting_id == meeting_id, Attendance.joined_at.is_not(None))
    found = await session.scalars(theirs.order_by(Attendance.joined_at, Attendance.id).limit(limit))
    return [
        Stay(each.account_id, each.name, each.joined_at, each.left_at) for each in found if each.joined_at
    ]


async def attended(session: AsyncSession, account_id: str, meeting_ids: Collection[str]) -> set[str]:
    """Return in which of the meetings the account has been."""
    stays = select(Attendance.meeting_id).where(
        Attendance.account_id == account_id,
        Attendance.meeting_id.in_(meeting_ids),
        Attendance.joined_at.is_not(None),
    )
    return set(await session.scalars(stays))


async def newest(session: AsyncSession, meeting_id: str, after: str | None, limit: int) -> list[Attendance]:
    """Return those who entered the meeting, the latest first, at most `limit`, from `after` on."""
    wanted = select(Attendance).where(Attendance.meeting_id == meeting_id, Attendance.joined_at.is_not(None))
    if after is not None:
        last = await session.get(Attendance, after)
        if last is None or last.meeting_id != meeting_id:
            return []
        wanted = wanted.where(tuple_(Attendance.joined_at, Attendance.id) < (last.joined_at, last.id))
    ordered = wanted.order_by(Attendance.joined_at.desc(), Attendance.id.desc())
    return list(await session.scalars(ordered.limit(limit)))


async def present(session: AsyncSession, meeting_id: str, limit: int) -> list[Attendance]:
    """Return those who are in the meeting's call, the latest first, at most `limit`."""
    there = (
        Attendance.meeting_id == meeting_id,
        Attendance.joined_at.is_not(None),
        Attendance.left_at.is_(None),
    )
    ordered = select(Attendance).where(*there).order_by(Attendance.joined_at.desc(), Attendance.id.desc())
    return list(await session.scalars(ordered.limit(limit)))
