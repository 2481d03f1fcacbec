"""A meeting's events over a WebSocket, for its members.

The client resumes with `?after=<id>`; it sends nothing itself. A listener that does not keep up is closed
with code 1008, one that we leave behind when we stop with 1001: both come back and miss nothing.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import WSCloseCode, WSMsgType, web

from control.database import Database
from control.events.fanout import Lagging
from control.events.service import Events
from control.events.sockets import Sockets
from control.people.members import Members
from control.refusals import Reason, Refused, invalid

log = logging.getLogger(__name__)

AFTER_DIGITS_MAX = 15


class EventRoutes:
    """The route of events."""

    def __init__(self, database: Database, events: Events, members: Members, sockets: Sockets) -> None:
        self._database = database
        self._events = events
        self._members = members
        self._sockets = sockets

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/meetings/{code}/events", self.listen)]

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Send the meeting's events until either side closes."""
        after = _after(request)
        async with self._database.read() as session:
            meeting, author = await self._members.admit(session, request)
        socket = self._sockets.new()
        if not socket.can_prepare(request):
            raise Refused(Reason.BAD_REQUEST)
        with self._sockets.seat(f"{meeting.id}/{author.id}"):
            try:
                await socket.prepare(request)
            except ConnectionError:
                return socket  # the client went away before it was answered
            frames = self._events.frames(meeting.id, after)
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send_all(request, socket, frames))
                await self._until_closed(request, socket)
                sending.cancel()
        return socket

    async def _send_all(
        self, request: web.Request, socket: web.WebSocketResponse, frames: AsyncGenerator[str]
    ) -> None:
        """Send all frames, and close the socket when one could not be sent or no more will follow."""
        try:
            async with aclosing(frames):
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

    async def _until_closed(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        """Wait until the socket closes; a listener that talks is closed."""
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._sockets.close(request, socket, WSCloseCode.POLICY_VIOLATION, "not_listening")


def _after(request: web.Request) -> int | None:
    text = request.query.get("after")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= AFTER_DIGITS_MAX):
        raise invalid(after="Must be the id of an event.")
    return int(text)
