"""Across a bad network sound goes on and pictures fit it; across a good one they are the best there are."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.bad_networks import LATE_SHARE, filming, measure
from tests.e2e.measured import table
from tests.e2e.stage import Desk, Stage
from tests.support.network import Network

pytestmark = [pytest.mark.matrix, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with filming(net, tmp_path_factory.mktemp("studio")) as desk:
        yield desk


async def judge(name: str, stage: Stage, studio: Desk, desk: Desk) -> None:
    figures, late = await measure(name, stage, studio, desk)
    print(table(f"{name} (waits too long: {late:.1%})", figures))
    if late > LATE_SHARE:
        pytest.skip(f"this machine is too busy to judge by: {late:.1%} of short waits took too long")
    missed = [str(figure) for figure in figures if not figure.holds]
    assert not missed, "\n".join(missed)


async def test_the_layer_follows_a_rate_that_falls_and_rises(
    stage: Stage, studio: Desk, either: Desk
) -> None:
    await judge("fall", stage, studio, either)


async def test_sound_and_picture_go_on_where_packets_are_lost(
    stage: Stage, studio: Desk, either: Desk
) -> None:
    await judge("loss", stage, studio, either)


async def test_all_of_four_are_seen_and_heard_on_a_poor_network(
    stage: Stage, studio: Desk, blue: Desk
) -> None:
    await judge("four", stage, studio, blue)


async def test_a_slow_receiver_does_not_lower_what_a_fast_one_gets(
    stage: Stage, studio: Desk, blue: Desk
) -> None:
    await judge("beside", stage, studio, blue)
