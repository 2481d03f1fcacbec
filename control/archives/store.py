"""Archives of chats, in the database."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base
from control.meetings.store import Meeting


class ChatArchive(Base):
    """The archive of a meeting's chat up to the event `until`; `size` is in bytes."""

    __tablename__ = "chat_archives"

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"), unique=True)
    until: Mapped[int]
    messages: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]

    @property
    def key(self) -> str:
        """Where the content is in the store of objects."""
        return key_of(self.meeting_id, self.id)


def key_of(meeting_id: str, archive_id: str) -> str:
    """Return where the content of such an archive is in the store of objects."""
    return f"{meeting_id}/{archive_id}"


async def add(session: AsyncSession, archive: ChatArchive) -> None:
    """Add an archive."""
    session.add(archive)
    await session.flush()


async def of_meeting(session: AsyncSession, meeting_id: str) -> ChatArchive | None:
    """Return the meeting's archive, if there is one."""
    return await session.scalar(select(ChatArchive).where(ChatArchive.meeting_id == meeting_id))


async def hold_ended_since(session: AsyncSession, moment: datetime, limit: int) -> list[ChatArchive]:
    """Return the archives of meetings that ended before `moment`, locked, at most `limit`."""
    over = exists().where(Meeting.id == ChatArchive.meeting_id, Meeting.ended_at < moment)
    old = select(ChatArchive).where(over)
    return list(await session.scalars(old.limit(limit).with_for_update(skip_locked=True)))


async def remove(session: AsyncSession, archives: Collection[ChatArchive]) -> None:
    """Remove the rows."""
    for archive in archives:
        await session.delete(archive)
    await session.flush()
