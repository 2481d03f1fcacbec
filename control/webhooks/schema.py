"""What the webhooks' routes take and give, as JSON; what endpoints are told; and the jobs that do it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from control.clock import Timestamp
from control.events.schema import Message, Person, Recording
from control.jobs.schema import Job

Kind = Literal[
    "meeting.created",
    "meeting.ended",
    "participant.joined",
    "participant.left",
    "message.posted",
    "recording.ready",
]
Number = Annotated[int, Meta(ge=0, lt=2**31)]
"""A delivery's place among those of its endpoint, from 1; as a cursor 0 is before the first."""


class NewWebhook(Struct, frozen=True):
    """An endpoint to make: where, and which kinds of events it is told."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    kinds: Annotated[frozenset[Kind], Meta(min_length=1)]
    description: Annotated[str, Meta(max_length=200)] = ""


class WebhookView(Struct, frozen=True, kw_only=True):
    """An endpoint. It is told nothing while `disabled_at` says since when, and `disabled_because` why.

    `last_number` is its latest delivery's, 0 before there is one.
    """

    id: str
    url: str
    kinds: list[Kind]
    description: str
    created_at: Timestamp
    last_number: int
    failing_since: Timestamp | None
    disabled_at: Timestamp | None
    disabled_because: str | None


class MadeWebhook(Struct, frozen=True, kw_only=True):
    """A new endpoint, with the secret that its messages are signed with; it is never shown again."""

    webhook: WebhookView
    secret: str


class DeliveriesQuery(Struct, frozen=True):
    """Deliveries numbered above `after`, at most `limit`."""

    after: Number = 0
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class Delivery(Struct, frozen=True, kw_only=True):
    """What an endpoint was, or is to be, told; `status` is that of its latest answer."""

    number: int
    id: str
    kind: Kind
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    status: int | None
    error: str | None
    created_at: Timestamp
    tried_at: Timestamp | None


class Deliveries(Struct, frozen=True):
    """Deliveries in their order; go on with the number of the last one."""

    items: list[Delivery]


class Replay(Struct, frozen=True):
    """Deliveries numbered above `after` are to be sent again."""

    after: Number


class Replayed(Struct, frozen=True):
    """How many will be sent again; `next_after` when there are more, which another request replays."""

    count: int
    next_after: int | None


class MeetingBrief(Struct, frozen=True):
    """Which meeting it happened in."""

    id: str
    code: str
    title: str


class Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened."""

    meeting: MeetingBrief
    participant: Person | None = None
    message: Message | None = None
    recording: Recording | None = None


class Payload(Struct, frozen=True):
    """The body of a message to an endpoint."""

    type: Kind
    timestamp: Timestamp
    data: Data


class Announce(Job, frozen=True, kw_only=True, tag="webhooks.announce.v1"):
    """Something happened in a meeting of the account: write a delivery for each endpoint that is told so."""

    account: str
    event: Kind
    body: str


class Deliver(Job, frozen=True, tag="webhooks.deliver.v1"):
    """Send a delivery."""

    webhook: str
    number: int
