import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.people.attendance import Attendee, Stay, attendance, attendees, table

START = datetime(2031, 5, 5, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def stay(name: str, joined: float, left: float | None, user: str | None = None) -> Stay:
    return Stay(user, name, at(joined), None if left is None else at(left))


def test_stays_are_summed_and_a_reconnect_is_none() -> None:
    (bo,) = attendees([stay("Bo", 0, 100), stay("Bo", 160, 200), stay("Bo", 261, 300)], at(999))
    assert bo == Attendee(
        name="Bo", user=None, first_joined_at=at(0), last_left_at=at(300), seconds=239, stays=2
    )


def test_two_devices_at_a_time_count_once() -> None:
    (bo,) = attendees([stay("Bo", 0, 100, "u"), stay("Bobby", 50, 80, "u")], at(999))
    assert (bo.name, bo.seconds, bo.stays) == ("Bobby", 100, 1)


def test_accounts_are_told_apart_by_id_and_guests_by_name() -> None:
    found = attendees(
        [stay("Bo", 3, 4, "u"), stay("Bo", 2, 4, "v"), stay("Bo", 1, 4), stay("Cy", 0, 4)], at(9)
    )
    assert [(each.name, each.user) for each in found] == [
        ("Cy", None),
        ("Bo", None),
        ("Bo", "v"),
        ("Bo", "u"),
    ]


def test_who_is_there_still_counts_until_now() -> None:
    (bo,) = attendees([stay("Bo", 0, 10), stay("Bo", 20, None)], at(50))
    assert (bo.seconds, bo.last_left_at) == (50, None)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=1, max_size=20))
def test_time_in_the_call_is_within_the_whole(spans: list[tuple[int, int]]) -> None:
    (bo,) = attendees([stay("Bo", begin, begin + length) for begin, length in spans], at(99999))
    first, last = min(begin for begin, _ in spans), max(begin + length for begin, length in spans)
    assert (bo.first_joined_at, bo.last_left_at) == (at(first), at(last))
    assert max(length for _, length in spans) <= bo.seconds <= last - first
    assert 1 <= bo.stays <= len(spans)


def test_too_many_stays_are_told() -> None:
    stays = [stay(f"P{number}", number, number + 1) for number in range(3)]
    assert attendance(stays, 3, at(9)).complete
    cut = attendance(stays, 2, at(9))
    assert ([each.name for each in cut.items], cut.complete) == (["P0", "P1"], False)


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_name_is_a_formula(name: str) -> None:
    rows = list(csv.reader(io.StringIO(table(attendees([stay(name, 0, 60)], at(99))), newline="")))
    assert rows[1][0] == f"'{name}"


@given(st.text())
def test_names_come_back_from_the_table(name: str) -> None:
    rows = list(csv.reader(io.StringIO(table(attendees([stay(name, 0, 60)], at(99))), newline="")))
    assert rows[0] == ["name", "user", "first_joined_at", "last_left_at", "seconds", "stays"]
    assert rows[1][0].removeprefix("'") == name.removeprefix("'")
    assert rows[1][2:] == ["2031-05-05T12:00:00+00:00", "2031-05-05T12:01:00+00:00", "60", "1"]
