"""A meeting's feed of events, in the database. The feed's row is also the meeting's lock."""

from collections.abc import Collection

from sqlalchemy import ForeignKey, Text, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base

PRUNE_EVERY = 50


class Feed(Base):
    """How far a meeting's events have got."""

    __tablename__ = "feeds"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True)
    last_number: Mapped[int]


class Event(Base):
    """One event, as the JSON text that listeners get."""

    __tablename__ = "events"

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    frame: Mapped[str] = mapped_column(Text)


async def open_feed(session: AsyncSession, meeting_id: str) -> None:
    """Start a meeting's feed."""
    session.add(Feed(meeting_id=meeting_id, last_number=0))
    await session.flush()


async def hold(session: AsyncSession, meeting_id: str) -> None:
    """Keep everybody else from changing the meeting until the transaction ends."""
    await session.execute(select(Feed.last_number).where(Feed.meeting_id == meeting_id).with_for_update())


async def next_number(session: AsyncSession, meeting_id: str) -> int:
    """Return the next number of the meeting's feed; numbers are committed in their order."""
    raised = (
        update(Feed)
        .where(Feed.meeting_id == meeting_id)
        .values(last_number=Feed.last_number + 1)
        .returning(Feed.last_number)
    )
    return (await session.execute(raised)).scalar_one()


async def last_number(session: AsyncSession, meeting_id: str) -> int:
    """Return the number of the meeting's latest event, 0 when there is none."""
    return await session.scalar(select(Feed.last_number).where(Feed.meeting_id == meeting_id)) or 0


async def last_numbers(session: AsyncSession, meeting_ids: Collection[str]) -> dict[str, int]:
    """Return the number of the latest event of each of these meetings."""
    wanted = select(Feed.meeting_id, Feed.last_number).where(Feed.meeting_id.in_(meeting_ids))
    return {meeting_id: number for meeting_id, number in (await session.execute(wanted)).all()}


async def add(session: AsyncSession, event: Event, kept: int) -> None:
    """Add the event, and now and then drop what is older than the last `kept` ones."""
    session.add(event)
    await session.flush()
    if event.number % PRUNE_EVERY == 0:
        old = Event.number <= event.number - kept
        await session.execute(delete(Event).where(Event.meeting_id == event.meeting_id, old))


async def between(session: AsyncSession, meeting_id: str, after: int, until: int, limit: int) -> list[Event]:
    """Return at most `limit` events numbered above `after` and up to `until`, in order."""
    wanted = (
        select(Event)
        .where(Event.meeting_id == meeting_id, Event.number > after, Event.number <= until)
        .order_by(Event.number)
        .limit(limit)
    )
    return list(await session.scalars(wanted))
