"""What an archive is made of, the job that makes one, and what the archives' routes give, as JSON.

An archive is JSON Lines in UTF-8: first a `Heading`, then each `Message` as the API has it, in order.
"""

from msgspec import Struct

from control.archives.store import ChatArchive
from control.clock import Timestamp
from control.jobs.schema import Job
from control.meetings.store import Meeting

FORMAT = "parley.chat.v1"
CONTENT_TYPE = "application/x-ndjson"
ENDING = ".jsonl"


class MeetingHeading(Struct, frozen=True, kw_only=True):
    """The meeting that a chat was in; `host` is a name."""

    id: str
    code: str
    title: str
    host: str
    created_at: Timestamp
    ended_at: Timestamp | None


class Heading(Struct, frozen=True, kw_only=True):
    """An archive's first line."""

    format: str
    meeting: MeetingHeading


class ArchiveChat(Job, frozen=True, kw_only=True, tag="archives.archive_chat.v1"):
    """Archive the chat of a meeting, which ended with the event `until`."""

    meeting: str
    until: int


class ArchiveView(Struct, frozen=True, kw_only=True):
    """An archive of a chat. `messages` counts what people wrote, `size` is in bytes."""

    id: str
    type: str
    size: int
    messages: int
    created_at: Timestamp


def heading_of(meeting: Meeting) -> Heading:
    """Return the first line of the archive of this meeting's chat."""
    return Heading(
        format=FORMAT,
        meeting=MeetingHeading(
            id=meeting.id,
            code=meeting.code,
            title=meeting.title,
            host=meeting.host_name,
            created_at=meeting.created_at,
            ended_at=meeting.ended_at,
        ),
    )


def view_of(archive: ChatArchive) -> ArchiveView:
    """Return the archive as JSON has it."""
    return ArchiveView(
        id=archive.id,
        type=CONTENT_TYPE,
        size=archive.size,
        messages=archive.messages,
        created_at=archive.created_at,
    )
