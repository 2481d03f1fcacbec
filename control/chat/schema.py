"""What chat's routes take, as JSON. What they give is a `Message` of `control.events.schema`."""

from typing import Annotated

from msgspec import Meta, Struct

from control.chat.store import ChatMessage
from control.events.schema import Author, Message
from sfu.contract.ticket import Identifier

TEXT_MAX = 4000


class Draft(Struct, frozen=True):
    """A message to post. The same `client_id` posts it once, however often it arrives."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
    client_id: Identifier


def message_of(row: ChatMessage, code: str) -> Message:
    """Return the message as JSON has it; `code` is its meeting's."""
    author = None
    if row.author_id is not None:
        author = Author(row.author_id, row.author_name or "")
    return Message(
        id=str(row.number), meeting=code, kind=row.kind, text=row.text, author=author, sent_at=row.sent_at
    )
