"""What chat's routes take, as JSON. What they give is a `Message` of `control.events.schema`."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from control.attachments.schema import attachment_of
from control.attachments.store import Attachment
from control.chat.store import ChatMessage
from control.events.schema import Author, Message
from control.paging import Id
from sfu.contract.ticket import Identifier

TEXT_MAX = 4000
ATTACHMENTS_MAX = 100
"""More are not even read; how many a message may have is a setting."""


class Draft(Struct, frozen=True):
    """A message to post: text, attachments by their ids, or both.

    The same `client_id` posts it once, however often it arrives.
    """

    client_id: Identifier
    text: Annotated[str, Meta(max_length=TEXT_MAX)] = ""
    attachments: Annotated[tuple[Id, ...], Meta(max_length=ATTACHMENTS_MAX)] = ()


def message_of(row: ChatMessage, code: str, attachments: Sequence[Attachment] = ()) -> Message:
    """Return the message as JSON has it; `code` is its meeting's."""
    author = None
    if row.author_id is not None:
        author = Author(row.author_id, row.author_name or "")
    return Message(
        id=str(row.number),
        meeting=code,
        kind=row.kind,
        text=row.text,
        author=author,
        sent_at=row.sent_at,
        attachments=[attachment_of(attachment) for attachment in attachments],
    )
