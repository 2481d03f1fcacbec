"""Clients of Socket.IO as others have them: python-socketio's, and npm's in a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import socketio
from yarl import URL

from tests.support.npm import installed

HERE = Path(__file__).parent
ANSWER_S = 20.0
TRANSPORTS = (["websocket"], ["polling"], ["polling", "websocket"])


class Talker:
    """A client of python-socketio, and what it was told."""

    def __init__(self, client: socketio.AsyncClient) -> None:
        self.client = client
        self._told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        client.on("*", lambda event, data: self._told.put_nowait((event, data)))
        client.on("connect_error", lambda data: self._told.put_nowait(("connect_error", data)))
        client.on("disconnect", lambda reason: self._told.put_nowait(("disconnect", reason)))

    async def call(self, event: str, data: Any) -> Any:
        """Send an event; return its acknowledgement."""
        return await self.client.call(event, data, timeout=ANSWER_S)

    async def told(self, count: int = 1) -> list[tuple[str, Any]]:
        """Return the next events."""
        async with asyncio.timeout(ANSWER_S):
            return [await self._told.get() for _ in range(count)]

    async def event(self, name: str) -> Any:
        """Return the data of the next event, which must be this one."""
        ((event, data),) = await self.told()
        assert event == name, (event, data)
        return data

    def has_heard_nothing(self) -> bool:
        """Whether there is nothing that was told and not asked for."""
        return self._told.empty()


@asynccontextmanager
async def talking(
    base: URL,
    token: str | None,
    transports: list[str] | None = None,
    *,
    http: aiohttp.ClientSession | None = None,
    **options: Any,
) -> AsyncIterator[Talker]:
    """Connect with a token, by an HTTP client that may be given."""
    client = socketio.AsyncClient(reconnection=False, http_session=http)
    talker = Talker(client)
    auth = {} if token is None else {"token": token}
    options = {"auth": auth, "transports": transports or ["websocket"]} | options
    try:
        await client.connect(str(base), **options)
        yield talker
    finally:
        await client.disconnect()


async def refusal(base: URL, token: str | None, **options: Any) -> Any:
    """Return what the server says to somebody whom it does not let in."""
    client = socketio.AsyncClient(reconnection=False)
    talker = Talker(client)
    auth = {} if token is None else {"token": token}
    try:
        await client.connect(str(base), **{"auth": auth, "transports": ["websocket"]} | options)
    except socketio.exceptions.ConnectionError:
        return (await talker.event("connect_error"))["data"]
    finally:
        await client.disconnect()
    raise AssertionError("let in")


class NodeTalker:
    """npm's client in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def do(self, *words: Any) -> None:
        """Give a command of `client.cjs`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")

    async def said(self) -> list[Any]:
        """Return the next thing it says."""
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWER_S):
            line = await self._process.stdout.readline()
        assert line, "node ended"
        said: list[Any] = json.loads(line)
        return said


@asynccontextmanager
async def node_talking() -> AsyncIterator[NodeTalker]:
    """Run npm's client."""
    modules = await asyncio.to_thread(installed, HERE)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "client.cjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:/usr/local/bin"},
    )
    talker = NodeTalker(process)
    try:
        yield talker
        talker.do("close")
        await asyncio.wait_for(process.wait(), ANSWER_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
