"""A meeting's events on their way to one connection, which is not waited for without end."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import msgspec
from socketio import AsyncServer
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from control.events.fanout import Lagging
from control.events.schema import Ready
from control.events.service import Events
from control.meetings.store import Meeting
from control.socket_io.connection import Connection, Member
from control.socket_io.connections import ENDED, EXPIRED, INTERNAL, TOO_SLOW, Connections

log = logging.getLogger(__name__)

AWAY_S = 0.5
"""So long is waited before a database that did not answer is asked again."""

_NAMES = {
    "message": "receive-message",
    "joined": "participant-joined",
    "left": "participant-left",
    "recording": "recording-ready",
    "ended": "meeting-ended",
}
"""What events are called here, unless as the frames that carry them."""


@dataclass(frozen=True)
class Ear:
    """Who is told, and of which meeting."""

    connection: Connection
    member: Member
    meeting: Meeting


class Telling:
    """Tells connections of the meetings that they have joined."""

    def __init__(self, server: AsyncServer, events: Events, connections: Connections) -> None:
        self._server = server
        self._events = events
        self._connections = connections

    @asynccontextmanager
    async def begun(self, ear: Ear, after: int | None) -> AsyncIterator[int]:
        """Hear of the meeting from now on, and give the number of its latest event; tell after the block.

        The first event is sent when the caller waits for something next, so after what it answers.
        """
        frames = self._events.frames(ear.meeting.id, after)
        try:
            latest = msgspec.json.decode(await anext(frames), type=Ready).id
            yield latest
        except BaseException:
            await frames.aclose()
            raise
        ear.connection.leave(ear.meeting.code)
        if ear.connection.parting:
            await frames.aclose()
            return
        telling = self._tell(ear, frames, latest if after is None else after)
        ear.connection.meetings[ear.meeting.code] = asyncio.create_task(telling)

    async def _tell(self, ear: Ear, frames: AsyncGenerator[str], told: int) -> None:
        """Tell of all that happens after the event numbered `told`, also past a database that was away."""
        is_away = True
        try:
            while is_away:
                is_away = False
                try:
                    async with aclosing(frames):
                        async for frame in frames:
                            told = await self._deliver(ear, frame, told)
                except (OperationalError, PoolTimeoutError):
                    log.warning("events wait for the database id=%s", ear.connection.request_id)
                    is_away = True
                    await asyncio.sleep(AWAY_S)
                    frames = self._events.frames(ear.meeting.id, told)
        except (TimeoutError, Lagging):
            self._connections.part(ear.connection, TOO_SLOW)
        except Exception:
            log.exception("a bug while telling of events id=%s", ear.connection.request_id)
            self._connections.part(ear.connection, INTERNAL)

    async def _deliver(self, ear: Ear, frame: str, told: int) -> int:
        """Send one frame as an event; return the number of the event told last."""
        fields = msgspec.json.decode(frame)
        kind = fields.pop("type")
        if kind == "ready":
            return told
        if self._connections.is_expired(ear.member):
            self._connections.part(ear.connection, EXPIRED)
            return told
        await ear.connection.wire.room()
        event = {"meeting": ear.meeting.code} | fields
        await self._server.emit(_NAMES.get(kind, kind), event, to=ear.member.sid)
        if kind == "ended":
            self._end(ear)
        number: int = fields["id"]
        return number

    def _end(self, ear: Ear) -> None:
        """Tell no more of a meeting that has ended; a guest of it belongs nowhere now."""
        ear.connection.leave(ear.meeting.code)
        if ear.member.is_guest:
            self._connections.part(ear.connection, ENDED)
