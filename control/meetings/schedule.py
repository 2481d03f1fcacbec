"""When a meeting is to be: wall time in a zone, and the moments that follow from it.

People agree on what their clocks will show, so times come as wall time with an IANA zone, and the zone is
kept beside the moments. Where clocks are put back an hour comes twice, and the first time is meant; where
they are put forward an hour never comes, and is refused.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from control.refusals import invalid
from control.settings import MeetingSettings

WallTime = Annotated[datetime, Meta(tz=False, description="What the clocks show, without an offset.")]
TimeZone = Annotated[str, Meta(max_length=64, description="A zone of the IANA database: `Europe/Berlin`.")]

LATE = timedelta(minutes=1)
"""How long ago a new meeting may have begun: forms know no seconds."""


class WallTimes(Struct, frozen=True, kw_only=True):
    """Times as people give them; what is null or absent stays as it is."""

    starts_at: WallTime | None = None
    ends_at: WallTime | None = None
    time_zone: TimeZone | None = None


FIELDS = WallTimes.__struct_fields__


@dataclass(frozen=True)
class Schedule:
    """Moments, and the zone in which they were agreed on."""

    starts_at: datetime
    ends_at: datetime
    time_zone: str

    @property
    def local_start(self) -> datetime:
        """The start in the zone."""
        return self.starts_at.astimezone(ZoneInfo(self.time_zone))

    @property
    def local_end(self) -> datetime:
        """The end in the zone."""
        return self.ends_at.astimezone(ZoneInfo(self.time_zone))


@cache
def zones() -> frozenset[str]:
    """Return the names of all zones."""
    return frozenset((files("tzdata") / "zones").read_text().split())


def schedule(
    times: WallTimes, before: Schedule | None, now: datetime, limits: MeetingSettings
) -> Schedule | None:
    """Return what `before` becomes by these times. Raises `Refused` with what is wrong with each field."""
    given = {name: value for name in FIELDS if (value := getattr(times, name)) is not None}
    if not given:
        return before
    whole = _wall(before) | given
    if missing := [name for name in FIELDS if name not in whole]:
        raise invalid(**dict.fromkeys(missing, "Is required: start, end and time zone belong together."))
    if whole["time_zone"] not in zones():
        raise invalid(time_zone="Is not a time zone of the IANA database.")
    zone = ZoneInfo(whole["time_zone"])
    after = Schedule(
        moment(whole["starts_at"], zone, "starts_at"), moment(whole["ends_at"], zone, "ends_at"), zone.key
    )
    if after != before:
        _check(after, before, now, limits)
    return after


def moment(wall: datetime, zone: ZoneInfo, field: str) -> datetime:
    """Return the first moment at which clocks in `zone` show this. Raises `Refused` when they never do."""
    wall = wall.replace(microsecond=0, fold=0)
    try:
        at = wall.replace(tzinfo=zone).astimezone(UTC)
        if at.astimezone(zone).replace(tzinfo=None) != wall:
            raise invalid(**{field: "There is no such time: the clocks are put forward then."})
    except OverflowError as error:
        raise invalid(**{field: "Is out of range."}) from error
    return at


def _check(wanted: Schedule, before: Schedule | None, now: datetime, limits: MeetingSettings) -> None:
    """Raise `Refused` unless a meeting that was planned for `before` may be planned so."""
    is_moved = before is None or wanted.starts_at != before.starts_at
    if is_moved and wanted.starts_at < now - LATE:
        raise invalid(starts_at="Is in the past.")
    if wanted.starts_at > now + timedelta(seconds=limits.meeting_ahead_max_s):
        raise invalid(starts_at=f"Is more than {limits.meeting_ahead_max_s // 86400} days ahead.")
    if wanted.ends_at <= wanted.starts_at:
        raise invalid(ends_at="Must be after the start.")
    if wanted.ends_at <= now:
        raise invalid(ends_at="Is in the past.")
    if wanted.ends_at - wanted.starts_at > timedelta(seconds=limits.meeting_length_max_s):
        raise invalid(ends_at=f"Must be within {limits.meeting_length_max_s / 3600:g} hours of the start.")


def _wall(planned: Schedule | None) -> dict[str, Any]:
    if planned is None:
        return {}
    return {
        "starts_at": planned.local_start.replace(tzinfo=None),
        "ends_at": planned.local_end.replace(tzinfo=None),
        "time_zone": planned.time_zone,
    }
