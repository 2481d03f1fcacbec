"""What the meetings' routes take and give, as JSON."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from yarl import URL

from control.clock import Timestamp
from control.meetings.schedule import WallTimes
from control.meetings.store import Meeting, When
from control.paging import PageQuery
from control.people.attendance import Attendance

Title = Annotated[str, Meta(min_length=1, max_length=120)]


class NewMeeting(WallTimes, frozen=True, kw_only=True):
    """A meeting to make. Without times it is open from now on; else all three of them are needed."""

    title: Title
    guests_allowed: bool = True


class MeetingChange(WallTimes, frozen=True, kw_only=True):
    """What to change of a meeting; what is null or absent stays."""

    title: Title | None = None
    guests_allowed: bool | None = None


class MeetingQuery(PageQuery, frozen=True):
    """Which meetings are wanted."""

    when: (
        Annotated[
            When,
            Meta(
                description="`coming`: those that have not ended, by their start; `past`: the others, the "
                "last ended first. Without it all, the last made first."
            ),
        ]
        | UnsetType
    ) = UNSET


class Host(Struct, frozen=True):
    """A meeting's host, to those who belong to it."""

    id: str
    name: str


class HostName(Struct, frozen=True):
    """A meeting's host, to anyone with the code."""

    name: str


class MeetingView(Struct, frozen=True, kw_only=True):
    """A meeting, to those who belong to it. `url` is the page to open.

    `attendance` is in the list of past meetings alone, for the host and for those who were there.
    """

    id: str
    code: str
    title: str
    host: Host
    guests_allowed: bool
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    time_zone: str | None
    cancelled: bool
    created_at: Timestamp
    ended_at: Timestamp | None
    url: str
    attendance: Attendance | UnsetType = UNSET


class PublicView(Struct, frozen=True, kw_only=True):
    """A meeting, to anyone with the code. `is_host` tells whether the caller is its host."""

    code: str
    title: str
    host: HostName
    guests_allowed: bool
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    time_zone: str | None
    cancelled: bool
    ended_at: Timestamp | None
    is_host: bool


def view_of(meeting: Meeting, base: URL, attendance: Attendance | UnsetType = UNSET) -> MeetingView:
    """Return the meeting to those who belong to it; `base` is where they reach this server."""
    return MeetingView(
        id=meeting.id,
        code=meeting.code,
        title=meeting.title,
        host=Host(meeting.host_id, meeting.host_name),
        guests_allowed=meeting.guests_allowed,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        time_zone=meeting.time_zone,
        cancelled=meeting.cancelled,
        created_at=meeting.created_at,
        ended_at=meeting.ended_at,
        url=str(base / "m" / meeting.code),
        attendance=attendance,
    )


def public_view_of(meeting: Meeting, account_id: str | None) -> PublicView:
    """Return the meeting to anyone with the code, who may be signed in to `account_id`."""
    return PublicView(
        code=meeting.code,
        title=meeting.title,
        host=HostName(meeting.host_name),
        guests_allowed=meeting.guests_allowed,
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        time_zone=meeting.time_zone,
        cancelled=meeting.cancelled,
        ended_at=meeting.ended_at,
        is_host=meeting.host_id == account_id,
    )
