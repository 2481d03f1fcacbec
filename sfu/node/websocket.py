"""The signalling endpoint: one WebSocket, one reader, one writer, every message checked and metered."""

import asyncio
import ipaddress
import logging
import time
from dataclasses import dataclass

import msgspec
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from sfu.contract.codes import Code
from sfu.contract.operations import verify_token
from sfu.contract.signals import ClientSignal, Hello, Leave, Offer, Retry, decode_client, encode, refused
from sfu.contract.ticket import Ticket
from sfu.node.destination import Destination
from sfu.node.node import Node
from sfu.node.outbox import Outbox
from sfu.node.passing import CLIENT_HEADER, Passage
from sfu.node.seat import Seat
from sfu.room.ports import Refusal
from sfu.transport.bucket import TokenBucket

_log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
RESUMABLE = frozenset({Code.TOO_SLOW, Code.RATE_LIMITED, Code.MESSAGE_TOO_LARGE})
REJOINABLE = frozenset(
    {
        Code.TICKET_EXPIRED,
        Code.TICKET_REPLAYED,
        Code.TICKET_INVALID,
        Code.TICKET_SUPERSEDED,
        Code.WRONG_NODE,
        Code.NODE_UNREACHABLE,
        Code.RESUME_UNKNOWN,
        Code.NODE_FULL,
        Code.DRAINING,
    }
)


@dataclass(frozen=True)
class Arrival:
    """How a client came: from which address, and whether another node passed it on."""

    client: str
    passed_on: bool

    @property
    def is_loopback(self) -> bool:
        """Whether the client is on this machine."""
        try:
            return ipaddress.ip_address(self.client).is_loopback
        except ValueError:
            return False


class SignalEndpoint:
    """Serves `GET /signal`. The ticket in the first message is the only credential.

    A client that belongs to another node is passed on to it; `cluster_secret` proves one node to another.
    """

    def __init__(self, node: Node, cluster_secret: bytes) -> None:
        self._node = node
        self._secret = cluster_secret
        self._passage = Passage(cluster_secret, heartbeat_s=HEARTBEAT_S)
        self._open: set[Outbox] = set()
        self._passing: set[Outbox] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Run one connection to its end."""
        settings, totals = self._node.settings, self._node.totals
        if len(self._open) >= settings.max_connections:
            totals.refusals[Code.NODE_FULL] += 1
            raise web.HTTPServiceUnavailable(text="This node has too many connections.")
        arrival = self._arrival(request)
        socket = web.WebSocketResponse(max_msg_size=settings.max_message_bytes, heartbeat=HEARTBEAT_S)
        await socket.prepare(request)
        outbox = Outbox(socket, max_messages=settings.outbox_messages, timeout_s=settings.outbox_timeout_s)
        writer = asyncio.create_task(outbox.run())
        self._open.add(outbox)
        totals.connections += 1
        try:
            await self._converse(_Conversation(self._node, socket, outbox), arrival)
        except Refusal as refusal:
            totals.refusals[refusal.code] += 1
            outbox.close(refusal.code, _retry(refusal.code), refusal.detail)
        except Exception:
            _log.exception("a connection failed")
            outbox.close(Code.INTERNAL, "resume")
        finally:
            outbox.close(Code.LEFT, "none")
            await writer
            self._open.discard(outbox)
        return socket

    async def _converse(self, conversation: "_Conversation", arrival: Arrival) -> None:
        """Take the client in, or pass it on. Raises `Refusal` when it must go."""
        hello = await conversation.hello()
        if hello is None:
            return
        text, greeting = hello
        permit = self._node.permit(greeting)
        leads_away = permit.address != "" and permit.node != self._node.settings.node_id
        if arrival.passed_on or not leads_away:
            await conversation.run(greeting, permit, loopback=arrival.is_loopback)
            return
        self._node.totals.passed_on += 1
        self._passing.add(conversation.outbox)
        try:
            destination = Destination(permit.node, permit.address)
            await self._passage.carry(conversation.socket, text, destination, arrival.client)
        finally:
            self._passing.discard(conversation.outbox)

    def _arrival(self, request: web.Request) -> Arrival:
        """Return how the client came. Raises HTTPUnauthorized if it is no node that says to pass it on."""
        client = request.headers.get(CLIENT_HEADER)
        if client is None:
            return Arrival(request.remote or "", passed_on=False)
        token = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ")
        if not verify_token(token, self._secret, audience=self._node.settings.node_id, now=time.time()):
            raise web.HTTPUnauthorized(text="Only nodes of the cluster pass connections on.")
        return Arrival(client, passed_on=True)

    def close(self) -> None:
        """End the connections that belong to no room here; what was passed on can be taken up elsewhere."""
        for outbox in self._open:
            outbox.close(Code.DRAINING, "resume" if outbox in self._passing else "join")


class _Conversation:
    """One client's messages, in order: hello, then whatever it wants until it goes."""

    def __init__(self, node: Node, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        self._node = node
        self.socket = socket
        self.outbox = outbox
        self._bucket = TokenBucket(node.settings.messages_per_s, node.settings.message_burst)

    async def hello(self) -> tuple[str, Hello] | None:
        """Return the first message, as it came and as it reads; None if the client went. Raises `Refusal`."""
        try:
            async with asyncio.timeout(self._node.settings.hello_timeout_s):
                text = await self._receive()
        except TimeoutError as error:
            raise Refusal(Code.HELLO_TIMEOUT) from error
        if text is None:
            return None
        hello = _read(text)
        if not isinstance(hello, Hello):
            raise Refusal(Code.BAD_MESSAGE, "the first message must be hello")
        return text, hello

    async def run(self, hello: Hello, permit: Ticket | Destination, *, loopback: bool) -> None:
        """Let the client in, then do what it says until it goes. Raises `Refusal` when it must go."""
        seat = self._node.admit(hello, permit, self.outbox, loopback=loopback)
        try:
            await self._obey(seat)
        finally:
            unloading = self.socket.close_code == WSCloseCode.GOING_AWAY
            seat.peer.lose(self.outbox, time.monotonic(), unloading=unloading)

    async def _obey(self, seat: Seat) -> None:
        while seat.peer.outbox is self.outbox:
            text = await self._receive()
            if text is None:
                return
            try:
                message = _read(text)
            except Refusal as refusal:
                self._refuse(refusal, None)
                continue
            if isinstance(message, Leave):
                seat.room.leave(seat.peer, Code.LEFT)
                return
            try:
                seat.act(message)
            except Refusal as refusal:
                self._refuse(refusal, message.id if isinstance(message, Offer) else None)

    async def _receive(self) -> str | None:
        """Return the next message's text, or None at the end. Raises `Refusal`."""
        frame = await self.socket.receive()
        if frame.type is WSMsgType.ERROR:
            raise Refusal(Code.MESSAGE_TOO_LARGE)
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        if not self._bucket.take(time.monotonic()):
            raise Refusal(Code.RATE_LIMITED)
        text: str = frame.data if frame.type is WSMsgType.TEXT else frame.data.decode(errors="replace")
        return text

    def _refuse(self, refusal: Refusal, id_: int | None) -> None:
        self._node.totals.refusals[refusal.code] += 1
        self.outbox.send(encode(refused(refusal.code, id=id_, detail=refusal.detail)))


def _read(text: str) -> ClientSignal:
    """Return a message of the protocol. Raises `Refusal`."""
    try:
        return decode_client(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refusal(Code.BAD_MESSAGE, str(error)[:200]) from error


def _retry(code: Code) -> Retry:
    if code in RESUMABLE:
        return "resume"
    return "join" if code in REJOINABLE else "none"
