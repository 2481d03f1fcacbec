"""Answers that are kept for requests that come again, in the database."""

from datetime import datetime

from sqlalchemy import String, Text, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base

SWEEP = 100


class KeptAnswer(Base):
    """The answer to a caller's request under one key. It lies beside what was made, wherever that is."""

    __tablename__ = "kept_answers"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(index=True)


async def find(session: AsyncSession, caller: str, key: str) -> KeptAnswer | None:
    """Return the answer kept under the caller's key, if there is one."""
    return await session.get(KeptAnswer, (caller, key))


async def put(session: AsyncSession, kept: KeptAnswer) -> None:
    """Keep an answer, in place of an earlier one under the same key."""
    await session.merge(kept)
    await session.flush()


async def sweep(session: AsyncSession, now: datetime) -> None:
    """Remove some of what has expired: more than one request adds, so that it never piles up."""
    names = (KeptAnswer.caller, KeptAnswer.key)
    expired = select(*names).where(KeptAnswer.expires_at <= now).limit(SWEEP)
    ours = expired.with_for_update(skip_locked=True)
    await session.execute(delete(KeptAnswer).where(tuple_(*names).in_(ours)))
