"""What arrives on connections: somebody's token, then their events, then their end.

Engine.IO's handlers are wrapped, so that each packet is counted, and kept waiting for a client that does not
read its answers, before Socket.IO parses it.
"""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import hdrs, web
from socketio import AsyncServer
from socketio.exceptions import ConnectionRefusedError as Rejection

from control.accounts.tokens import Grant
from control.credentials.admission import Admission
from control.credentials.service import Credentials
from control.edge.answers import mishap
from control.edge.body import fit
from control.events.sockets import Sockets
from control.rates.port import Buckets
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.socket_io.answering import Acknowledgement, Answering
from control.socket_io.connection import Connection, Member
from control.socket_io.connections import EXPIRED, FLOODING, MALFORMED, REVOKED, TOO_SLOW, Connections
from control.socket_io.schema import Handshake

log = logging.getLogger(__name__)

CONNECTION: web.RequestKey[Connection] = web.RequestKey("connection", Connection)


@dataclass(frozen=True)
class Doors:
    """Who gets in, how often from one address, and for how long."""

    admission: Admission
    credentials: Credentials
    sockets: Sockets
    connects: Buckets


class Hearing:
    """The handlers of Engine.IO and Socket.IO. `messages` bounds what comes on each connection."""

    def __init__(
        self,
        connections: Connections,
        answering: Answering,
        doors: Doors,
        messages: Buckets,
    ) -> None:
        self._connections = connections
        self._answering = answering
        self._admission = doors.admission
        self._credentials = doors.credentials
        self._sockets = doors.sockets
        self._messages = messages
        self._inner: dict[str, Any] = {}

    def listen_to(self, server: AsyncServer) -> None:
        """Have the server call us."""
        self._inner = dict(server.eio.handlers)
        server.eio.on("connect", self._open)
        server.eio.on("message", self._hear)
        server.eio.on("disconnect", self._close)
        server.on("connect", self._admit)
        server.on("connect", self._refuse_namespace, namespace="*")
        server.on("disconnect", self._leave)
        server.on("*", self._answer)

    async def _open(self, wire_id: str, environ: dict[str, Any]) -> Any:
        """Note a new connection, of somebody unknown as yet."""
        request = environ["aiohttp.request"]
        connection = request[CONNECTION] = self._connections.open(wire_id, request)
        if is_websocket(request):
            connection.wire.websocket = request
        return await self._inner["connect"](wire_id, environ)

    async def _close(self, wire_id: str, reason: str) -> None:
        """Forget a connection that is closed."""
        self._connections.forget(wire_id)
        await self._inner["disconnect"](wire_id, reason)

    async def _hear(self, wire_id: str, data: object) -> None:
        """Take what came on a connection; part from who sends too much, or what is not Socket.IO."""
        connection = self._connections.of_wire(wire_id)
        if connection is None or connection.parting:
            return
        async with connection.turn:  # requests of long polling may overtake one another
            try:
                await self._messages.take(wire_id)
                await connection.wire.room()
                if not connection.parting:
                    await self._inner["message"](wire_id, _text(data))
            except Refused:
                self._connections.part(connection, FLOODING)
            except TimeoutError:
                self._connections.part(connection, TOO_SLOW)
            except Exception as error:
                log.info("not Socket.IO: %r id=%s", error, connection.request_id)
                self._connections.part(connection, MALFORMED)

    async def _admit(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        """Let somebody in who shows a token or key that is good, until it ends."""
        connection: Connection = environ["aiohttp.request"][CONNECTION]
        try:
            member = Member(sid, await self._grant(connection, auth))
            connection.places.enter_context(self._sockets.seat(member.key))
        except Refused as refused:
            raise self._rejection(connection, refused) from refused
        except Exception as error:
            raise self._rejection(connection, mishap(error, connection.request_id)) from error
        self._connections.admit(connection, member)
        revoked = partial(self._connections.part, connection, REVOKED)
        watching = self._credentials.watch(member.grant.identity.credential, revoked)
        connection.places.enter_context(watching)

    async def _refuse_namespace(
        self, _namespace: str, _sid: str, environ: dict[str, Any], _auth: object
    ) -> None:
        """Let nobody into other namespaces than the one there is."""
        connection: Connection = environ["aiohttp.request"][CONNECTION]
        raise self._rejection(connection, Refused(Reason.NOT_FOUND))

    async def _grant(self, connection: Connection, auth: object) -> Grant:
        try:
            token = fit(auth, Handshake).token
        except Refused as refused:
            raise Refused(Reason.UNAUTHENTICATED) from refused
        grant = await self._admission.grant(token, Scope.EVENTS_READ)
        if connection.parting:  # it ended meanwhile, and would give no place back
            raise Refused(Reason.UNAUTHENTICATED)
        return grant

    def _rejection(self, connection: Connection, refused: Refused) -> Rejection:
        error = self._answering.refuse(connection, refused)["error"]
        return Rejection(error["message"], error)

    async def _leave(self, sid: str, *_reason: object) -> None:
        """Close the connection of somebody who leaves; Socket.IO alone would keep it open."""
        connection = self._connections.of_member(sid)
        if connection is not None:
            await connection.wire.close()

    async def _answer(self, event: str, sid: str, *arguments: object) -> Acknowledgement | None:
        """Acknowledge what a member sent."""
        connection = self._connections.of_member(sid)
        if connection is None or connection.member is None:
            return None  # the event was called `*`, for which the library shifts the arguments
        if self._connections.is_expired(connection.member):
            self._connections.part(connection, EXPIRED)
            return self._answering.refuse(connection, Refused(Reason.UNAUTHENTICATED))
        return await self._answering.answer(connection, connection.member, event, arguments)


def is_websocket(request: web.Request) -> bool:
    """Whether the request asks to become a WebSocket."""
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


def _text(data: object) -> str:
    """Return a packet of Socket.IO; ours are never binary. Raises TypeError."""
    if not isinstance(data, str):
        raise TypeError("not text")
    return data
