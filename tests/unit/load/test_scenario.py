"""Scenario files: what they may say, what they must not, and who comes when by them."""

import dataclasses
from pathlib import Path

import pytest

from tests.load import scenario
from tests.load.scenario import Cohort, Group, Scenario, ScenarioInvalid
from tests.load.seating import Habits, seats

EXAMPLES = sorted((Path(scenario.__file__).parent / "scenarios").glob("*.toml"))
FULL = """
title = "All there is"
seconds = 30
joining_at_once = 2
seed = 7

[[groups]]
name = "call"
rooms = 2

[[groups.bots]]
count = 1
kind = "full"
video = "single"
audio = "muted"
decode = true

[[groups.bots]]
count = 3
begin_s = 1.5
arrivals_per_s = 2
stay_s = 5
away_s = 0
vary = 0.5

[[groups.bots]]
ramp_s = 10
"""


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "scenario.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_can_be_played(file: Path) -> None:
    assert seats(scenario.read(file))


def test_there_are_examples() -> None:
    assert {file.stem for file in EXAMPLES} == {"small-call", "webinar", "churn", "many-rooms"}


def test_everything_has_a_default(tmp_path: Path) -> None:
    assert scenario.read(written(tmp_path, "")) == Scenario()
    assert scenario.read(written(tmp_path, "[[groups]]\n[[groups.bots]]\n")) == Scenario()


def test_a_file_says_all_there_is(tmp_path: Path) -> None:
    assert scenario.read(written(tmp_path, FULL)) == Scenario(
        title="All there is",
        seconds=30.0,
        joining_at_once=2,
        seed=7,
        groups=(
            Group(
                name="call",
                rooms=2,
                bots=(
                    Cohort(count=1, kind="full", video="single", audio="muted", decode=True),
                    Cohort(count=3, begin_s=1.5, arrivals_per_s=2.0, stay_s=5.0, away_s=0.0, vary=0.5),
                    Cohort(ramp_s=10.0),
                ),
            ),
        ),
    )


BOT = "[[groups]]\n[[groups.bots]]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = ", "not TOML"),
        (b"\xff", "not TOML"),
        ("a = " + "[" * 20_000, "not TOML"),
        ("# " + "x" * scenario.MAX_FILE_BYTES, "too large, allowed are 262144 bytes"),
        ("seconds = nan", "seconds: Expected `float` >= 1"),
        ("seconds = inf", "seconds: Expected `float` <= 86400"),
        ("seconds = '10'", "seconds: Expected `float`, got `str`"),
        ("speed = 1", "unknown field `speed` (allowed: title, seconds, joining_at_once, seed, groups)"),
        ("groups = 3", "groups: Expected `array`"),
        ("groups = []", "groups: Expected `array` of length >= 1"),
        ("[[groups]]\nrooms = 0", "groups[0].rooms: Expected `int` >= 1"),
        ("[[groups]]\nrooms = true", "groups[0].rooms: Expected `int`, got `bool`"),
        ("[[groups]]\nname = ''", "groups[0].name: Expected `str` of length >= 1"),
        ("[[groups]]\n'x` - at `$.y' = 1", "groups[0]: Object contains unknown field `x` - at `$.y`"),
        (BOT + "kidn = 'full'", "groups[0].bots[0]: Object contains unknown field `kidn` (allowed: count, k"),
        (BOT + "kind = 'fool'", "groups[0].bots[0].kind: Invalid enum value 'fool' (allowed: full, light)"),
        (
            BOT + "video = true",
            "groups[0].bots[0].video: Expected `str`, got `bool` (allowed: none, simulcast",
        ),
        (BOT + "count = 10001", "groups[0].bots[0].count: Expected `int` <= 10000"),
        (BOT + "stay_s = 0", "groups[0].bots[0].stay_s: Expected `float` >= 1"),
        (BOT + "vary = 1", "groups[0].bots[0].vary: Expected `float` <= 0.9"),
        (BOT + "ramp_s = 1\narrivals_per_s = 1", "groups[0].bots[0]: allowed is one of `arrivals_per_s` and"),
        (BOT + "away_s = 1", "groups[0].bots[0]: `away_s` is allowed with `stay_s` alone"),
        (BOT + "decode = true", 'groups[0].bots[0]: `decode` is allowed with `kind = "full"` alone'),
        (
            BOT + "begin_s = 10",
            "groups[0].bots[0]: the last of 4 bots would arrive after 10 s, allowed is less",
        ),
        ("[[groups]]\nrooms = 1000\nbots = [{ count = 100 }]", "100000 bots in all rooms, allowed are 20000"),
        ("seconds = 86400\n" + BOT + "count = 50\nstay_s = 1\naway_s = 0", "up to 4320050 stays of all bots"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ScenarioInvalid) as caught:
        scenario.read(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioInvalid, match=r"none.toml: No such file"):
        scenario.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("cohort", "arrivals"),
    [
        (Cohort(count=2), [0, 0, 0, 0]),
        (Cohort(count=2, begin_s=3), [3, 3, 3, 3]),
        (Cohort(count=2, arrivals_per_s=2), [0, 0.5, 1, 1.5]),
        (Cohort(count=2, begin_s=1, ramp_s=4), [1, 2, 3, 4]),
    ],
)
def test_arrivals_are_spread_over_the_rooms_of_a_group(cohort: Cohort, arrivals: list[float]) -> None:
    found = seats(Scenario(groups=(Group(name="call", rooms=2, bots=(cohort,)),)))
    assert [seat.arrives_at_s for seat in found] == arrivals
    assert [seat.name for seat in found] == [
        "call 1, bot 1",
        "call 2, bot 1",
        "call 1, bot 2",
        "call 2, bot 2",
    ]


def test_rooms_have_names_of_their_own_and_only_who_speaks_has_turns() -> None:
    talk = Group(bots=(Cohort(count=2, audio="none"), Cohort(count=1, audio="muted"), Cohort(count=3)))
    found = seats(Scenario(groups=(talk, talk)))
    assert {seat.room for seat in found} == {"room 1", "room 2"}
    assert len({seat.name for seat in found}) == 12
    speaking = [(seat.voice, seat.voices) for seat in found if seat.cohort.audio == "speech"]
    assert speaking == [(0, 3), (1, 3), (2, 3)] * 2


def test_stays_vary_within_bounds_and_alike_in_each_run() -> None:
    asked = Scenario(groups=(Group(bots=(Cohort(vary=0.5),)),))
    first, second, *_ = seats(asked)
    habits, again, other = Habits(asked, first), Habits(asked, first), Habits(asked, second)
    times = [habits.vary(10) for _ in range(100)]
    assert times == [again.vary(10) for _ in range(100)]
    assert times != [other.vary(10) for _ in range(100)]
    assert all(5 <= each <= 15 for each in times)
    assert max(times) - min(times) > 5
    steady = dataclasses.replace(first, cohort=Cohort())
    assert Habits(asked, steady).vary(10) == 10
