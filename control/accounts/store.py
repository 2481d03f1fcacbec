"""Accounts and their signed-in sessions, in the database."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base


class Account(Base):
    """A person. `email` is normalised; whether it is theirs is known only once it was verified."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    password_hash: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    email_verified_at: Mapped[datetime | None]


class SignIn(Base):
    """One device that stays signed in by a refresh token, of which only hashes are kept.

    Each refresh replaces the token; `previous_hash` is that of the one it replaced at `rotated_at`.
    """

    __tablename__ = "sign_ins"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    rotated_at: Mapped[datetime]
    expires_at: Mapped[datetime]


async def by_id(session: AsyncSession, account_id: str) -> Account | None:
    """Return the account, if there is one."""
    return await session.get(Account, account_id)


async def hold(session: AsyncSession, account_id: str) -> bool:
    """Keep others from doing the same until the transaction ends. Returns False without such an account."""
    held = select(Account.id).where(Account.id == account_id).with_for_update()
    return await session.scalar(held) is not None


async def by_email(session: AsyncSession, email: str) -> Account | None:
    """Return the account with this normalised address, if there is one."""
    return await session.scalar(select(Account).where(Account.email == email))


async def add_account(session: AsyncSession, account: Account) -> bool:
    """Add the account. Returns False when its address is taken; the transaction is then of no more use."""
    session.add(account)
    try:
        await session.flush()
    except IntegrityError:
        return False
    return True


async def hold_password(session: AsyncSession, account: Account) -> bool:
    """Keep the account's password as it is until the transaction ends. False if it is another already."""
    same = (Account.id == account.id, Account.password_hash == account.password_hash)
    return await session.scalar(select(Account.id).where(*same).with_for_update(read=True)) is not None


async def replace_password(
    session: AsyncSession, account: Account, password_hash: str, verified_at: datetime
) -> bool:
    """Give the account another password, and have its address count as verified, if it was not yet.

    Returns False, and changes nothing, when the address or the password is another by now.
    """
    same = (
        Account.id == account.id,
        Account.email == account.email,
        Account.password_hash == account.password_hash,
    )
    verified = func.coalesce(Account.email_verified_at, verified_at)
    change = update(Account).where(*same).values(password_hash=password_hash, email_verified_at=verified)
    return await session.scalar(change.returning(Account.id)) is not None


async def add_sign_in(session: AsyncSession, sign_in: SignIn) -> None:
    """Add a signed-in device, and forget those of the same account that have expired."""
    await session.execute(
        delete(SignIn).where(SignIn.account_id == sign_in.account_id, SignIn.expires_at <= sign_in.created_at)
    )
    session.add(sign_in)


async def hold_sign_in(session: AsyncSession, sign_in_id: str) -> SignIn | None:
    """Return the signed-in device, locked until the transaction ends."""
    return await session.scalar(select(SignIn).where(SignIn.id == sign_in_id).with_for_update())


async def remove_sign_in(session: AsyncSession, sign_in: SignIn) -> None:
    """Sign the device out."""
    await session.delete(sign_in)
