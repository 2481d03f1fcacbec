"""The names of python-engineio that `control.socket_io` rests on, though no promise covers them."""

import asyncio
import inspect
from typing import Any

from engineio.async_socket import AsyncSocket
from socketio import AsyncServer


async def test_an_engine_has_the_handlers_that_are_wrapped() -> None:
    server = AsyncServer(async_mode="aiohttp")
    assert {name: len(inspect.signature(call).parameters) for name, call in server.eio.handlers.items()} == {
        "connect": 2,
        "message": 2,
        "disconnect": 2,
    }
    assert server.eio.sockets == {}


async def test_a_socket_counts_what_waits_and_is_closed_at_once() -> None:
    server = AsyncServer(async_mode="aiohttp")
    ended: list[tuple[Any, ...]] = []

    async def note(*arguments: Any) -> None:
        ended.append(arguments)

    server.eio.on("disconnect", note)
    socket = AsyncSocket(server.eio, "sid")
    assert isinstance(socket.queue, asyncio.Queue)
    assert (socket.queue.qsize(), socket.closing) == (0, False)
    await socket.close(wait=False, abort=True)
    assert (socket.queue.qsize(), socket.closing) == (0, True)
    assert [arguments[0] for arguments in ended] == ["sid"]
    socket.queue.put_nowait(None)
    assert await socket.poll() == []
