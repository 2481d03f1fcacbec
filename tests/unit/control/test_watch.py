"""Who was away itself gives the nodes a lease to report before it gives any up."""

from datetime import UTC, datetime, timedelta

import pytest

from control.nodes.watch import Watch

EVERY_S = 0.5


class Nodes:
    """Notes when silent nodes were looked for; `away` is a database that does not answer."""

    lease = timedelta(seconds=2)

    def __init__(self) -> None:
        self.now = datetime(2031, 5, 4, tzinfo=UTC)
        self.away = False
        self.swept: list[bool] = []

    def clock(self) -> datetime:
        return self.now

    async def sweep(self) -> None:
        if self.away:
            raise OSError
        self.swept[-1] = True


async def looks(watch: Watch, nodes: Nodes, *gaps_s: float) -> list[bool]:
    """Return at which looks silent nodes were looked for, each so long after the one before."""
    nodes.swept = []
    for gap_s in gaps_s:
        nodes.now += timedelta(seconds=gap_s)
        nodes.swept.append(False)
        try:
            await watch.look()
        except OSError:
            assert nodes.away
    return nodes.swept


@pytest.fixture
async def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
async def watch(nodes: Nodes) -> Watch:
    return Watch(nodes, nodes.clock)  # type: ignore[arg-type]


async def test_a_lease_goes_by_after_the_start(watch: Watch, nodes: Nodes) -> None:
    assert watch.every_s == EVERY_S
    assert await looks(watch, nodes, *[EVERY_S] * 6) == [False] * 4 + [True] * 2


@pytest.mark.parametrize("gap_s", [1.1, 3600])
async def test_a_lease_goes_by_after_an_absence(watch: Watch, nodes: Nodes, gap_s: float) -> None:
    await looks(watch, nodes, *[EVERY_S] * 5)
    assert await looks(watch, nodes, EVERY_S, 0.9, gap_s, *[EVERY_S] * 4) == [True, True, *[False] * 4, True]


async def test_a_lease_goes_by_after_the_database_was_away(watch: Watch, nodes: Nodes) -> None:
    await looks(watch, nodes, *[EVERY_S] * 5)
    nodes.away = True
    assert await looks(watch, nodes, EVERY_S, EVERY_S) == [False, False]
    nodes.away = False
    assert await looks(watch, nodes, *[EVERY_S] * 4) == [False] * 3 + [True]
