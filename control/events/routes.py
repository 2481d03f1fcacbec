"""A meeting's events over a WebSocket, for its members.

The client resumes with `?after=<id>`; it sends nothing itself. A listener that does not keep up is closed
with code 1008, one that we leave behind when we stop with 1001: both come back and miss nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import UNSET, UnsetType

from control.edge.body import read_query
from control.edge.endpoint import Endpoint, Who
from control.events.fanout import Lagging, Listener
from control.events.schema import AnyFrame, Frame, ListenQuery, Ready, Reset
from control.events.service import Events
from control.events.sockets import Sockets
from control.people.members import Members
from control.refusals import Reason, Refused
from control.scopes import Scope

log = logging.getLogger(__name__)


class EventRoutes:
    """The route of events."""

    def __init__(self, events: Events, members: Members, sockets: Sockets) -> None:
        self._events = events
        self._members = members
        self._sockets = sockets

    def table(self) -> list[Endpoint]:
        """Return the endpoint."""
        return [
            Endpoint("GET", "/api/meetings/{code}/events", self.listen, Who.MEMBER, Scope.EVENTS_READ)
            .asks(ListenQuery)
            .gives(AnyFrame, 101)
            .refuses(Reason.CROSS_SITE)
        ]

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Send the meeting's events until either side closes."""
        after = read_query(request, ListenQuery).after
        meeting, author = await self._members.admit(request)
        socket = self._sockets.new()
        if not socket.can_prepare(request):
            raise Refused(Reason.BAD_REQUEST)
        with self._sockets.seat(f"{meeting.id}/{author.id}"), self._events.listen(meeting.id) as listener:
            try:
                await socket.prepare(request)
            except ConnectionError:
                return socket  # the client went away before it was answered
            frames = self._frames(listener, meeting.id, after)
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send_all(request, socket, frames))
                await self._until_closed(request, socket)
                sending.cancel()
        return socket

    async def _send_all(
        self, request: web.Request, socket: web.WebSocketResponse, frames: AsyncIterator[str]
    ) -> None:
        """Send all frames, and close the socket when one could not be sent or no more will follow."""
        try:
            async for frame in frames:
                await self._sockets.send(socket, frame)
        except ConnectionError:
            return
        except (TimeoutError, Lagging):
            await self._sockets.close(request, socket, WSCloseCode.POLICY_VIOLATION, "too_slow")
        except Exception:
            log.exception("a bug while sending events")
            await self._sockets.close(request, socket, WSCloseCode.INTERNAL_ERROR, "internal")
        else:
            await self._sockets.close(request, socket, WSCloseCode.GOING_AWAY, "stopping")

    async def _frames(
        self, listener: Listener, meeting_id: str, after: int | UnsetType
    ) -> AsyncIterator[str]:
        """Yield all frames in order: where we are, what was missed, then what happens."""
        latest = await self._events.latest(meeting_id)
        yield _text(Ready(id=latest))
        cursor = latest if after is UNSET else after
        if not latest - self._events.kept <= cursor <= latest:
            yield _text(Reset(id=latest))
            cursor = latest
        async for missed in self._events.replay(meeting_id, cursor, latest):
            yield missed
        cursor = latest
        while (announcement := await listener.next()) is not None:
            number, frame = announcement.number, announcement.frame
            async for missed in self._events.replay(meeting_id, cursor, number - (frame is not None)):
                yield missed
            if frame is not None and number > cursor:
                yield frame
            cursor = max(cursor, number)

    async def _until_closed(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        """Wait until the socket closes; a listener that talks is closed."""
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._sockets.close(request, socket, WSCloseCode.POLICY_VIOLATION, "not_listening")


def _text(frame: Frame) -> str:
    return msgspec.json.encode(frame).decode()
