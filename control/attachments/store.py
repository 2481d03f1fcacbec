"""Attachments, in the database: a row for each upload that was announced."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Select, String, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.meetings.store import Meeting


class Attachment(Base):
    """A file. `message` is the number of the chat message that names it, None while none does.

    `digest` is that of the content when it was looked at; what changed since is not given out.
    """

    __tablename__ = "attachments"
    __table_args__ = (Index(None, "meeting_id", "message"), Index(None, "message", "created_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"))
    author_id: Mapped[str]
    name: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(127))
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    message: Mapped[int | None]
    place: Mapped[int]
    digest: Mapped[str | None] = mapped_column(String(128))
    removed_at: Mapped[datetime | None]

    @property
    def key(self) -> str:
        """Where the content is in the store of objects."""
        return f"{self.meeting_id}/{self.id}"


async def add(session: AsyncSession, attachment: Attachment) -> None:
    """Add an attachment."""
    session.add(attachment)
    await session.flush()


async def bytes_of(session: AsyncSession, meeting_id: str) -> int:
    """Return the size of all files of the meeting, uploads that were announced included."""
    kept = (Attachment.meeting_id == meeting_id, Attachment.removed_at.is_(None))
    return await session.scalar(select(func.coalesce(func.sum(Attachment.size), 0)).where(*kept)) or 0


async def posted(session: AsyncSession, meeting_id: str, attachment_id: str) -> Attachment | None:
    """Return the meeting's attachment, if a message names it."""
    wanted = (
        Attachment.id == attachment_id,
        Attachment.meeting_id == meeting_id,
        Attachment.message.is_not(None),
    )
    return await session.scalar(select(Attachment).where(*wanted))


async def loose(
    session: AsyncSession, meeting_id: str, author_id: str, ids: Collection[str]
) -> list[Attachment]:
    """Return those of the author's uploads to the meeting that no message names."""
    return list(await session.scalars(_loose(meeting_id, author_id, ids)))


async def hold_loose(
    session: AsyncSession, meeting_id: str, author_id: str, ids: Collection[str]
) -> dict[str, Attachment]:
    """Return the same by their ids, locked until the transaction ends."""
    found = await session.scalars(_loose(meeting_id, author_id, ids).with_for_update())
    return {attachment.id: attachment for attachment in found}


def _loose(meeting_id: str, author_id: str, ids: Collection[str]) -> Select[Attachment]:
    return select(Attachment).where(
        Attachment.id.in_(ids),
        Attachment.meeting_id == meeting_id,
        Attachment.author_id == author_id,
        Attachment.message.is_(None),
    )


async def of_messages(
    session: AsyncSession, meeting_id: str, numbers: Collection[int]
) -> dict[int, list[Attachment]]:
    """Return the attachments of these messages of the meeting, by number, each in their order."""
    wanted = select(Attachment).where(Attachment.meeting_id == meeting_id, Attachment.message.in_(numbers))
    by_number: dict[int, list[Attachment]] = {number: [] for number in numbers}
    for attachment in await session.scalars(wanted.order_by(Attachment.message, Attachment.place)):
        assert attachment.message is not None
        by_number[attachment.message].append(attachment)
    return by_number


async def hold_loose_since(session: AsyncSession, moment: datetime, limit: int) -> list[Attachment]:
    """Return the uploads announced before `moment` that no message names, locked, at most `limit`."""
    old = select(Attachment).where(Attachment.message.is_(None), Attachment.created_at < moment)
    return list(await session.scalars(old.limit(limit).with_for_update(skip_locked=True)))


async def hold_ended_since(session: AsyncSession, moment: datetime, limit: int) -> list[Attachment]:
    """Return the files kept of meetings that ended before `moment`, locked, at most `limit`."""
    over = exists().where(Meeting.id == Attachment.meeting_id, Meeting.ended_at < moment)
    old = select(Attachment).where(Attachment.removed_at.is_(None), over)
    return list(await session.scalars(old.limit(limit).with_for_update(skip_locked=True)))


async def remove(session: AsyncSession, attachments: Collection[Attachment]) -> None:
    """Remove the rows."""
    for attachment in attachments:
        await session.delete(attachment)
    await session.flush()
