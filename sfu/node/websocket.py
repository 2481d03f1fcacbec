"""The signalling endpoint: one WebSocket, one reader, one writer, every message checked and metered."""

import asyncio
import ipaddress
import logging
import time

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from sfu.contract.codes import Code
from sfu.contract.signals import ClientSignal, Hello, Leave, Offer, Retry, decode_client, encode, refused
from sfu.node.node import Node
from sfu.node.outbox import Outbox
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
        Code.WRONG_NODE,
        Code.RESUME_UNKNOWN,
        Code.NODE_FULL,
        Code.DRAINING,
    }
)


class SignalEndpoint:
    """Serves `GET /signal`. The ticket in the first message is the only credential."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._open: set[Outbox] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Run one connection to its end."""
        settings, totals = self._node.settings, self._node.totals
        if len(self._open) >= settings.max_connections:
            totals.refusals[Code.NODE_FULL] += 1
            raise web.HTTPServiceUnavailable(text="This node has too many connections.")
        socket = web.WebSocketResponse(max_msg_size=settings.max_message_bytes, heartbeat=HEARTBEAT_S)
        await socket.prepare(request)
        outbox = Outbox(socket, max_messages=settings.outbox_messages, timeout_s=settings.outbox_timeout_s)
        writer = asyncio.create_task(outbox.run())
        self._open.add(outbox)
        totals.connections += 1
        try:
            await _Conversation(self._node, socket, outbox).run(loopback=_is_loopback(request.remote))
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

    def close(self) -> None:
        """End the connections that belong to no room."""
        for outbox in self._open:
            outbox.close(Code.DRAINING, "join")


class _Conversation:
    """One client's messages, in order: hello, then whatever it wants until it goes."""

    def __init__(self, node: Node, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        self._node = node
        self._socket = socket
        self._outbox = outbox
        self._bucket = TokenBucket(node.settings.messages_per_s, node.settings.message_burst)

    async def run(self, *, loopback: bool) -> None:
        """Raises `Refusal` when the client must go."""
        try:
            async with asyncio.timeout(self._node.settings.hello_timeout_s):
                hello = await self._next()
        except TimeoutError as error:
            raise Refusal(Code.HELLO_TIMEOUT) from error
        if hello is None:
            return
        if not isinstance(hello, Hello):
            raise Refusal(Code.BAD_MESSAGE, "the first message must be hello")
        seat = self._node.admit(hello, self._outbox, loopback=loopback)
        try:
            await self._obey(seat)
        finally:
            unloading = self._socket.close_code == WSCloseCode.GOING_AWAY
            seat.peer.lose(self._outbox, time.monotonic(), unloading=unloading)

    async def _obey(self, seat: Seat) -> None:
        while seat.peer.outbox is self._outbox:
            try:
                message = await self._next()
            except _Unintelligible as refusal:
                self._refuse(refusal, None)
                continue
            if message is None:
                return
            if isinstance(message, Leave):
                seat.room.leave(seat.peer, Code.LEFT)
                return
            try:
                seat.act(message)
            except Refusal as refusal:
                self._refuse(refusal, message.id if isinstance(message, Offer) else None)

    async def _next(self) -> ClientSignal | None:
        """Return the next message, or None at the end. Raises `Refusal`."""
        frame = await self._socket.receive()
        if frame.type is WSMsgType.ERROR:
            raise Refusal(Code.MESSAGE_TOO_LARGE)
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        if not self._bucket.take(time.monotonic()):
            raise Refusal(Code.RATE_LIMITED)
        try:
            return decode_client(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _Unintelligible(str(error)) from error

    def _refuse(self, refusal: Refusal, id_: int | None) -> None:
        self._node.totals.refusals[refusal.code] += 1
        self._outbox.send(encode(refused(refusal.code, id=id_, detail=refusal.detail)))


class _Unintelligible(Refusal):
    """A message that is not one of the protocol. Within a conversation, only that message is refused."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.BAD_MESSAGE, detail[:200])


def _retry(code: Code) -> Retry:
    if code in RESUMABLE:
        return "resume"
    return "join" if code in REJOINABLE else "none"


def _is_loopback(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False
