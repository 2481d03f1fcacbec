"""Passing a client's connection on to the node it is for, so that a load balancer needs no map.

Media goes straight to that node; what is passed on is the signalling alone, as it comes. It is passed on
once: a node that is handed a connection takes it or refuses it.
"""

import asyncio
import time

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from yarl import URL

from sfu.contract.codes import Code
from sfu.contract.operations import sign_token
from sfu.node.destination import Destination
from sfu.room.ports import Refusal

CLIENT_HEADER = "Parley-Client"
"""The client's IP address, as the node saw it that passes its connection on."""
CONNECT_S = 3.0

_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class Passage:
    """The way to other nodes. `secret` is what control and its nodes share."""

    def __init__(self, secret: bytes, *, heartbeat_s: float) -> None:
        self._secret = secret
        self._heartbeat_s = heartbeat_s

    async def carry(
        self, socket: web.WebSocketResponse, hello: str, destination: Destination, client: str
    ) -> None:
        """Carry messages both ways until either end closes. Raises `Refusal` if the node does not answer."""
        token = sign_token(self._secret, audience=destination.node, now=time.time())
        headers = {hdrs.AUTHORIZATION: f"Bearer {token}", CLIENT_HEADER: client}
        async with aiohttp.ClientSession() as http:
            try:
                async with asyncio.timeout(CONNECT_S):
                    url = URL(destination.address) / "signal"
                    onward = await http.ws_connect(url, headers=headers, heartbeat=self._heartbeat_s)
                    await onward.send_str(hello)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise Refusal(Code.NODE_UNREACHABLE) from error
            await _carry(socket, onward)


async def _carry(socket: web.WebSocketResponse, onward: aiohttp.ClientWebSocketResponse) -> None:
    ways = (asyncio.create_task(_copy(socket, onward)), asyncio.create_task(_copy(onward, socket)))
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _copy(source: _Socket, target: _Socket) -> None:
    """Pass messages on; at the end, close the other end for the same reason."""
    try:
        while (frame := await source.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await target.send_str(frame.data if frame.type is WSMsgType.TEXT else frame.data.decode())
    except (ConnectionError, UnicodeDecodeError):
        pass
    unloading = source.close_code == WSCloseCode.GOING_AWAY
    await target.close(code=WSCloseCode.GOING_AWAY if unloading else WSCloseCode.OK)
