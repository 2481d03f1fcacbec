"""Invitations, beside their meetings, in the database; and in the first, addresses that wish no mail."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base


class Invitation(Base):
    """An invitation of whoever reads the mail to `address`, which is normalised."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("meeting_id", "address"), Index(None, "address", "meeting_id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    declined_at: Mapped[datetime | None]


class Unsubscription(Base):
    """The wish for no more mail to a normalised address."""

    __tablename__ = "unsubscriptions"

    address: Mapped[str] = mapped_column(String(254), primary_key=True)
    created_at: Mapped[datetime]


async def add(session: AsyncSession, row: Invitation) -> None:
    """Add an invitation."""
    session.add(row)
    await session.flush()


async def count(session: AsyncSession, meeting_id: str) -> int:
    """Return how many are invited to the meeting."""
    theirs = select(func.count()).select_from(Invitation).where(Invitation.meeting_id == meeting_id)
    return await session.scalar(theirs) or 0


async def of_meeting(session: AsyncSession, meeting_id: str) -> list[Invitation]:
    """Return all invitations to the meeting."""
    return list(await session.scalars(select(Invitation).where(Invitation.meeting_id == meeting_id)))


async def listed(session: AsyncSession, meeting_id: str, after: str | None, limit: int) -> list[Invitation]:
    """Return invitations to the meeting by address, at most `limit`, from the address `after` on."""
    wanted = select(Invitation).where(Invitation.meeting_id == meeting_id)
    if after is not None:
        wanted = wanted.where(Invitation.address > after)
    return list(await session.scalars(wanted.order_by(Invitation.address).limit(limit)))


async def by_address(session: AsyncSession, meeting_id: str, address: str) -> Invitation | None:
    """Return the address's invitation to the meeting, if there is one."""
    theirs = (Invitation.meeting_id == meeting_id, Invitation.address == address)
    return await session.scalar(select(Invitation).where(*theirs))


async def by_id(session: AsyncSession, meeting_id: str, invitation_id: str) -> Invitation | None:
    """Return this invitation to the meeting, if there is one."""
    theirs = (Invitation.meeting_id == meeting_id, Invitation.id == invitation_id)
    return await session.scalar(select(Invitation).where(*theirs))


async def remove(session: AsyncSession, invitation: Invitation) -> None:
    """Take an invitation back."""
    await session.delete(invitation)


async def ask_again(session: AsyncSession, meeting_id: str) -> None:
    """Forget who declined."""
    theirs = update(Invitation).where(Invitation.meeting_id == meeting_id)
    await session.execute(theirs.values(declined_at=None))


async def unsubscribed(session: AsyncSession, addresses: Collection[str]) -> set[str]:
    """Return those of the addresses that wish no mail."""
    wanted = select(Unsubscription.address).where(Unsubscription.address.in_(addresses))
    return set(await session.scalars(wanted))


async def unsubscribe(session: AsyncSession, address: str, now: datetime) -> None:
    """Remember that the address wishes no mail."""
    await session.merge(Unsubscription(address=address, created_at=now))
    await session.flush()
