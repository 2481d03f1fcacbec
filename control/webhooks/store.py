"""Endpoints and what they are told, in the database of accounts."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.accounts.store import Account
from control.database import Base

PRUNE_EVERY = 50


class Webhook(Base):
    """An account's endpoint; `kinds` with spaces between them. `last_number` is its latest delivery's."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "account_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2000))
    kinds: Mapped[str] = mapped_column(String(400))
    description: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    last_number: Mapped[int]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_because: Mapped[str | None] = mapped_column(String(200))


class StoredDelivery(Base):
    """What an endpoint is told of one event; `body` is the JSON text that is signed."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index(None, "webhook_id", "event_id"),)

    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[str]
    kind: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]


async def accounts_with_webhooks(session: AsyncSession) -> frozenset[str]:
    """Return the ids of the accounts that have an endpoint."""
    return frozenset(await session.scalars(select(Webhook.account_id).distinct()))


async def hold_account(session: AsyncSession, account_id: str) -> bool:
    """Keep the account's endpoints from becoming more meanwhile. Returns False when there is no account."""
    held = select(Account.id).where(Account.id == account_id).with_for_update()
    return await session.scalar(held) is not None


async def count(session: AsyncSession, account_id: str) -> int:
    """Return how many endpoints the account has."""
    found = await session.scalar(select(func.count()).where(Webhook.account_id == account_id))
    return found or 0


async def add(session: AsyncSession, row: Webhook | StoredDelivery) -> None:
    """Add a row."""
    session.add(row)
    await session.flush()


async def of_account(session: AsyncSession, account_id: str) -> list[Webhook]:
    """Return the account's endpoints, the oldest first."""
    theirs = select(Webhook).where(Webhook.account_id == account_id)
    return list(await session.scalars(theirs.order_by(Webhook.created_at, Webhook.id)))


async def hold_of_account(session: AsyncSession, account_id: str) -> list[Webhook]:
    """Return the account's endpoints, locked until the transaction ends, all in the same order."""
    theirs = select(Webhook).where(Webhook.account_id == account_id)
    return list(await session.scalars(theirs.order_by(Webhook.id).with_for_update()))


async def one(session: AsyncSession, account_id: str, webhook_id: str) -> Webhook | None:
    """Return this endpoint of the account, if it is one."""
    return await session.scalar(
        select(Webhook).where(Webhook.id == webhook_id, Webhook.account_id == account_id)
    )


async def by_id(session: AsyncSession, webhook_id: str) -> Webhook | None:
    """Return an endpoint, if it is still there."""
    return await session.get(Webhook, webhook_id)


async def hold(session: AsyncSession, webhook_id: str) -> Webhook | None:
    """Return an endpoint, locked until the transaction ends."""
    return await session.scalar(select(Webhook).where(Webhook.id == webhook_id).with_for_update())


async def remove(session: AsyncSession, webhook: Webhook) -> None:
    """Forget an endpoint and its deliveries."""
    await session.execute(delete(StoredDelivery).where(StoredDelivery.webhook_id == webhook.id))
    await session.delete(webhook)


async def is_told(session: AsyncSession, webhook_id: str, event_id: str) -> bool:
    """Tell whether the endpoint has a delivery of this event."""
    same = (StoredDelivery.webhook_id == webhook_id, StoredDelivery.event_id == event_id)
    return await session.scalar(select(StoredDelivery.number).where(*same)) is not None


async def forget_old(session: AsyncSession, webhook: Webhook, kept: int) -> None:
    """Now and then forget what is older than the endpoint's last `kept` deliveries."""
    if webhook.last_number % PRUNE_EVERY == 0:
        old = StoredDelivery.number <= webhook.last_number - kept
        await session.execute(delete(StoredDelivery).where(StoredDelivery.webhook_id == webhook.id, old))


async def delivery(session: AsyncSession, webhook_id: str, number: int) -> StoredDelivery | None:
    """Return a delivery, if it is still kept."""
    return await session.get(StoredDelivery, (webhook_id, number))


async def deliveries(session: AsyncSession, webhook_id: str, after: int, limit: int) -> list[StoredDelivery]:
    """Return at most `limit` of the endpoint's deliveries, those numbered above `after`, in order."""
    later = (StoredDelivery.webhook_id == webhook_id, StoredDelivery.number > after)
    wanted = select(StoredDelivery).where(*later).order_by(StoredDelivery.number).limit(limit)
    return list(await session.scalars(wanted))
