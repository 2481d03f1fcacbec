"""Several nodes: what becomes of a call in real browsers when its node dies."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.stage import Desk, Stage
from tests.support.network import Network
from tests.support.servers import Service, service

pytestmark = pytest.mark.asyncio(loop_scope="session")

SILENCE_MS = 1000
"""Some 50 to 120 ms pass where the machine is not crowded."""
WATCH = """() => {
  window.watched = { states: [], silences: [] };
  const state = () => watched.states.push(document.body.dataset.state);
  new MutationObserver(state).observe(document.body, { attributeFilter: ["data-state"] });
  const player = (added) => {
    const since = performance.now();
    added.addEventListener("playing", () => watched.silences.push(performance.now() - since));
  };
  const nodes = (records) => records.flatMap(({ addedNodes }) => [...addedNodes]);
  const players = (records) => nodes(records).filter(({ tagName }) => tagName === "AUDIO");
  new MutationObserver((records) => players(records).forEach(player))
    .observe(document.body, { childList: true, subtree: true });
}"""
"""Notes each change of the call's state, and how long each new player of sound takes to play."""


@pytest_asyncio.fixture(loop_scope="session")
async def parley(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with service(net, tmp_path_factory.mktemp("parley"), nodes=2) as running:
        yield running


async def test_a_call_goes_on_at_another_node_when_its_own_is_killed(
    stage: Stage, red: Desk, either: Desk
) -> None:
    anna, cleo = await stage.member("Anna", red), await stage.guest("Cleo", either)
    await anna.join(meeting := await stage.meeting())
    await cleo.join(meeting, guest=True)
    before = await anna.sees(cleo)
    await cleo.sees(anna)
    await cleo.press("toggle-mic")
    await anna.finds_muted(cleo)

    (node,) = await stage.parley.busy_nodes()
    stage.parley.parts[node].kill()

    await anna.sees_people(cleo)
    after = await anna.sees(cleo)
    assert after[0].peer == before[0].peer
    await cleo.sees(anna)
    await cleo.hears(anna)
    await anna.finds_muted(cleo)
    await cleo.press("chat-toggle")
    await cleo.says("Are you all still there?")
    await anna.press("chat-toggle")
    await anna.reads("Are you all still there?")


async def test_a_call_moves_when_its_node_is_told_to_stop(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await stage.together(await stage.meeting(), anna, ben)
    before = await anna.sees(ben)
    (node,) = await stage.parley.busy_nodes()
    for person in (anna, ben):
        await person.page.evaluate(WATCH)

    await asyncio.to_thread(stage.parley.parts[node].stop)

    await anna.sees_people(ben)
    after = await anna.sees(ben)
    assert after[0].peer == before[0].peer
    await ben.sees(anna)
    await ben.hears(anna)
    for person in (anna, ben):
        seen = await person.page.evaluate("() => watched")
        assert seen["states"] == [], "nobody was cut off"
        assert seen["silences"], "the sound is that of another player"
        assert max(seen["silences"]) < SILENCE_MS
