"""What the invitations' routes take and give, as JSON; and the job of writing to the invited."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from control.accounts.schema import Email
from control.clock import Timestamp
from control.invitations.store import Invitation
from control.jobs.schema import Job

AT_ONCE_MAX = 50


class NewInvitations(Struct, frozen=True):
    """Whom to invite, by e-mail address. Who is invited already gets no second mail."""

    addresses: Annotated[list[Email], Meta(min_length=1, max_length=AT_ONCE_MAX)]


class InvitationView(Struct, frozen=True, kw_only=True):
    """An invitation, to the meeting's host."""

    id: str
    address: str
    declined: bool
    created_at: Timestamp


class Invited(Struct, frozen=True):
    """The invitations that were asked for."""

    items: list[InvitationView]


class Occasion(StrEnum):
    """Why people are written to."""

    INVITED = "invited"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    REMINDER = "reminder"


class Notice(Job, frozen=True, kw_only=True, tag="invitations.notice.v1"):
    """Mails to write: to those at `addresses`, or to all who are invited if none is named.

    `base` is where people reach this server. A reminder is of the start at `starts_at`, and of no other.
    """

    meeting: str
    occasion: Occasion
    base: str
    addresses: tuple[str, ...] = ()
    starts_at: datetime | None = None


def view_of(invitation: Invitation) -> InvitationView:
    """Return the invitation to the host."""
    return InvitationView(
        id=invitation.id,
        address=invitation.address,
        declined=invitation.declined_at is not None,
        created_at=invitation.created_at,
    )
