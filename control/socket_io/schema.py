"""What clients send over Socket.IO, and what joining is answered with, as JSON."""

from typing import Annotated

from msgspec import Meta, Struct

from control.chat.schema import Draft
from control.events.schema import Person

Code = Annotated[str, Meta(max_length=64)]


class Exchange(Struct, frozen=True):
    """What Engine.IO has after the path's `?`, as far as it is ours: which connection goes on."""

    sid: str = ""


class Handshake(Struct, frozen=True):
    """The `auth` of a connection: an access token or an API key.

    Other fields are left alone: client libraries add some of their own.
    """

    token: Annotated[str, Meta(max_length=4096, pattern=r"^[A-Za-z0-9._-]+$")]


class Join(Struct, frozen=True):
    """The meeting to hear of, from the event after the one numbered `after` on, else from now on."""

    meeting: Code
    after: Annotated[int, Meta(ge=0, lt=10**15)] | None = None


class Leave(Struct, frozen=True):
    """The meeting to hear no more of."""

    meeting: Code


class NewMessage(Draft, frozen=True, kw_only=True):
    """A message to post to a meeting, as over HTTP."""

    meeting: Code


class Joined(Struct, frozen=True, kw_only=True):
    """The answer to `join`: the number of the latest event, and who is in the call.

    `more` tells that only the latest of those present are listed.
    """

    meeting: str
    id: int
    present: list[Person]
    more: bool
