"""What the meetings' routes take and give, as JSON."""

from typing import Annotated

from msgspec import Meta, Struct
from yarl import URL

from control.clock import Timestamp
from control.meetings.store import Meeting


class NewMeeting(Struct, frozen=True):
    """A meeting to make."""

    title: Annotated[str, Meta(min_length=1, max_length=120)]
    guests_allowed: bool = True


class Host(Struct, frozen=True):
    """A meeting's host, to those who belong to it."""

    id: str
    name: str


class HostName(Struct, frozen=True):
    """A meeting's host, to anyone with the code."""

    name: str


class MeetingView(Struct, frozen=True, kw_only=True):
    """A meeting, to those who belong to it. `url` is the page to open."""

    id: str
    code: str
    title: str
    host: Host
    guests_allowed: bool
    created_at: Timestamp
    ended_at: Timestamp | None
    url: str


class PublicView(Struct, frozen=True, kw_only=True):
    """A meeting, to anyone with the code. `is_host` tells whether the caller is its host."""

    code: str
    title: str
    host: HostName
    guests_allowed: bool
    ended_at: Timestamp | None
    is_host: bool


def view_of(meeting: Meeting, base: URL) -> MeetingView:
    """Return the meeting to those who belong to it; `base` is where they reach this server."""
    return MeetingView(
        id=meeting.id,
        code=meeting.code,
        title=meeting.title,
        host=Host(meeting.host_id, meeting.host_name),
        guests_allowed=meeting.guests_allowed,
        created_at=meeting.created_at,
        ended_at=meeting.ended_at,
        url=str(base / "m" / meeting.code),
    )


def public_view_of(meeting: Meeting, account_id: str | None) -> PublicView:
    """Return the meeting to anyone with the code, who may be signed in to `account_id`."""
    return PublicView(
        code=meeting.code,
        title=meeting.title,
        host=HostName(meeting.host_name),
        guests_allowed=meeting.guests_allowed,
        ended_at=meeting.ended_at,
        is_host=meeting.host_id == account_id,
    )
