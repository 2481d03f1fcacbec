"""All Socket.IO connections of this process, and how we part from one: told why, counted, closed."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web
from socketio import AsyncServer

from control.clock import Clock
from control.edge.answers import problem_of
from control.edge.caller import CALLER
from control.edge.headers import REQUEST_ID
from control.metrics import Metrics
from control.refusals import Reason, Refused
from control.socket_io.connection import Connection, Member
from control.socket_io.wire import Wire

log = logging.getLogger(__name__)

ADMIT_S = 10.0
"""So long a connection may take to show its token."""


@dataclass(frozen=True)
class Parting:
    """Why we part. Who is refused something is disconnected and stays away; others come back."""

    reason: str
    refusal: Reason | None = None


STOPPING = Parting("stopping")
TOO_SLOW = Parting("too_slow")
INTERNAL = Parting("internal")
UNNAMED = Parting("unnamed")
REVOKED = Parting("revoked", Reason.UNAUTHENTICATED)
EXPIRED = Parting("expired", Reason.UNAUTHENTICATED)
ENDED = Parting("ended", Reason.MEETING_ENDED)
FLOODING = Parting("flooding", Reason.RATE_LIMITED)
MALFORMED = Parting("malformed", Reason.BAD_REQUEST)


class Connections:
    """The connections, by the names that Engine.IO and Socket.IO have for them."""

    def __init__(self, server: AsyncServer, clock: Clock, metrics: Metrics, send_s: float) -> None:
        self._server = server
        self._clock = clock
        self._metrics = metrics
        self._send_s = send_s
        self._by_wire: dict[str, Connection] = {}
        self._by_sid: dict[str, Connection] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._by_wire)

    def open(self, wire_id: str, request: web.Request) -> Connection:
        """Return a new connection; it is closed when it shows no token in time."""
        wire = Wire(self._server, wire_id, self._send_s)
        connection = Connection(wire, request[CALLER], request[REQUEST_ID])
        self._by_wire[wire_id] = connection
        late = asyncio.get_running_loop().call_later(ADMIT_S, self._part_unnamed, connection)
        connection.places.callback(late.cancel)
        return connection

    def admit(self, connection: Connection, member: Member) -> None:
        """Let somebody in who has shown a token."""
        connection.member = member
        self._by_sid[member.sid] = connection

    def of_wire(self, wire_id: str) -> Connection | None:
        """Return the connection that Engine.IO calls so."""
        return self._by_wire.get(wire_id)

    def of_member(self, sid: str) -> Connection | None:
        """Return the connection that Socket.IO calls so, if a token was shown on it."""
        return self._by_sid.get(sid)

    def forget(self, wire_id: str) -> None:
        """Let go of a connection that is closed."""
        connection = self._by_wire.pop(wire_id)
        if connection.member is not None:
            del self._by_sid[connection.member.sid]
        connection.release()
        connection.wire.drop()

    def is_expired(self, member: Member) -> bool:
        """Whether the member's token is good no longer."""
        return self._clock().timestamp() >= member.grant.expires_s

    def part_expired(self) -> None:
        """Part from all whose token is good no longer."""
        for connection in tuple(self._by_sid.values()):
            if connection.member is not None and self.is_expired(connection.member):
                self.part(connection, EXPIRED)

    async def dismiss(self) -> None:
        """Part from all; they come back to whoever answers next."""
        for connection in tuple(self._by_wire.values()):
            self.part(connection, STOPPING)
        await asyncio.gather(*self._farewells)

    def part(self, connection: Connection, parting: Parting) -> None:
        """Tell why, and close the connection, in the background; once."""
        if connection.parting:
            return
        connection.release()
        self._metrics.sockets_closed.labels(parting.reason).inc()
        farewell = asyncio.create_task(self._farewell(connection, parting))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    def _part_unnamed(self, connection: Connection) -> None:
        if connection.member is None:
            self.part(connection, UNNAMED)

    async def _farewell(self, connection: Connection, parting: Parting) -> None:
        try:
            if connection.member is not None:
                words: dict[str, Any] = {"reason": parting.reason}
                if parting.refusal is not None:
                    problem = problem_of(Refused(parting.refusal), connection.request_id)
                    words["error"] = msgspec.to_builtins(problem)
                await self._server.emit("closing", words, to=connection.member.sid)
                if parting.refusal is not None:
                    await self._server.disconnect(connection.member.sid)
            await connection.wire.close()
        except Exception:
            log.exception("a bug while closing a Socket.IO connection id=%s", connection.request_id)
