"""Networks that let little through: the page finds a way to the node by itself, and people notice nothing."""

import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.e2e.person import Person, Route
from tests.e2e.stage import Desk, Stage
from tests.support.browsers import chromium
from tests.support.coturn import SECRET, TurnServer, coturn
from tests.support.firewall import wall
from tests.support.network import Network
from tests.support.senders import BLUE, GREEN
from tests.support.servers import CONTROL_PORT, MEDIA_PORT, Service, service
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")

UDP = "meta l4proto udp"
MEDIA_TCP = f"tcp dport {MEDIA_PORT}"


@pytest.fixture(scope="module")
def turn(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    with coturn(tmp_path_factory.mktemp("coturn"), net.address, net.server) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def parley(
    net: Network, turn: TurnServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Control and a node that are reached over both versions of IP, and through a TURN server."""
    settings = {
        "PARLEY_SFU_ADVERTISE": f"{net.address},{net.address_v6}",
        "PARLEY_TURN_URLS": ",".join(turn.url(transport) for transport in ("udp", "tcp", "tls")),
        "PARLEY_TURN_SECRET": SECRET,
    }
    async with service(net, tmp_path_factory.mktemp("parley"), **settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def home(
    net: Network, turn: TurnServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    """Chromium behind a symmetric NAT."""
    machine, folder = net.client_behind_nat(), tmp_path_factory.mktemp("home")
    origin = f"http://{net.address}:{CONTROL_PORT}"
    async with chromium(machine.namespace, GREEN, folder, origin=origin, trusting=turn.key) as browser:
        yield Desk(browser, machine)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def modern(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Chromium on a machine without IPv4."""
    machine, folder = net.client_over_v6(), tmp_path_factory.mktemp("modern")
    origin = f"http://[{net.address_v6}]:{CONTROL_PORT}"
    async with chromium(machine.namespace, BLUE, folder, origin=origin) as browser:
        yield Desk(browser, machine)


async def meet(one: Person, other: Person) -> None:
    """See and hear each other."""
    await one.sees(other)
    await other.sees(one)
    await one.hears(other)
    await other.hears(one)


def ports_seen(desk: Desk, net: Network) -> set[int]:
    """Return the ports at which several servers see one socket of the desk's machine."""
    seen = set()
    with desk.machine.namespace.socket(kind=socket.SOCK_DGRAM) as udp:
        for _ in range(3):
            with net.server.socket(kind=socket.SOCK_DGRAM) as server:
                server.bind((net.address, 0))
                server.settimeout(DEADLINE_S)
                udp.sendto(b"", server.getsockname())
                seen.add(server.recvfrom(1)[1][1])
    return seen


async def test_behind_a_symmetric_nat(stage: Stage, red: Desk, home: Desk, net: Network) -> None:
    assert len(ports_seen(home, net)) > 1
    anna, gus = await stage.member("Anna", red), await stage.member("Gus", home)
    await stage.together(await stage.meeting(), anna, gus)
    await meet(anna, gus)
    await gus.goes_by(Route("udp", net.address))


@pytest.fixture(params=["home", "fox"], ids=["chromium", "firefox"])
def walled(request: pytest.FixtureRequest, net: Network) -> Iterator[Desk]:
    """First one browser, then the other, with all UDP blocked."""
    desk: Desk = request.getfixturevalue(request.param)
    with wall(net.server, desk.machine.address, UDP):
        yield desk


async def test_where_udp_is_blocked_media_goes_over_tcp(
    stage: Stage, red: Desk, walled: Desk, net: Network
) -> None:
    anna, gus = await stage.member("Anna", red), await stage.member("Gus", walled)
    await stage.together(await stage.meeting(), anna, gus)
    await meet(anna, gus)
    await gus.goes_by(Route("tcp", net.address))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_where_the_node_cannot_be_reached_a_relay_can(
    stage: Stage, red: Desk, home: Desk, net: Network, turn: TurnServer, transport: str
) -> None:
    other_port = turn.tls_port if transport == "tcp" else turn.port
    anna, gus = await stage.member("Anna", red), await stage.member("Gus", home)
    meeting = await stage.meeting()
    with wall(net.server, home.machine.address, UDP, MEDIA_TCP, f"tcp dport {other_port}"):
        await stage.together(meeting, anna, gus)
        await meet(anna, gus)
        await gus.goes_by(Route(transport, net.address, relayed=True))
        await gus.page.reload()  # with it goes what it knew of relays
        await gus.is_connected()
        await anna.sees(gus)
        await gus.goes_by(Route(transport, net.address, relayed=True))


async def test_udp_that_is_blocked_in_the_middle_of_a_call_is_done_without(
    stage: Stage, red: Desk, home: Desk, net: Network
) -> None:
    anna, gus = await stage.member("Anna", red), await stage.member("Gus", home)
    await stage.together(await stage.meeting(), anna, gus)
    (before,) = await anna.sees(gus)
    with wall(net.server, home.machine.address, UDP):
        in_reserve = [Route(each, net.address, relayed=True) for each in ("tcp", "tls")]
        await gus.goes_by(Route("tcp", net.address), *in_reserve)
        await meet(anna, gus)
        (after,) = await anna.sees(gus)
    assert after.peer == before.peer


async def test_without_ipv4(stage: Stage, red: Desk, modern: Desk, net: Network) -> None:
    anna, gus = await stage.member("Anna", red), await stage.guest("Gus", modern)
    meeting = await stage.meeting()
    await anna.join(meeting)
    url = meeting.url.replace(net.address, f"[{net.address_v6}]")
    await gus.join(replace(meeting, url=url), guest=True)
    await meet(anna, gus)
    await gus.goes_by(Route("udp", net.address_v6))
