"""Bots in a real service: they come in like anyone, get their media, and notice when they do not."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests.load import cli, local
from tests.load.api import Api, ApiFailed
from tests.load.outcome import Visit


def request(**asked: object) -> cli.Request:
    defaults: dict[str, object] = {
        "rooms": 1,
        "bots": 3,
        "seconds": 3.0,
        "kind": "light",
        "publish": 99,
        "audio": True,
        "video": True,
        "simulcast": True,
        "decode": False,
    }
    return cli.Request(**defaults | asked)  # type: ignore[arg-type]


def assert_fine(visit: Visit, bots: int) -> None:
    assert [outcome.failure for outcome in visit.outcomes] == [""] * bots
    assert all(outcome.connected_s is not None for outcome in visit.outcomes)
    assert sum(outcome.tally.lost for outcome in visit.outcomes) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def control(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with local.service(tmp_path_factory.mktemp("service")) as url:
        yield url


@pytest.mark.asyncio(loop_scope="module")
async def test_light_bots_in_two_rooms_get_all_they_want(control: str) -> None:
    visit = await cli.visit(control, request(rooms=2, bots=4))
    assert_fine(visit, 8)
    assert all(outcome.first_media_s and outcome.tally.frames for outcome in visit.outcomes)


@pytest.mark.asyncio(loop_scope="module")
async def test_who_only_looks_on_sees_the_one_who_sends(control: str) -> None:
    visit = await cli.visit(control, request(simulcast=False, publish=1))
    assert_fine(visit, 3)
    assert [outcome.tally.frames > 0 for outcome in visit.outcomes] == [False, True, True]


@pytest.mark.asyncio(loop_scope="module")
async def test_full_bots_decode_what_they_get(control: str) -> None:
    visit = await cli.visit(control, request(kind="full", decode=True))
    assert_fine(visit, 3)
    assert all(outcome.first_picture_s for outcome in visit.outcomes)


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
