"""What the scenarios share: one network and the browsers for the whole run, the services for a module.

A browser starts when a test first asks for it. When a test fails, its pages' screenshots and consoles
and the services' logs are kept in `build/e2e/<test>`.
"""

import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.stage import Desk, Stage
from tests.support.browsers import Browser, chromium, firefox
from tests.support.network import Network, network
from tests.support.senders import BLUE, GREEN, RED, YELLOW, Sender
from tests.support.servers import CONTROL_PORT, Service, service

EVIDENCE = Path("build/e2e")
FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def net() -> Iterator[Network]:
    with network() as made:
        yield made


def _desk(launch: Callable[..., AbstractAsyncContextManager[Browser]], sender: Sender) -> Any:
    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def desk(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
        machine = net.client()
        folder = tmp_path_factory.mktemp(sender.colour)
        origin = f"http://{net.address}:{CONTROL_PORT}"
        async with launch(machine.namespace, sender, folder, origin=origin) as browser:
            yield Desk(browser, machine)

    return desk


red = _desk(chromium, RED)
green = _desk(chromium, GREEN)
blue = _desk(chromium, BLUE)
fox = _desk(firefox, YELLOW)


@pytest.fixture(params=["blue", "fox"], ids=["chromium", "firefox"])
def either(request: pytest.FixtureRequest) -> Desk:
    """First one browser, then the other."""
    desk: Desk = request.getfixturevalue(request.param)
    return desk


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def parley(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service(net, tmp_path_factory.mktemp("parley")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(request: pytest.FixtureRequest, parley: Service) -> AsyncIterator[Stage]:
    made = Stage(parley)
    yield made
    if request.node.stash.get(FAILED, False):
        folder = EVIDENCE / re.sub(r"[^\w.-]+", "-", request.node.name)
        folder.mkdir(parents=True, exist_ok=True)
        await made.keep_evidence(folder)
        print(f"Screenshots, consoles and logs: {folder}")
    await made.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report
