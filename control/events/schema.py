"""What listeners of a meeting get, as JSON. Every frame carries the event's number as `id`."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from control.clock import Timestamp


class ListenQuery(Struct, frozen=True):
    """Where to go on."""

    after: (
        Annotated[int, Meta(ge=0, lt=10**15, description="The id of the last event that was seen.")]
        | UnsetType
    ) = UNSET


class Frame(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what is sent."""

    id: int


class Ready(Frame, frozen=True, kw_only=True, tag="ready"):
    """The first frame of a connection; `id` is the latest event's."""


class Reset(Frame, frozen=True, kw_only=True, tag="reset"):
    """What happened since is no longer kept: fetch chat and people again; events go on after `id`."""


class Author(Struct, frozen=True):
    """Who wrote: an account's id, or a guest's peer id."""

    id: str
    name: str


class Attachment(Struct, frozen=True):
    """A file that goes with a message; `size` is in bytes."""

    id: str
    name: str
    type: str
    size: int


class Message(Struct, frozen=True, kw_only=True):
    """One line of a meeting's chat. `id` is unique within the meeting and rises with time."""

    id: str
    meeting: str
    kind: str
    text: str
    author: Author | None
    sent_at: Timestamp
    attachments: Sequence[Attachment] = ()


class Recording(Struct, frozen=True, kw_only=True):
    """A recording of a meeting; `size` is in bytes."""

    id: str
    title: str
    type: str
    size: int
    started_at: Timestamp
    ended_at: Timestamp


class Person(Struct, frozen=True, kw_only=True):
    """One stay of one person in a meeting. `user` is the account's id, None for guests."""

    peer: str
    name: str
    user: str | None
    joined_at: Timestamp
    left_at: Timestamp | None


class MessagePosted(Frame, frozen=True, kw_only=True, tag="message"):
    """Somebody, or the system, wrote."""

    message: Message


class PersonJoined(Frame, frozen=True, kw_only=True, tag="joined"):
    """Somebody entered the call."""

    person: Person


class PersonLeft(Frame, frozen=True, kw_only=True, tag="left"):
    """Somebody left the call."""

    person: Person


class RecordingReady(Frame, frozen=True, kw_only=True, tag="recording"):
    """A recording of the meeting is to be had."""

    recording: Recording


class MeetingEnded(Frame, frozen=True, kw_only=True, tag="ended"):
    """The meeting has ended."""


AnyFrame = Ready | Reset | MessagePosted | PersonJoined | PersonLeft | RecordingReady | MeetingEnded
