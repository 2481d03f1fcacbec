"""Which credentials stand, and ending those of an account, in the database."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.store import SignIn
from control.api_keys.store import ApiKey


async def standing(session: AsyncSession, ids: Collection[str], now: datetime) -> set[str]:
    """Return those of the sign-ins and API keys that are neither ended nor expired."""
    sign_ins = select(SignIn.id).where(SignIn.id.in_(ids), SignIn.expires_at > now)
    is_good = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    keys = select(ApiKey.id).where(ApiKey.id.in_(ids), is_good)
    return set(await session.scalars(union_all(sign_ins, keys)))


async def remove_all(session: AsyncSession, account_id: str) -> list[str]:
    """Remove the account's sign-ins and API keys, and return their ids."""
    sign_ins = delete(SignIn).where(SignIn.account_id == account_id).returning(SignIn.id)
    keys = delete(ApiKey).where(ApiKey.account_id == account_id).returning(ApiKey.id)
    return [*await session.scalars(sign_ins), *await session.scalars(keys)]
