"""People come back: after a cut network, a reload, in a second tab; and their chat is there."""

import asyncio

import pytest

from tests.e2e.stage import Desk, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

CUT_S = 5.0
SOON_S = 10.0
"""Well under the 30 s for which the node keeps a lost peer's place: a ghost would still be there."""


async def test_a_network_cut_for_five_seconds_comes_back_by_itself(
    stage: Stage, red: Desk, either: Desk
) -> None:
    anna, cleo = await stage.member("Anna", red), await stage.member("Cleo", either)
    await stage.together(await stage.meeting(), anna, cleo)
    before = await anna.sees(cleo)

    either.machine.link.set(loss=1.0)
    await asyncio.sleep(CUT_S)  # the length of the cut is the test's input
    either.machine.link.set(loss=0.0)

    await cleo.sees(anna)
    after = await anna.sees(cleo)
    await cleo.hears(anna)
    await anna.hears(cleo)
    await cleo.is_connected()
    assert after[0].peer == before[0].peer


async def test_a_longer_cut_is_told_and_then_mended(stage: Stage, red: Desk, either: Desk) -> None:
    anna, cleo = await stage.member("Anna", red), await stage.member("Cleo", either)
    await stage.together(await stage.meeting(), anna, cleo)
    await anna.sees(cleo)

    either.machine.link.set(loss=1.0)
    await cleo.knows_of_the_loss()
    either.machine.link.set(loss=0.0)

    await cleo.is_connected()
    await anna.sees_people(cleo)
    await cleo.sees(anna)
    await anna.sees(cleo)


async def test_who_reloads_is_there_once(stage: Stage, red: Desk, either: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", either)
    await stage.together(await stage.meeting(), anna, ben)
    await anna.sees(ben)

    await ben.page.reload()
    await ben.is_connected()
    await anna.sees_people(ben, deadline_s=SOON_S)
    await anna.sees(ben)
    await anna.hears(ben)
    await ben.sees(anna)


async def test_one_user_may_be_there_in_two_tabs(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    meeting = await stage.meeting()
    tab = await stage.second_tab(ben, green)
    await stage.together(meeting, anna, ben, tab)
    await anna.sees_people(ben, tab)
    await anna.sees(ben, tabs=2)

    await tab.press("leave")
    await anna.sees_people(ben)
    await anna.sees(ben)


async def test_chat_is_read_by_all_and_still_there_after_a_reload(
    stage: Stage, red: Desk, green: Desk
) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    meeting = await stage.meeting()
    await stage.together(meeting, anna, ben)
    await anna.press("chat-toggle")
    await ben.press("chat-toggle")
    await anna.says("Is the kettle on?")
    await ben.reads("Is the kettle on?")
    await ben.says("It is <b>boiling</b>.")
    await anna.reads("Is the kettle on?", "It is <b>boiling</b>.")

    await ben.page.reload()
    await ben.is_connected()
    await ben.press("chat-toggle")
    await ben.reads("Is the kettle on?", "It is <b>boiling</b>.")
