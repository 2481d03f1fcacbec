"""One client's Engine.IO connection, which carries its Socket.IO: held within bounds, and closed for good.

Engine.IO would queue without end for a client that does not read, and leaves its connection open when
Socket.IO disconnects. All we know of its inside is here, and a test fails when it changes.
"""

import asyncio
from contextlib import suppress

from aiohttp import web
from socketio import AsyncServer

QUEUED_MAX = 16
CLOSE_WAIT_S = 2.0


class Wire:
    """The connection. `websocket` is the request that carries it, unless it is long polling."""

    def __init__(self, server: AsyncServer, id: str, send_s: float) -> None:
        self.id = id
        self.websocket: web.Request | None = None
        self._engine = server.eio
        self._send_s = send_s

    async def room(self) -> None:
        """Wait until the client has taken what waits for it, if that is much.

        Raises TimeoutError when it does not in time.
        """
        socket = self._engine.sockets.get(self.id)
        if socket is not None and socket.queue.qsize() >= QUEUED_MAX:
            async with asyncio.timeout(self._send_s):
                await socket.queue.join()

    async def close(self) -> None:
        """Close the connection, once the client has what was sent if it takes it within moments.

        It finds its transport closed, as by a lost network, and so connects anew by itself.
        """
        socket = self._engine.sockets.get(self.id)
        if socket is None or socket.closing:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                await socket.queue.join()
        await socket.close(wait=False, abort=True)
        socket.queue.put_nowait(None)  # the end, for whoever waits for more to send

    def drop(self) -> None:
        """Drop the WebSocket soon, if its other side does not close it: Engine.IO would wait for ever."""
        asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._abort)

    def _abort(self) -> None:
        if self.websocket is not None and self.websocket.transport is not None:
            self.websocket.transport.abort()
