"""What the recordings' routes take and give, as JSON. What they list is a `Recording` of `events.schema`."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from control.clock import Timestamp
from control.events.schema import Recording
from control.meetings.schema import Title
from control.objects.port import Form
from control.recordings.store import Recording as Row

DURATION_MAX_S = 7 * 24 * 3600
ContentType = Annotated[str, Meta(max_length=127, pattern=r"^(?:audio|video)/[a-z0-9][a-z0-9!#$&^_.+-]*$")]
"""A media type (RFC 6838) of sound or pictures that move, in lower case, without parameters."""


class NewRecording(Struct, frozen=True, kw_only=True):
    """A recording to hand in; `size` is in bytes, `duration` in seconds."""

    title: Title
    type: ContentType
    size: Annotated[int, Meta(ge=1)]
    started_at: Timestamp
    duration: Annotated[int, Meta(ge=1, le=DURATION_MAX_S)]


class AnnouncedRecording(Struct, frozen=True, kw_only=True):
    """Where the recording goes: POST it with `fields` as multipart/form-data to `url`, before `expires_at`.

    The fields come in their order, the file last as `file`. Then say that `id` is complete.
    """

    id: str
    url: str
    fields: dict[str, str]
    expires_at: Timestamp


def announced(row: Row, form: Form, expires_at: datetime) -> AnnouncedRecording:
    """Return the recording to be uploaded as JSON has it."""
    return AnnouncedRecording(id=row.id, url=form.url, fields=form.fields, expires_at=expires_at)


def recording_of(row: Row) -> Recording:
    """Return the recording as JSON has it."""
    return Recording(
        id=row.id,
        title=row.title,
        type=row.content_type,
        size=row.size,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
