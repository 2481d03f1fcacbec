"""Comings and goings, as the nodes report them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from control.events.schema import Person, PersonJoined, PersonLeft
from control.events.service import Events
from control.people import store
from control.people.store import Attendance


@dataclass(frozen=True)
class Whereabouts:
    """A peer of a meeting, on one run of a node."""

    meeting: str
    peer: str
    node: str
    boot: str


class People:
    """The rules of attendance."""

    def __init__(self, events: Events) -> None:
        self._events = events

    async def entered(self, session: AsyncSession, where: Whereabouts, at: datetime) -> bool:
        """Note that the peer is in the call, for the first time or again, there or elsewhere.

        Returns False when no ticket was given out for it.
        """
        attendance = await store.hold(session, where.meeting, where.peer)
        if attendance is None:
            return False
        was_there = attendance.joined_at is not None and attendance.left_at is None
        attendance.joined_at = attendance.joined_at or max(at, attendance.created_at)
        attendance.left_at = None
        attendance.node_id, attendance.boot = where.node, where.boot
        if not was_there:
            person = person_of(attendance)
            await self._events.record(
                session, attendance.meeting_id, lambda number: PersonJoined(id=number, person=person)
            )
        return True

    async def gone(self, session: AsyncSession, where: Whereabouts, at: datetime) -> bool:
        """Note that the peer left the call. Returns False when it was not in it there."""
        attendance = await store.hold(session, where.meeting, where.peer)
        if attendance is None or (attendance.node_id, attendance.boot) != (where.node, where.boot):
            return False
        await self._leave(session, attendance, at)
        return True

    async def lost(self, session: AsyncSession, node: str, boot: str | None, at: datetime) -> int:
        """Note that all who were in a call on the node (or on that boot of it) left. Returns how many."""
        left_behind = await store.present_on(session, node, boot)
        for attendance in left_behind:
            await self._leave(session, attendance, at)
        return len(left_behind)

    async def _leave(self, session: AsyncSession, attendance: Attendance, at: datetime) -> None:
        """A later word on when somebody left corrects the time, but is no second event."""
        assert attendance.joined_at is not None
        told = attendance.left_at is not None
        attendance.left_at = max(at, attendance.joined_at)
        if not told:
            person = person_of(attendance)
            await self._events.record(
                session, attendance.meeting_id, lambda number: PersonLeft(id=number, person=person)
            )


def person_of(attendance: Attendance) -> Person:
    """Return the attendance as JSON has it; it must have begun."""
    assert attendance.joined_at is not None
    return Person(
        peer=attendance.id,
        name=attendance.name,
        user=attendance.account_id,
        joined_at=attendance.joined_at,
        left_at=attendance.left_at,
    )
