"""The options of `parley bots` make a scenario, or name the file of one."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.load import cli
from tests.load.outcome import Visit
from tests.load.scenario import Cohort, Group, Scenario, ScenarioInvalid, made

ASKED = {
    "rooms": 1,
    "bots": 4,
    "seconds": 10.0,
    "kind": "light",
    "publish": 99,
    "audio": True,
    "video": True,
    "simulcast": True,
    "decode": False,
}
WATCHING = {"video": "none", "audio": "none"}


@pytest.mark.parametrize(
    ("asked", "cohorts"),
    [
        ({}, [Cohort(count=4)]),
        ({"publish": 4}, [Cohort(count=4)]),
        ({"publish": 1}, [Cohort(count=1), Cohort(count=3, video="none", audio="none")]),
        ({"publish": 0}, [Cohort(count=4, video="none", audio="none")]),
        ({"simulcast": False, "audio": False}, [Cohort(count=4, video="single", audio="none")]),
        ({"video": False}, [Cohort(count=4, video="none")]),
        ({"kind": "full", "decode": True}, [Cohort(count=4, kind="full", decode=True)]),
    ],
)
def test_options_are_a_scenario(asked: dict[str, object], cohorts: list[Cohort]) -> None:
    content = cli.content_of(ASKED | asked)
    assert made(content) == Scenario(seconds=10.0, groups=(Group(bots=tuple(cohorts)),))


def test_options_have_the_limits_of_a_file() -> None:
    with pytest.raises(ScenarioInvalid, match="rooms: Expected `int` <= 1000"):
        made(cli.content_of(ASKED | {"rooms": 1001}))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rooms", "2"], "--rooms goes without --scenario"),
        (["--no-audio", "--seconds", "3"], "--audio goes without --scenario"),
        ([], "scenario.toml: Object contains unknown field `speed`"),
    ],
)
def test_what_contradicts_itself_or_is_invalid_is_refused(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text("speed = 1")
    refused = CliRunner().invoke(cli.command, ["--scenario", str(file), *arguments])
    assert refused.exit_code == 2
    assert told in refused.output


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        (["node-1"], "'node-1' is no URL such as"),
        (["http://a.example/1/metrics", "http://a.example/2/metrics"], "two servers have the same name"),
    ],
)
def test_pages_of_metrics_are_urls_with_names_of_their_own(metrics: list[str], told: str) -> None:
    refused = CliRunner().invoke(cli.command, [part for each in metrics for part in ("--metrics", each)])
    assert refused.exit_code == 2
    assert told in refused.output


async def test_an_interrupt_ends_a_run_in_good_order() -> None:
    async def run(over: asyncio.Event) -> Visit:
        os.kill(os.getpid(), signal.SIGINT)
        await over.wait()
        return Visit((), 0.25)

    before = signal.getsignal(signal.SIGINT)
    try:
        assert await cli.until_interrupted(run) == Visit((), 0.25)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
