"""A WebDriver BiDi client (W3C): the one protocol by which both browsers are driven.

A `Session` is one WebSocket to one browser. It knows commands and events, no page.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.support.http import http
from tests.support.netns import Namespace

COMMAND_DEADLINE_S = 60.0


class BidiError(AssertionError):
    """The browser refused a command, or went away."""


class ScriptError(BidiError):
    """A script threw an exception in the page."""


class Session:
    """A running session. Commands may overlap."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[str, list[Callable[[dict[str, Any]], None]]] = defaultdict(list)
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Run a command and return its result; raise `BidiError` with the browser's reason."""
        if self._reading.done():
            raise BidiError(f"{method}: the browser has gone")
        number = next(self._ids)
        reply = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": number, "method": method, "params": params})
            async with asyncio.timeout(COMMAND_DEADLINE_S):
                message = await reply
        finally:
            del self._pending[number]
        if message["type"] == "error":
            raise BidiError(f"{method}: {message['error']}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result

    async def listen(self, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call `listener` with the parameters of every such event from now on."""
        self._listeners[event].append(listener)
        await self.call("session.subscribe", events=[event])

    async def close(self) -> None:
        """Drop the connection; the browser itself goes on."""
        await self._socket.close()
        await self._reading

    async def _read(self) -> None:
        async for frame in self._socket:
            message = frame.json()
            if message["type"] == "event":
                for listener in self._listeners[message["method"]]:
                    listener(message["params"])
            elif message.get("id") in self._pending:
                self._pending[message["id"]].set_result(message)
        for reply in self._pending.values():
            if not reply.done():
                reply.set_exception(BidiError("the browser has gone"))


@asynccontextmanager
async def connected(namespace: Namespace, url: str) -> AsyncIterator[Session]:
    """Connect to a browser that listens in the namespace."""
    async with http(namespace) as client, client.ws_connect(url, max_msg_size=0) as socket:
        session = Session(socket)
        try:
            yield session
        finally:
            await session.close()
