"""API keys, in the database: only hashes of them, and what is needed to recognise one."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base


class ApiKey(Base):
    """A key of an account. `scopes` has spaces between them; `used_at` may be late by a minute."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "account_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


async def add(session: AsyncSession, key: ApiKey) -> None:
    """Add a key."""
    session.add(key)
    await session.flush()


async def by_hash(session: AsyncSession, key_hash: str) -> ApiKey | None:
    """Return the key with this hash, if there is one."""
    return await session.scalar(select(ApiKey).where(ApiKey.key_hash == key_hash))


async def count(session: AsyncSession, account_id: str) -> int:
    """Return how many keys the account has."""
    theirs = select(func.count()).select_from(ApiKey).where(ApiKey.account_id == account_id)
    return await session.scalar(theirs) or 0


async def of_account(session: AsyncSession, account_id: str, after: str | None, limit: int) -> list[ApiKey]:
    """Return the account's keys, newest first, at most `limit`, from `after` on."""
    wanted = select(ApiKey).where(ApiKey.account_id == account_id)
    if after is not None:
        last = await session.get(ApiKey, after)
        if last is None or last.account_id != account_id:
            return []
        wanted = wanted.where(tuple_(ApiKey.created_at, ApiKey.id) < (last.created_at, last.id))
    ordered = wanted.order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    return list(await session.scalars(ordered.limit(limit)))


async def note_use(session: AsyncSession, key_id: str, now: datetime, before: datetime) -> None:
    """Note that the key is used now, unless it was after `before` already."""
    is_due = or_(ApiKey.used_at.is_(None), ApiKey.used_at <= before)
    await session.execute(update(ApiKey).where(ApiKey.id == key_id, is_due).values(used_at=now))


async def remove(session: AsyncSession, account_id: str, key_id: str) -> bool:
    """Remove the account's key. Returns False when it has no such key."""
    gone = delete(ApiKey).where(ApiKey.id == key_id, ApiKey.account_id == account_id).returning(ApiKey.id)
    return (await session.scalar(gone)) is not None


async def remove_expired(session: AsyncSession, account_id: str, now: datetime) -> None:
    """Remove those of the account's keys that have expired."""
    theirs = (ApiKey.account_id == account_id, ApiKey.expires_at <= now)
    await session.execute(delete(ApiKey).where(*theirs))
