"""A page whose node is of a later version: what it does not know it passes over, and the call goes on."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.stage import Desk, Stage
from tests.e2e.test_nodes import WATCH
from tests.support.later import LaterNode, later_node
from tests.support.network import Network
from tests.support.servers import NODE_PORT, Service, service

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER_PORT = NODE_PORT + 1000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(net: Network) -> AsyncIterator[LaterNode]:
    signal = f"ws://{net.address}:{NODE_PORT}/signal"
    async with later_node(net.server, net.address, LATER_PORT, signal) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def parley(
    net: Network, node: LaterNode, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    settings = {"PARLEY_SFU_SIGNAL_URL": f"ws://{net.address}:{LATER_PORT}/signal"}
    async with service(net, tmp_path_factory.mktemp("parley"), **settings) as running:
        yield running


async def test_a_call_over_a_node_of_a_later_version(
    stage: Stage, red: Desk, fox: Desk, node: LaterNode
) -> None:
    anna, cleo = await stage.member("Anna", red), await stage.guest("Cleo", fox)
    meeting = await stage.meeting()
    await anna.join(meeting)
    await cleo.join(meeting, guest=True)
    await anna.sees(cleo)
    await cleo.sees(anna)
    await anna.page.evaluate(WATCH)
    await anna.hears(cleo)
    await cleo.hears(anna)
    await cleo.press("toggle-mic")
    await anna.finds_muted(cleo)
    await cleo.page.reload()
    await cleo.is_connected()
    await anna.sees(cleo)
    await cleo.sees(anna)
    await cleo.press("leave")
    await anna.sees_people()
    assert node.said > 10
    assert await anna.page.evaluate("() => watched.states") == [], "nothing was taken for a fault"
