"""What the attachments' routes take and give, as JSON."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from control.attachments.store import Attachment as Row
from control.clock import Timestamp
from control.events.schema import Attachment
from control.objects.port import Form

NAME_MAX = 255
ContentType = Annotated[
    str,
    Meta(max_length=127, pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$"),
]
"""A media type (RFC 6838) in lower case, without parameters."""


class NewAttachment(Struct, frozen=True):
    """A file to upload; `size` is in bytes."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
    type: ContentType
    size: Annotated[int, Meta(ge=1)]


class Announced(Struct, frozen=True, kw_only=True):
    """Where the file goes: POST it with `fields` as multipart/form-data to `url`, before `expires_at`.

    The fields come in their order, the file last as `file`. Then a message may name `id`.
    """

    id: str
    url: str
    fields: dict[str, str]
    expires_at: Timestamp


def announced(row: Row, form: Form, expires_at: datetime) -> Announced:
    """Return the announced upload as JSON has it."""
    return Announced(id=row.id, url=form.url, fields=form.fields, expires_at=expires_at)


def attachment_of(row: Row) -> Attachment:
    """Return the attachment as JSON has it."""
    return Attachment(row.id, row.name, row.content_type, row.size)
