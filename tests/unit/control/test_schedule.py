from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.meetings.schedule import Schedule, WallTimes, moment, schedule, zones
from control.refusals import Refused
from control.settings import MeetingSettings

NOW = datetime(2031, 1, 1, tzinfo=UTC)
LIMITS = MeetingSettings()
BERLIN = ZoneInfo("Europe/Berlin")

ZONES = st.sampled_from(sorted(zones()))
WALLS = st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)).map(lambda wall: wall.replace(microsecond=0))


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def times(starts_at: str | None, ends_at: str | None, time_zone: str | None = "Europe/Berlin") -> WallTimes:
    return WallTimes(
        starts_at=starts_at and wall(starts_at), ends_at=ends_at and wall(ends_at), time_zone=time_zone
    )


def planned(starts_at: str, ends_at: str, time_zone: str = "Europe/Berlin") -> Schedule:
    found = schedule(times(starts_at, ends_at, time_zone), None, NOW, LIMITS)
    assert found is not None
    return found


def refused(wanted: WallTimes, before: Schedule | None = None, now: datetime = NOW) -> list[str]:
    with pytest.raises(Refused) as caught:
        schedule(wanted, before, now, LIMITS)
    return list(caught.value.fields or ())


@given(ZONES, WALLS)
def test_a_moment_is_the_first_at_which_clocks_show_the_wall_time(name: str, time: datetime) -> None:
    zone = ZoneInfo(name)
    try:
        at = moment(time, zone, "starts_at")
    except Refused:  # the clocks jump over it: an hour earlier and later they show the same distance from it
        around = [(time + timedelta(days=days)).replace(tzinfo=zone).utcoffset() for days in (-1, 1)]
        assert around[0] is not None and around[1] is not None
        assert around[0] != around[1]
        return
    assert at.astimezone(zone).replace(tzinfo=None) == time
    for minutes in (30, 60, 120):
        earlier = at - timedelta(minutes=minutes)
        assert earlier.astimezone(zone).replace(tzinfo=None) != time


def test_where_an_hour_comes_twice_the_first_is_meant() -> None:
    assert moment(wall("2031-10-26T02:30"), BERLIN, "x") == datetime(2031, 10, 26, 0, 30, tzinfo=UTC)
    again = wall("2031-10-26T02:30").replace(fold=1)
    assert moment(again, BERLIN, "x") == datetime(2031, 10, 26, 0, 30, tzinfo=UTC)


def test_an_hour_that_never_comes_is_refused() -> None:
    assert refused(times("2031-03-30T02:30", "2031-03-30T04:00")) == ["starts_at"]
    assert refused(times("2031-03-30T01:30", "2031-03-30T02:00")) == ["ends_at"]
    assert moment(wall("2031-03-30T03:00"), BERLIN, "x") == datetime(2031, 3, 30, 1, tzinfo=UTC)


def test_summer_time_makes_a_night_shorter() -> None:
    night = planned("2031-03-30T01:30", "2031-03-30T03:30")
    assert night.ends_at - night.starts_at == timedelta(hours=1)


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (times("2031-05-05T14:00", None), ["ends_at"]),
        (times(None, None), ["starts_at", "ends_at"]),
        (times("2031-05-05T14:00", "2031-05-05T15:00", None), ["time_zone"]),
        (times("2031-05-05T14:00", "2031-05-05T15:00", "Europe/Nowhere"), ["time_zone"]),
        (times("2031-05-05T14:00", "2031-05-05T15:00", "../../etc/passwd"), ["time_zone"]),
        (times("2031-05-05T14:00", "2031-05-05T15:00", "Europe"), ["time_zone"]),
        (times("2031-05-05T14:00", "2031-05-05T14:00"), ["ends_at"]),
        (times("2031-05-05T14:00", "2031-05-05T13:00"), ["ends_at"]),
        (times("2031-05-05T14:00", "2031-05-06T14:01"), ["ends_at"]),
        (times("2030-12-31T14:00", "2031-01-01T15:00"), ["starts_at"]),
        (times("2039-05-05T14:00", "2039-05-05T15:00"), ["starts_at"]),
        (times("0001-01-01T00:00", "2031-05-05T15:00", "Asia/Tokyo"), ["starts_at"]),
        (times("2031-05-05T14:00", "9999-12-31T23:59", "America/New_York"), ["ends_at"]),
    ],
)
def test_what_makes_no_sense_is_refused(wanted: WallTimes, fields: list[str]) -> None:
    assert refused(wanted) == fields


def test_a_change_of_one_thing_keeps_the_others() -> None:
    before = planned("2031-05-05T14:00", "2031-05-05T15:00")
    longer = schedule(times(None, "2031-05-05T16:00", None), before, NOW, LIMITS)
    assert longer == planned("2031-05-05T14:00", "2031-05-05T16:00")
    moved = schedule(times(None, None, "America/New_York"), before, NOW, LIMITS)
    assert moved == planned("2031-05-05T14:00", "2031-05-05T15:00", "America/New_York")
    assert schedule(WallTimes(), before, NOW, LIMITS) is before
    assert schedule(WallTimes(), None, NOW, LIMITS) is None


def test_a_meeting_that_goes_on_can_be_made_longer_and_not_be_begun_in_the_past() -> None:
    before = planned("2031-05-05T14:00", "2031-05-05T15:00")
    during = before.starts_at + timedelta(minutes=30)
    assert schedule(times(None, "2031-05-05T16:00", None), before, during, LIMITS) is not None
    assert refused(times("2031-05-05T13:00", None, None), before, during) == ["starts_at"]
    assert refused(times(None, "2031-05-05T14:15", None), before, during) == ["ends_at"]
