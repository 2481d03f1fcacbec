"""Objects that are to be deleted, in the database: noted by the transaction that gives them up."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base


class Doomed(Base):
    """An object that nothing refers to any more. `reason` is counted when it is gone."""

    __tablename__ = "doomed_objects"

    key: Mapped[str] = mapped_column(String(65), primary_key=True)
    reason: Mapped[str] = mapped_column(String(16))
    doomed_at: Mapped[datetime] = mapped_column(index=True)


async def doom(session: AsyncSession, keys: Iterable[str], reason: str, at: datetime) -> None:
    """Note that these objects are to be deleted, also when that is noted already."""
    for key in keys:
        await session.merge(Doomed(key=key, reason=reason, doomed_at=at))
    await session.flush()


async def oldest(session: AsyncSession, limit: int) -> list[str]:
    """Return the keys that wait longest, at most `limit`."""
    return list(await session.scalars(select(Doomed.key).order_by(Doomed.doomed_at).limit(limit)))


async def forget(session: AsyncSession, keys: Collection[str]) -> list[str]:
    """Forget the keys; return the reason of each that was still noted."""
    gone = delete(Doomed).where(Doomed.key.in_(keys)).returning(Doomed.reason)
    return list(await session.scalars(gone))
