"""A whole site: three nodes and two replicas of control behind HAProxy serve browsers and bots, over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack

import aiohttp
import pytest
import pytest_asyncio

from tests.deploy import proxies
from tests.deploy import site as sites
from tests.deploy.site import Site
from tests.e2e.person import Person
from tests.e2e.stage import Desk, Stage
from tests.e2e.test_nodes import WATCH
from tests.load.api import Api
from tests.load.light.bot import LightBot, ReceptionOf, Shape
from tests.load.light.dtls import Identity
from tests.load.light.pump import Pump
from tests.load.light.sources import Layer
from tests.load.resident import Resident, dispersed, gathered
from tests.load.voices import turns
from tests.support.browsers import chromium, firefox
from tests.support.http import http
from tests.support.network import Network
from tests.support.senders import RED, YELLOW
from tests.support.servers import Meeting, Service
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTENER = Shape(camera=())
SPEAKERS = [Shape(camera=(Layer(320, 180, 1, 750),), microphone=turns(seat, 2)) for seat in range(2)]


@pytest.fixture(scope="module")
def site(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site, in the network's server namespace with all its parts."""
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        with net.server.entered():  # what is started there stays there
            made = sites.running(folder, host=net.address, address=net.address, nodes=3)
            running = stack.enter_context(made)
            stack.enter_context(proxies.haproxy(running))
            running.wait_until_ready()
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(net: Network, site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody in the server's namespace who trusts the site's certificate, and keeps no cookies."""
    trust = ssl.create_default_context(cafile=str(site.certified.certificate))
    async with http(net.server, trust=trust, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def parley(site: Site, client: aiohttp.ClientSession) -> Service:
    service = Service(site.balancer.origin, site.folder / "data", client)
    service.parts = {name: part.process for name, part in (site.controls | site.nodes).items()}
    return service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def red(net: Network, site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Chromium, which takes the site's certificate."""
    machine, folder, origin = net.client(), tmp_path_factory.mktemp("red"), site.balancer.origin
    async with chromium(
        machine.namespace, RED, folder, origin=origin, trusting=site.certified.pin
    ) as browser:
        yield Desk(browser, machine)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fox(net: Network, site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Firefox, which takes the site's certificate."""
    machine, folder, origin = net.client(), tmp_path_factory.mktemp("fox"), site.balancer.origin
    async with firefox(machine.namespace, YELLOW, folder, origin=origin, credulous=True) as browser:
        yield Desk(browser, machine)


class Crowd:
    """Bots, each of which stays in its meeting whatever becomes of the node."""

    def __init__(self, api: Api, client: aiohttp.ClientSession, pump: Pump) -> None:
        self._api = api
        self._client = client
        self._pump = pump
        self._identity = Identity()
        self.bots: list[Resident] = []

    async def enter(self, meeting: Meeting, shapes: Sequence[Shape]) -> None:
        """Have bots of these shapes come."""

        def bot(number: int, shape: Shape) -> Resident:
            def make(reception_of: ReceptionOf) -> LightBot:
                return LightBot(self._pump, self._identity, shape, reception_of)

            return Resident(self._api, self._client, meeting.code, f"Bot {number}", make)

        newcomers = [bot(number, shape) for number, shape in enumerate(shapes, 1)]
        self.bots.extend(newcomers)
        await gathered(newcomers, len(newcomers))

    async def are_content(self) -> None:
        """Wait until all bots get what they should."""

        async def missing() -> list[str]:
            return [what for bot in self.bots if (what := bot.missing())]

        await until("bots get all they should", missing, accept=lambda what: not what)


@pytest_asyncio.fixture(loop_scope="session")
async def crowd(net: Network, site: Site, client: aiohttp.ClientSession) -> AsyncIterator[Crowd]:
    async with Pump(make_socket=net.server.socket) as pump:
        made = Crowd(Api(client, site.balancer.origin), client, pump)
        yield made
        await dispersed(made.bots)


async def peers(site: Site, client: aiohttp.ClientSession) -> dict[str, int]:
    """Return how many people are on each node."""
    found = {}
    for name, node in site.nodes.items():
        async with client.get(f"http://{node.address}/readyz") as response:
            found[name] = (await response.json())["peers"]
    return found


async def say_at_each_replica(site: Site, meeting: Meeting, client: aiohttp.ClientSession) -> list[str]:
    """Have the host write by each replica, past the balancer; return what was written."""
    said = []
    for name, replica in site.controls.items():
        there = Service(f"http://{replica.address}", site.folder, client)
        body = {"text": f"Said at {name}", "client_id": name}
        await there.call("POST", f"/api/meetings/{meeting.code}/messages", body, token=meeting.host.token)
        said.append(body["text"])
    return said


async def empty(node: str, site: Site, net: Network, client: aiohttp.ClientSession) -> None:
    """Have a node drained, and wait until nobody is on it."""

    def drain() -> None:
        with net.server.entered():
            site.drain(node)

    async def people() -> int:
        return (await peers(site, client))[node]

    await asyncio.to_thread(drain)
    await until(f"{node} is empty", people, accept=lambda count: count == 0)


async def node_of(person: Person) -> str:
    """Return the node that the person's call is on."""
    node: str = await person.page.evaluate("() => parley.call.place.node")
    return node


@pytest.mark.timeout(300)  # some 40 s where the machine is not crowded
async def test_three_nodes_serve_browsers_and_bots_and_one_is_emptied_under_them(
    stage: Stage, red: Desk, fox: Desk, site: Site, crowd: Crowd, net: Network
) -> None:
    client = stage.parley.client
    meeting, *others = [await stage.meeting() for _ in range(3)]
    anna, cleo = await stage.member("Anna", red), await stage.guest("Cleo", fox)
    await asyncio.gather(anna.join(meeting), cleo.join(meeting, guest=True))
    await crowd.enter(meeting, [LISTENER] * 2)
    for other in others:
        await crowd.enter(other, SPEAKERS)
    (before,) = await anna.sees(cleo)
    await cleo.sees(anna)
    await anna.hears(cleo)
    await cleo.hears(anna)
    await crowd.are_content()
    assert all((await peers(site, client)).values()), "each node has a room"

    for person in (anna, cleo):
        await person.press("chat-toggle")
        await person.page.evaluate(WATCH)
    said = await say_at_each_replica(site, meeting, client)
    await cleo.says("And through the balancer")
    for person in (anna, cleo):
        await person.reads(*said, "And through the balancer")

    emptied = await node_of(anna)
    await empty(emptied, site, net, client)
    (after,) = await anna.sees(cleo)
    assert after.peer == before.peer
    await cleo.sees(anna)
    await cleo.hears(anna)
    await crowd.are_content()
    assert {await node_of(anna), await node_of(cleo)}.isdisjoint({emptied})
    for person in (anna, cleo):
        assert await person.page.evaluate("() => watched.states") == [], "nobody was cut off"
    assert sum(bot.moves for bot in crowd.bots) == 2
    assert [bot.losses for bot in crowd.bots] == [0] * len(crowd.bots)
