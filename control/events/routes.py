"""A meeting's events over a WebSocket, for its members.

The client resumes with `?after=<id>`; it sends nothing itself. A listener that does not keep up is closed
with code 1008, one that we leave behind when we stop with 1001: both come back and miss nothing. One that may
listen no longer is closed with 1008, too, and told the reason when it comes back.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import UNSET

from control.accounts.access import GRANT
from control.credentials.service import Credentials
from control.edge.body import read_query
from control.edge.endpoint import Endpoint, Who
from control.events.fanout import Lagging
from control.events.schema import AnyFrame, ListenQuery
from control.events.service import Events
from control.events.sockets import Sockets
from control.people.members import Members
from control.refusals import Reason, Refused
from control.scopes import Scope

log = logging.getLogger(__name__)


class EventRoutes:
    """The route of events."""

    def __init__(self, events: Events, members: Members, sockets: Sockets, credentials: Credentials) -> None:
        self._events = events
        self._members = members
        self._sockets = sockets
        self._credentials = credentials

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
        revoked = asyncio.Event()
        with (
            self._sockets.seat(f"{meeting.id}/{author.id}"),
            self._credentials.watch(request[GRANT].identity.credential, revoked.set),
        ):
            try:
                await socket.prepare(request)
            except ConnectionError:
                return web.Response()  # for nobody: the client went away before it was answered
            frames = self._events.frames(meeting.id, None if after is UNSET else after)
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send_all(request, socket, frames))
                ending = group.create_task(self._end_revoked(request, socket, revoked))
                await self._until_closed(request, socket)
                sending.cancel()
                ending.cancel()
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

    async def _end_revoked(
        self, request: web.Request, socket: web.WebSocketResponse, revoked: asyncio.Event
    ) -> None:
        """Close the socket of a listener who was signed out, or whose API key was revoked."""
        await revoked.wait()
        await self._sockets.close(request, socket, WSCloseCode.POLICY_VIOLATION, "revoked")

    async def _until_closed(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        """Wait until the socket closes; a listener that talks is closed."""
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await self._sockets.close(request, socket, WSCloseCode.POLICY_VIOLATION, "not_listening")
