"""The bounds on event WebSockets and Socket.IO: how many there are, and how long one may hold us up."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from control.metrics import Metrics
from control.refusals import Reason, Refused
from control.settings import Limits

PING_EVERY_S = 20.0
CLOSE_WAIT_S = 2.0
MESSAGE_BYTES_MAX = 1024


class Sockets:
    """All connections of this process on which somebody hears of events."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._taken: Counter[str] = Counter()

    def new(self) -> web.WebSocketResponse:
        """Return a WebSocket that notices when the other side is gone."""
        return web.WebSocketResponse(
            heartbeat=PING_EVERY_S, max_msg_size=MESSAGE_BYTES_MAX, timeout=CLOSE_WAIT_S
        )

    @contextmanager
    def seat(self, member: str) -> Iterator[None]:
        """Hold one of the places inside the block. Raises `Refused` when there are too many."""
        if self._taken[member] >= self._limits.sockets_each:
            raise Refused(Reason.RATE_LIMITED, retry_after_s=5)
        if self._taken.total() >= self._limits.sockets:
            raise Refused(Reason.OVERLOADED, retry_after_s=5)
        self._taken[member] += 1
        try:
            with self._metrics.sockets.track_inprogress():
                yield
        finally:
            self._taken[member] -= 1
            if not self._taken[member]:
                del self._taken[member]

    async def send(self, socket: web.WebSocketResponse, frame: str) -> None:
        """Send a frame. Raises TimeoutError when the other side does not take it in time."""
        async with asyncio.timeout(self._limits.event_send_s):
            await socket.send_str(frame)

    async def close(
        self, request: web.Request, socket: web.WebSocketResponse, code: int, reason: str
    ) -> None:
        """Close for a reason of ours, which is counted; leave nothing to wait for who does not read."""
        self._metrics.sockets_closed.labels(reason).inc()
        await socket.close(code=code, message=reason.encode(), drain=False)
        if request.transport is not None:
            request.transport.abort()
