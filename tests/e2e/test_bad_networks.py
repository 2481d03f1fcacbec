"""Across a bad network sound goes on and pictures fit it; across a good one they are the best there are."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.bad_networks import LATE_SHARE, SCENARIOS, filming, measure
from tests.e2e.measured import table
from tests.e2e.stage import Desk, Stage
from tests.support.network import Network

pytestmark = [pytest.mark.matrix, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with filming(net, tmp_path_factory.mktemp("studio")) as desk:
        yield desk


@pytest.mark.parametrize("name", SCENARIOS)
async def test_it_is_as_good_as_the_network_allows(
    stage: Stage, studio: Desk, either: Desk, name: str
) -> None:
    figures, late = await measure(name, stage, studio, either)
    print(table(f"{name} (waits too long: {late:.1%})", figures))
    if late > LATE_SHARE:
        pytest.skip(f"this machine is too busy to judge by: {late:.1%} of short waits took too long")
    missed = [str(figure) for figure in figures if not figure.holds]
    assert not missed, "\n".join(missed)
