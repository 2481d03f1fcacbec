"""What waits to be written to one WebSocket. A client that does not keep up is disconnected."""

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import web

from sfu.contract.codes import Code
from sfu.contract.signals import Retry, closed, encode


class Outbox:
    """A bounded queue with one writer, `run`. Messages are text; `sent` hooks run once theirs is written."""

    def __init__(self, socket: web.WebSocketResponse, *, max_messages: int, timeout_s: float) -> None:
        self._socket = socket
        self._max_messages = max_messages
        self._timeout_s = timeout_s
        self._queue: deque[tuple[str, Callable[[], None] | None]] = deque()
        self._filled = asyncio.Event()
        self._closing = False

    def send(self, text: str, sent: Callable[[], None] | None = None) -> None:
        """Queue a message. What comes after `close` is dropped; its hook runs at once."""
        if self._closing:
            if sent is not None:
                sent()
        elif len(self._queue) >= self._max_messages:
            self.close(Code.TOO_SLOW, "resume")
        else:
            self._queue.append((text, sent))
            self._filled.set()

    def close(self, code: Code, retry: Retry, detail: str | None = None) -> None:
        """Say why as the last message, then close. Idempotent: the first reason stands."""
        if not self._closing:
            self._closing = True
            self._queue.append((encode(closed(code, retry, detail)), None))
            self._filled.set()

    async def run(self) -> None:
        """Write until closed, or until the client stops taking what is written."""
        try:
            while self._queue or not self._closing:
                await self._filled.wait()
                self._filled.clear()
                while self._queue:
                    text, sent = self._queue.popleft()
                    async with asyncio.timeout(self._timeout_s):
                        await self._socket.send_str(text)
                    if sent is not None:
                        sent()
        except (ConnectionError, TimeoutError):
            self._closing = True
        finally:
            for _, sent in self._queue:
                if sent is not None:
                    sent()
            self._queue.clear()
            await self._socket.close()
