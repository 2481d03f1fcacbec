"""A whole node in this process, on loopback, and aiortc clients that talk to it as any client does."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import aioice.ice
import pytest
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sfu.contract.ticket import LIFETIME_S, Rights, Ticket, sign
from sfu.node.capacity import Capacity
from sfu.node.node import Node
from sfu.node.service import application
from sfu.node.settings import Settings
from sfu.node.websocket import SignalEndpoint
from sfu.room.ports import Limits
from sfu.transport.settings import NetworkSettings
from tests.integration.node.client import Client

SECRET = bytes(range(32))


@dataclass
class House:
    """A running node and what is needed to enter it."""

    node: Node
    key: Ed25519PrivateKey
    url: str
    http: aiohttp.ClientSession
    endpoint: SignalEndpoint
    clients: list[Client] = field(default_factory=list)

    def client(self) -> Client:
        """Return a client that is closed when the test ends."""
        client = Client(self.http, self.url)
        self.clients.append(client)
        return client

    def ticket(self, room: str = "room", **changes: Any) -> str:
        """Return a signed ticket for a new peer, changed as said."""
        fields: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "room": room,
            "peer": uuid.uuid4().hex[:12],
            "node": self.node.settings.node_id,
            "name": "Someone",
            "rights": Rights(),
            "expires_at": int(time.time()) + LIFETIME_S,
        }
        return sign(Ticket(**{**fields, **changes}), self.key)


@pytest.fixture
def settings() -> Settings:
    """Return the node's settings; a module overrides this to change them."""
    return Settings(
        node_id="n1",
        network=NetworkSettings(port=0, bind_v4="127.0.0.1", bind_v6="", addresses=("127.0.0.1",)),
        limits=Limits(linger_s=3.0, reload_s=1.0, link_timeout_s=5.0),
        capacity=Capacity(cpu=100, lag_s=100),  # the clients share the process
    )


@pytest.fixture(autouse=True)
def loopback_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aioice, which never gathers loopback addresses, gather nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@asynccontextmanager
async def open_house(settings: Settings, key: Ed25519PrivateKey) -> AsyncIterator[House]:
    """Run a node that takes the tickets signed with `key`."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    node = Node(replace(settings, internal_url=url), key.public_key(), SECRET)
    await node.network.open()
    endpoint = SignalEndpoint(node, SECRET)
    app = application(node, endpoint, SECRET)
    server = TestServer(app, host="127.0.0.1", socket_factory=lambda *_: listening)
    await server.start_server()
    ticker = asyncio.create_task(node.run())
    async with aiohttp.ClientSession() as http:
        house = House(node, key, url, http, endpoint)
        yield house
        await asyncio.gather(*(client.close() for client in house.clients))
    ticker.cancel()
    await asyncio.gather(ticker, return_exceptions=True)
    node.close()
    endpoint.close()
    await server.close()


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """Run a node for one test."""
    async with open_house(settings, Ed25519PrivateKey.generate()) as house:
        yield house


async def eventually(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Return the condition's first true value; fail when it stays false."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        await asyncio.sleep(0.02)
    return value
