"""Everything control refuses: a stable code, and a sentence that helps a person.

Services raise `Refused` and know nothing of HTTP; `control.edge.answers` maps each reason to a status.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused. A value never changes its meaning; clients act on it."""

    BAD_REQUEST = "bad_request"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    UNAUTHENTICATED = "unauthenticated"
    BAD_CREDENTIALS = "bad_credentials"
    CROSS_SITE = "cross_site"
    FORBIDDEN = "forbidden"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    NOT_A_MEMBER = "not_a_member"
    NOT_THE_HOST = "not_the_host"
    GUESTS_NOT_ALLOWED = "guests_not_allowed"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MEETING_UNKNOWN = "meeting_unknown"
    MEETING_ENDED = "meeting_ended"
    FILE_GONE = "file_gone"
    MEETING_CANCELLED = "meeting_cancelled"
    LINK_EXPIRED = "link_expired"
    EMAIL_TAKEN = "email_taken"
    TOO_MANY_KEYS = "too_many_keys"
    REQUEST_IN_PROGRESS = "request_in_progress"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    TOO_MANY_WEBHOOKS = "too_many_webhooks"
    RATE_LIMITED = "rate_limited"
    NO_NODE = "no_node"
    NODES_FULL = "nodes_full"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


SENTENCES: dict[Reason, str] = {
    Reason.BAD_REQUEST: "The request is not one this server understands.",
    Reason.INVALID: "Some fields need correction.",
    Reason.TOO_LARGE: "The request is larger than this server accepts.",
    Reason.UNAUTHENTICATED: "Sign in to do this.",
    Reason.BAD_CREDENTIALS: "The e-mail address or the password is wrong.",
    Reason.CROSS_SITE: "The request came from another site; open the page again and retry.",
    Reason.FORBIDDEN: "This is not open to you.",
    Reason.INSUFFICIENT_SCOPE: "The API key is not allowed to do this; make one with the scope it needs.",
    Reason.NOT_A_MEMBER: "Join the meeting first.",
    Reason.NOT_THE_HOST: "Only the meeting's host can do this.",
    Reason.GUESTS_NOT_ALLOWED: "The host lets only people with an account in; sign in to join.",
    Reason.NOT_FOUND: "There is nothing at this address.",
    Reason.METHOD_NOT_ALLOWED: "This address does not take that kind of request.",
    Reason.MEETING_UNKNOWN: "There is no meeting with this code; check the link.",
    Reason.MEETING_ENDED: "The meeting has ended.",
    Reason.FILE_GONE: "This file is not kept any more.",
    Reason.MEETING_CANCELLED: "The meeting was cancelled.",
    Reason.LINK_EXPIRED: "This link is not good any more; have another letter sent.",
    Reason.EMAIL_TAKEN: "There is already an account with this e-mail address; sign in instead.",
    Reason.TOO_MANY_KEYS: "The account has as many API keys as it may have; revoke one first.",
    Reason.REQUEST_IN_PROGRESS: "The same request is still being worked on; try again in a moment.",
    Reason.IDEMPOTENCY_KEY_REUSED: "Another request was sent with this Idempotency-Key; use a new one.",
    Reason.TOO_MANY_WEBHOOKS: "The account has as many webhooks as it may have; remove one first.",
    Reason.RATE_LIMITED: "Too many attempts in a short time; wait a little and try again.",
    Reason.NO_NODE: "No media server is available right now; try again in a moment.",
    Reason.NODES_FULL: "All media servers are full right now; try again in a moment.",
    Reason.OVERLOADED: "The server is busy; try again in a moment.",
    Reason.INTERNAL: "Something went wrong in the server; if it stays so, quote the request id.",
}


class Refused(Exception):
    """The request is refused. `fields` says what is wrong with each; `retry_after_s` when to try again."""

    def __init__(
        self, reason: Reason, *, fields: Mapping[str, str] | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.fields = fields
        self.retry_after_s = retry_after_s


def invalid(**fields: str) -> Refused:
    """Return the refusal of a body whose `fields` are wrong, each for the reason given."""
    return Refused(Reason.INVALID, fields=fields)
