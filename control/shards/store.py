"""What a database knows of its place among the others, in the database itself."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base


class Place(Base):
    """The one row that says which database this is, and of which system; nothing before it is used.

    `count` is as many databases as the system ever had.
    """

    __tablename__ = "place"

    id: Mapped[int] = mapped_column(primary_key=True)
    system: Mapped[str | None]
    number: Mapped[int | None]
    count: Mapped[int]


async def hold_place(session: AsyncSession) -> Place:
    """Return the database's place, locked until the transaction ends."""
    return (await session.scalars(select(Place).with_for_update())).one()
