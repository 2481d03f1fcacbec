"""A network on loopback, and peers connected to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache

import pytest

from sfu.transport.certificate import Certificate
from sfu.transport.network import Network
from sfu.transport.settings import NetworkSettings
from tests.integration.transport.client import Client, Listener, Pair, TcpClient, until

OpenNetwork = Callable[..., Awaitable[Network]]
Connect = Callable[..., Awaitable[Pair]]


@lru_cache
def certificate() -> Certificate:
    return Certificate.generate()


@pytest.fixture
async def open_network() -> AsyncIterator[OpenNetwork]:
    """Open a network with the given settings; all are closed in the end, having contained no bug."""
    opened: list[Network] = []

    async def open_one(**settings: object) -> Network:
        network = Network(NetworkSettings(port=0, **settings), certificate())  # type: ignore[arg-type]
        await network.open()
        opened.append(network)
        return network

    yield open_one
    for network in opened:
        network.close()


@pytest.fixture
async def network(open_network: OpenNetwork) -> AsyncIterator[Network]:
    made = await open_network()
    yield made
    assert made.counters.faults == 0


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect a client to a network; it vanishes in the end if it has not closed."""
    clients: list[Client] = []

    async def connect_one(
        network: Network, *, data: bool = False, tcp: bool = False, **options: object
    ) -> Pair:
        listener = Listener()
        link = network.create_link(listener)
        client = (TcpClient if tcp else Client)(network, host=str(options.pop("host", "127.0.0.1")))
        clients.append(client)
        pair = Pair(network, link, listener, client)
        await client.check(link)
        link.start([client.fingerprint], data_channels=data)
        await client.secure(**options)  # type: ignore[arg-type]
        await until(lambda: listener.connected)
        if data:
            await client.associate()
        return pair

    yield connect_one
    for client in clients:
        await client.leave()
