"""A node of a later version, as clients see it: it stands before a node and says more than that does.

Each object has a field more, there are messages of a type and changes of a kind that nobody here knows.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.support.http import http
from tests.support.netns import Namespace

MESSAGE = {"type": "lit", "lamps": 4}
CHANGE = {"kind": "room_lit", "lamps": 4}


class LaterNode:
    """Passes signalling on to the node at `url`; `said` counts what a client had to pass over."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self.said = 0
        self._url = url
        self._client = client

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Pass one client's messages on as they are, and the node's as a later version says them."""
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async with self._client.ws_connect(self._url, max_msg_size=0) as node:
            ways = asyncio.create_task(self._up(socket, node)), asyncio.create_task(self._down(node, socket))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        await socket.close()
        return socket

    async def _up(self, socket: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await node.send_str(frame.data)

    async def _down(self, node: aiohttp.ClientWebSocketResponse, socket: web.WebSocketResponse) -> None:
        ahead = 0
        async for frame in node:
            message = _more(json.loads(frame.data))
            for added in _beside(message, ahead):
                ahead += added["type"] == "delta"
                self.said += 1
                await socket.send_json(added)
            if message["type"] == "delta":
                message["version"] += ahead
            await socket.send_json(message)


def _beside(message: dict[str, Any], ahead: int) -> Iterator[dict[str, Any]]:
    """Yield what is said before a message; `ahead` is by how much the room's version is raised already."""
    if message["type"] != "welcome":
        yield MESSAGE
    if message["type"] == "delta":
        yield {"type": "delta", "version": message["version"] + ahead, "change": CHANGE}


def _more(value: Any) -> Any:
    """Return JSON with a field more in each object."""
    if isinstance(value, dict):
        return {name: _more(inner) for name, inner in value.items()} | {"later": [1]}
    return [_more(inner) for inner in value] if isinstance(value, list) else value


@asynccontextmanager
async def later_node(server: Namespace, address: str, port: int, url: str) -> AsyncIterator[LaterNode]:
    """Stand before the node at `url` inside the namespace, at `/signal` of this address and port."""
    listening = server.socket()
    listening.bind((address, port))
    async with http(server) as client:
        made = LaterNode(url, client)
        app = web.Application()
        app.router.add_get("/signal", made.serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        yield made
        await runner.cleanup()
