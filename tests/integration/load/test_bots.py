"""Bots in a real service: they come in like anyone, get their media, and notice when they do not."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests.load import cli
from tests.load.api import Api, ApiFailed
from tests.load.cluster import cluster
from tests.load.outcome import Sample, Visit
from tests.load.scenario import Cohort, Group, Scenario


def scenario(*cohorts: Cohort, rooms: int = 1, seconds: float = 3.0) -> Scenario:
    return Scenario(seconds=seconds, groups=(Group(rooms=rooms, bots=cohorts),))


def assert_fine(visit: Visit, bots: int) -> None:
    assert [outcome.failure for outcome in visit.outcomes] == [""] * bots
    assert all(outcome.connected_s is not None for outcome in visit.outcomes)
    assert sum(outcome.tally.lost for outcome in visit.outcomes) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def control(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with cluster(tmp_path_factory.mktemp("service")) as running:
        yield running.url


@pytest.mark.asyncio(loop_scope="module")
async def test_light_bots_in_two_rooms_get_all_they_want(control: str) -> None:
    visit = await cli.visit(control, scenario(Cohort(count=4), rooms=2))
    assert_fine(visit, 8)
    assert all(outcome.first_media_s and outcome.tally.frames for outcome in visit.outcomes)


@pytest.mark.asyncio(loop_scope="module")
async def test_who_only_looks_on_sees_the_one_who_sends(control: str) -> None:
    speaker, viewers = Cohort(count=1, video="single"), Cohort(count=2, video="none", audio="none")
    visit = await cli.visit(control, scenario(speaker, viewers))
    assert_fine(visit, 3)
    assert [outcome.tally.frames > 0 for outcome in visit.outcomes] == [False, True, True]


@pytest.mark.asyncio(loop_scope="module")
async def test_full_bots_decode_what_they_get(control: str) -> None:
    visit = await cli.visit(control, scenario(Cohort(count=3, kind="full", decode=True)))
    assert_fine(visit, 3)
    assert all(outcome.first_picture_s for outcome in visit.outcomes)


@pytest.mark.asyncio(loop_scope="module")
async def test_who_is_muted_is_not_waited_for(control: str) -> None:
    mute = Cohort(count=1, video="none", audio="muted")
    visit = await cli.visit(control, scenario(mute, Cohort(count=1, video="none"), seconds=2))
    assert_fine(visit, 2)
    assert [outcome.tally.packets_in > 0 for outcome in visit.outcomes] == [True, False]
    assert all(outcome.out_bps > 0 for outcome in visit.outcomes)


@pytest.mark.asyncio(loop_scope="module")
async def test_who_comes_and_goes_gets_all_each_time_until_it_is_ended(control: str) -> None:
    over = asyncio.Event()

    def note(sample: Sample) -> None:
        if sample.left >= 2 and sample.bots == 3:
            over.set()

    guest = Cohort(count=1, video="none", audio="none", arrivals_per_s=2, stay_s=1, away_s=0)
    asked = scenario(Cohort(count=2), guest, Cohort(count=2, begin_s=3000), seconds=3600)
    visit = await cli.visit(control, asked, note=note, over=over)
    stays = Counter(outcome.name for outcome in visit.outcomes)
    assert {*stays} == {"room 1, bot 1", "room 1, bot 2", "room 1, bot 3"}
    assert stays["room 1, bot 3"] >= 3
    assert_fine(visit, stays.total())
    assert all(outcome.tally.frames for outcome in visit.outcomes)
    assert visit.samples[-1].at_s < 3000


@pytest.mark.asyncio(loop_scope="module")
async def test_a_meeting_that_is_not_there_is_told(control: str) -> None:
    async with ClientSession() as http:
        with pytest.raises(ApiFailed, match="404 meeting_unknown"):
            await Api(http, control).join("abcd-efgh-jkmn", "Bot")


def test_a_service_that_is_not_there_fails_the_command() -> None:
    from click.testing import CliRunner

    result = CliRunner().invoke(cli.command, ["--control", "http://127.0.0.1:1", "--seconds", "1"])
    assert result.exit_code == 1
    assert "POST /api/accounts" in result.output
