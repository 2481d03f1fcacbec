"""Nodes, the rooms they hold and the commands they still owe, in the database.

Nodes are in the first database. Their runs are in each that has meetings of theirs, and a meeting's room and
its commands beside the meeting.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from control.database import Base


class Node(Base):
    """A node as it last reported, with how busy it was. `boot` names its present process.

    It has been given up for lost at `lost_at`, until it reports again.
    """

    __tablename__ = "nodes"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    boot: Mapped[str] = mapped_column(String(64))
    signal_url: Mapped[str] = mapped_column(String(2048))
    signal_port: Mapped[int]
    internal_url: Mapped[str] = mapped_column(String(2048))
    region: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(64))
    draining: Mapped[bool]
    full: Mapped[bool]
    fullness: Mapped[float]
    rooms: Mapped[int]
    peers: Mapped[int]
    cpu: Mapped[float]
    loop_lag_s: Mapped[float]
    packets_out_per_s: Mapped[float]
    reported_at: Mapped[datetime]
    lost_at: Mapped[datetime | None]


class Boot(Base):
    """One run of a node's process, and the last of its events that was applied to the meetings here.

    A run that is not `current` has been followed by another; its last report may still be on its way.
    """

    __tablename__ = "boots"

    node_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_seq: Mapped[int] = mapped_column(BigInteger)
    current: Mapped[bool]


class Placement(Base):
    """The node that a meeting's room is on, or will be: tickets name it until `tickets_until`.

    `epoch` counts the nodes it has been placed on.
    """

    __tablename__ = "placements"
    __table_args__ = (Index(None, "node_id"),)

    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int]
    room_open: Mapped[bool]
    closing: Mapped[bool]
    tickets_until: Mapped[datetime]


class PendingCommand(Base):
    """A command that the node's `boot` has not taken yet; `body` is its JSON."""

    __tablename__ = "node_commands"

    id: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(String(64), index=True)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)


async def reported_since(session: AsyncSession, moment: datetime) -> list[Node]:
    """Return the nodes that reported after `moment`, and are not lost."""
    alive = (Node.reported_at > moment, Node.lost_at.is_(None))
    return list(await session.scalars(select(Node).where(*alive)))


async def all_nodes(session: AsyncSession) -> list[Node]:
    """Return all nodes that are not forgotten, by their ids."""
    return list(await session.scalars(select(Node).order_by(Node.id)))


async def silent_since(session: AsyncSession, moment: datetime) -> list[Node]:
    """Return the nodes that have not reported after `moment`, and are not known to be lost."""
    silent = (Node.reported_at <= moment, Node.lost_at.is_(None))
    return list(await session.scalars(select(Node).where(*silent)))


async def lost_since(session: AsyncSession, moment: datetime) -> list[Node]:
    """Return the lost nodes that have not reported since `moment`."""
    gone = (Node.reported_at <= moment, Node.lost_at.is_not(None))
    return list(await session.scalars(select(Node).where(*gone)))


async def lose(session: AsyncSession, node_id: str, now: datetime) -> None:
    """Note that the node is lost."""
    await session.execute(update(Node).where(Node.id == node_id).values(lost_at=now))


async def by_ids(session: AsyncSession, node_ids: Collection[str]) -> dict[str, Node]:
    """Return those of the nodes that there are."""
    return {node.id: node for node in await session.scalars(select(Node).where(Node.id.in_(node_ids)))}


async def hold_node(session: AsyncSession, node_id: str) -> Node | None:
    """Return the node, locked until the transaction ends."""
    return await session.scalar(select(Node).where(Node.id == node_id).with_for_update())


async def hold_boot(session: AsyncSession, node_id: str, boot: str) -> Boot | None:
    """Return a run of the node's process, locked until the transaction ends."""
    return await session.scalar(
        select(Boot).where(Boot.node_id == node_id, Boot.id == boot).with_for_update()
    )


async def is_current(session: AsyncSession, node_id: str, boot: str) -> bool:
    """Tell whether this is the node's run, as far as the database knows."""
    known = await session.get(Boot, (node_id, boot))
    return known is not None and known.current


async def forget_node(session: AsyncSession, node_id: str) -> None:
    """Forget the node, its runs, and what it was to be told."""
    await remove_commands(session, node_id)
    await session.execute(delete(Boot).where(Boot.node_id == node_id))
    await session.execute(delete(Node).where(Node.id == node_id))


async def add(session: AsyncSession, row: Node | Boot | Placement | PendingCommand) -> None:
    """Add a row."""
    session.add(row)
    await session.flush()


async def supersede_boots(session: AsyncSession, node_id: str) -> None:
    """Note that the node's run was its last but one; forget those before it."""
    theirs = Boot.node_id == node_id
    await session.execute(delete(Boot).where(theirs, Boot.current.is_(False)))
    await session.execute(update(Boot).where(theirs).values(current=False))


async def hold_placement(session: AsyncSession, meeting_id: str) -> Placement | None:
    """Return where the meeting's room is, locked until the transaction ends."""
    return await session.scalar(select(Placement).where(Placement.meeting_id == meeting_id).with_for_update())


async def placement(session: AsyncSession, meeting_id: str) -> Placement | None:
    """Return where the meeting's room is."""
    return await session.get(Placement, meeting_id)


async def open_rooms(session: AsyncSession, node_ids: Collection[str], limit: int) -> list[str]:
    """Return meetings whose rooms are open on one of the nodes, at most `limit`."""
    there = (Placement.node_id.in_(node_ids), Placement.room_open, Placement.closing.is_(False))
    return list(await session.scalars(select(Placement.meeting_id).where(*there).limit(limit)))


async def close_rooms(session: AsyncSession, node_id: str) -> None:
    """Note that none of the node's rooms is open."""
    await session.execute(
        update(Placement).where(Placement.node_id == node_id, Placement.room_open).values(room_open=False)
    )


async def due_commands(session: AsyncSession, now: datetime, limit: int) -> list[PendingCommand]:
    """Return commands that it is time to send, the oldest first."""
    due = select(PendingCommand).where(PendingCommand.due_at <= now).order_by(PendingCommand.due_at)
    return list(await session.scalars(due.limit(limit)))


async def remove_command(session: AsyncSession, command_id: str) -> None:
    """Forget a command."""
    await session.execute(delete(PendingCommand).where(PendingCommand.id == command_id))


async def remove_commands(session: AsyncSession, node_id: str) -> None:
    """Forget all commands to the node."""
    await session.execute(delete(PendingCommand).where(PendingCommand.node_id == node_id))


async def withdraw(session: AsyncSession, node_id: str, beginnings: Collection[str]) -> None:
    """Forget those commands to the node whose bodies begin so."""
    of_these = or_(*(PendingCommand.body.startswith(each, autoescape=True) for each in beginnings))
    await session.execute(delete(PendingCommand).where(PendingCommand.node_id == node_id, of_these))


async def postpone(session: AsyncSession, command_id: str, due_at: datetime) -> None:
    """Try the command again, not before `due_at`."""
    again = {"due_at": due_at, "attempts": PendingCommand.attempts + 1}
    await session.execute(update(PendingCommand).where(PendingCommand.id == command_id).values(again))
