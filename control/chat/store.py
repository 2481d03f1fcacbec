"""Chat messages, in the database. A message's number is that of its event, so both have one order."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy import ForeignKey, Select, String, Text, UniqueConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base

Number = Annotated[int, Meta(ge=0, lt=2**31)]
"""A message's place in its meeting."""


class ChatMessage(Base):
    """One line. A system line has no author and no client id."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("meeting_id", "author_id", "client_id"),
        {"postgresql_partition_by": "HASH (meeting_id)"},
    )

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(8))
    text: Mapped[str] = mapped_column(Text)
    author_id: Mapped[str | None]
    author_name: Mapped[str | None] = mapped_column(String(80))
    client_id: Mapped[str | None] = mapped_column(String(64))
    sent_at: Mapped[datetime]


async def add(session: AsyncSession, message: ChatMessage) -> None:
    """Add a message."""
    session.add(message)
    await session.flush()


async def sent_before(
    session: AsyncSession, meeting_id: str, author_id: str, client_id: str
) -> ChatMessage | None:
    """Return the message that this author sent under this client id, if there is one."""
    same = (
        ChatMessage.meeting_id == meeting_id,
        ChatMessage.author_id == author_id,
        ChatMessage.client_id == client_id,
    )
    return await session.scalar(select(ChatMessage).where(*same))


async def is_there(session: AsyncSession, meeting_id: str, number: int | None) -> bool:
    """Tell whether the database has the meeting's message `number`; None is in no database."""
    return number is not None and await session.get(ChatMessage, (meeting_id, number)) is not None


async def newest(session: AsyncSession, meeting_id: str, before: int | None, limit: int) -> list[ChatMessage]:
    """Return the newest `limit` messages, or those before number `before`; newest first."""
    wanted = select(ChatMessage).where(ChatMessage.meeting_id == meeting_id)
    if before is not None:
        wanted = wanted.where(ChatMessage.number < before)
    return list(await session.scalars(wanted.order_by(ChatMessage.number.desc()).limit(limit)))


async def between(
    session: AsyncSession, meeting_id: str, after: int, until: int, limit: int
) -> list[ChatMessage]:
    """Return at most `limit` messages numbered above `after` and below `until`, in order."""
    wanted = _below(meeting_id, until).where(ChatMessage.number > after)
    return list(await session.scalars(wanted.order_by(ChatMessage.number).limit(limit)))


async def count_written(session: AsyncSession, meeting_id: str, until: int) -> int:
    """Return how many messages numbered below `until` somebody wrote."""
    written = _below(meeting_id, until).where(ChatMessage.author_id.is_not(None))
    return await session.scalar(select(func.count()).select_from(written.subquery())) or 0


def _below(meeting_id: str, until: int) -> Select[ChatMessage]:
    return select(ChatMessage).where(ChatMessage.meeting_id == meeting_id, ChatMessage.number < until)
