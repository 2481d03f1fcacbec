"""Socket.IO's path: who may reach it, and how much of it.

The page's cookies count for nothing here, so no other site's page can connect in somebody's name. The token
comes in the handshake, not in the address, which logs keep.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import hdrs, web
from socketio import AsyncServer

from control.clock import Clock
from control.edge.body import read_query
from control.edge.caller import CALLER
from control.events.service import Events
from control.rates.local import LocalBuckets
from control.refusals import Reason, Refused
from control.settings import Settings
from control.socket_io.answering import Answering, Rules
from control.socket_io.connection import Connection
from control.socket_io.connections import MALFORMED, Connections
from control.socket_io.hearing import CONNECTION, Doors, Hearing, is_websocket
from control.socket_io.schema import Exchange
from control.socket_io.telling import Telling

log = logging.getLogger(__name__)

PATH = "/socket.io/"
EXPIRY_CHECK_S = 1.0

_library_log = logging.getLogger(f"{__name__}.library")
_library_log.setLevel(logging.CRITICAL)  # what it logs is what clients send; for us that is no error


class SocketIoRoutes:
    """The route of Socket.IO, and all connections over it."""

    def __init__(
        self,
        rules: Rules,
        doors: Doors,
        events: Events,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._limits = settings.limits
        self._origins = frozenset(str(origin) for origin in settings.socket_origins)
        self._connects = doors.connects
        self._stopping = False
        self._server = AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,  # a connection's events are answered one by one, in their order
            namespaces="*",
            max_http_buffer_size=self._limits.body_bytes,
            ping_interval=settings.socket_ping_s,
            ping_timeout=settings.socket_pong_s,
            cors_allowed_origins=lambda _origin, environ: self._is_welcome(environ["aiohttp.request"]),
            cors_credentials=False,
            logger=_library_log,
            engineio_logger=_library_log,
        )
        self._connections = Connections(self._server, clock, rules.metrics, self._limits.event_send_s)
        answering = Answering(rules, Telling(self._server, events, self._connections))
        messages = LocalBuckets(settings.rates.messages_per_connection, clock)
        Hearing(self._connections, answering, doors, messages).listen_to(self._server)

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(PATH, self.exchange, allow_head=False),
            web.post(PATH, self.exchange),
            web.options(PATH, self.exchange),
        ]

    async def live(self, _app: web.Application) -> AsyncIterator[None]:
        """Watch over the connections until the application ends."""
        watching = asyncio.create_task(self._watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await self._server.shutdown()

    async def dismiss(self, _app: web.Application) -> None:
        """Let everybody go; they come back to whoever answers next."""
        self._stopping = True
        await self._connections.dismiss()

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        """Carry Engine.IO: a WebSocket as long as it lasts, or one request of long polling."""
        if not self._is_welcome(request):
            raise Refused(Reason.CROSS_SITE)
        connection = self._connections.of_wire(read_query(request, Exchange).sid)
        if connection is not None:
            self._continue(connection, request)
        elif request.method == hdrs.METH_GET:
            await self._require_place(request)
        try:
            response: web.StreamResponse = await self._server.handle_request(request)
        except (asyncio.CancelledError, web.HTTPException):
            raise
        except Exception as error:  # of the library, at what is not Engine.IO
            self._part_malformed(request, error)
            raise Refused(Reason.BAD_REQUEST) from error
        finally:
            carried = request.get(CONNECTION)
            if carried is not None and carried.wire.websocket is request:
                carried.wire.websocket = None
        return response

    def _is_welcome(self, request: web.Request) -> bool:
        """Whether the request is no browser's, or of a page of ours or of an origin that was named."""
        origin = request.headers.get(hdrs.ORIGIN)
        return origin is None or origin == str(request[CALLER].base.origin()) or origin in self._origins

    async def _require_place(self, request: web.Request) -> None:
        """Raise `Refused` when there is no place for one more connection."""
        await self._connects.take(request[CALLER].rate_key)
        if self._stopping or len(self._connections) >= self._limits.sockets:
            raise Refused(Reason.OVERLOADED, retry_after_s=5)

    def _continue(self, connection: Connection, request: web.Request) -> None:
        """Take note of one more request of a connection. Raises `Refused` when it is too large."""
        request[CONNECTION] = connection
        if is_websocket(request) and connection.wire.websocket is None:
            connection.wire.websocket = request
        size = request.content_length
        if request.method == hdrs.METH_POST and (size is None or size > self._limits.body_bytes):
            self._connections.part(connection, MALFORMED)
            raise Refused(Reason.TOO_LARGE)

    def _part_malformed(self, request: web.Request, error: Exception) -> None:
        connection = request.get(CONNECTION)
        if connection is not None:
            log.info("not Engine.IO: %r id=%s", error, connection.request_id)
            self._connections.part(connection, MALFORMED)
        if is_websocket(request) and request.transport is not None:
            request.transport.abort()  # else the refusal would be written into the WebSocket

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_CHECK_S)
            self._connections.part_expired()
