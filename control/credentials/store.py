"""Which credentials stand, in the database."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.store import SignIn
from control.api_keys.store import ApiKey


async def standing(session: AsyncSession, ids: Collection[str], now: datetime) -> set[str]:
    """Return those of the sign-ins and API keys that are neither ended nor expired."""
    sign_ins = select(SignIn.id).where(SignIn.id.in_(ids), SignIn.expires_at > now)
    is_good = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    keys = select(ApiKey.id).where(ApiKey.id.in_(ids), is_good)
    return set(await session.scalars(union_all(sign_ins, keys)))
