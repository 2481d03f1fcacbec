"""Stable codes for everything the node refuses or ends, each with a sentence that helps a person.

A code never changes its meaning; the sentence may be reworded. Clients act on the code. One that only a later
version knows is read as `unknown`, and never sent.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why a message was refused, or why a peer's stay ended."""

    BAD_MESSAGE = "bad_message"
    BAD_OFFER = "bad_offer"
    MESSAGE_TOO_LARGE = "message_too_large"
    RATE_LIMITED = "rate_limited"
    TOO_SLOW = "too_slow"
    HELLO_TIMEOUT = "hello_timeout"
    PROTOCOL_UNSUPPORTED = "protocol_unsupported"
    TICKET_INVALID = "ticket_invalid"
    TICKET_EXPIRED = "ticket_expired"
    TICKET_REPLAYED = "ticket_replayed"
    TICKET_SUPERSEDED = "ticket_superseded"
    WRONG_NODE = "wrong_node"
    NODE_UNREACHABLE = "node_unreachable"
    RESUME_UNKNOWN = "resume_unknown"
    FORBIDDEN = "forbidden"
    ROOM_FULL = "room_full"
    NODE_FULL = "node_full"
    DRAINING = "draining"
    LINK_TIMEOUT = "link_timeout"
    LINK_LOST = "link_lost"
    REPLACED = "replaced"
    REMOVED = "removed"
    LEFT = "left"
    ROOM_CLOSED = "room_closed"
    ROOM_MOVED = "room_moved"
    INTERNAL = "internal"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "Code | None":
        return cls.UNKNOWN if isinstance(value, str) else None


SENTENCES: dict[Code, str] = {
    Code.BAD_MESSAGE: "The message is not one this node understands.",
    Code.BAD_OFFER: "The session description cannot be accepted.",
    Code.MESSAGE_TOO_LARGE: "The message is larger than this node accepts.",
    Code.RATE_LIMITED: "Too many messages in a short time; slow down.",
    Code.TOO_SLOW: "The connection did not take messages fast enough; connect again.",
    Code.HELLO_TIMEOUT: "No hello message arrived in time.",
    Code.PROTOCOL_UNSUPPORTED: "This node does not speak the client's protocol version.",
    Code.TICKET_INVALID: "The ticket is not valid here; join the meeting again to get a new one.",
    Code.TICKET_EXPIRED: "The ticket has expired; join the meeting again to get a new one.",
    Code.TICKET_REPLAYED: "The ticket was already used; join the meeting again to get a new one.",
    Code.TICKET_SUPERSEDED: "The meeting has been moved since; join it again.",
    Code.WRONG_NODE: "The ticket is for another node.",
    Code.NODE_UNREACHABLE: "The server that holds the meeting does not answer; join the meeting again.",
    Code.RESUME_UNKNOWN: "There is nothing left to resume; join the meeting again.",
    Code.FORBIDDEN: "The ticket does not allow this.",
    Code.ROOM_FULL: "The meeting is full.",
    Code.NODE_FULL: "The server is full; try again in a moment.",
    Code.DRAINING: "The server is being restarted; join the meeting again to reach another.",
    Code.LINK_TIMEOUT: "No media connection could be made; a firewall may block UDP.",
    Code.LINK_LOST: "The media connection was lost and did not come back.",
    Code.REPLACED: "This participant connected again from elsewhere.",
    Code.REMOVED: "The host removed this participant.",
    Code.LEFT: "The participant left.",
    Code.ROOM_CLOSED: "The meeting has ended.",
    Code.ROOM_MOVED: "The meeting goes on at another server; join it again.",
    Code.INTERNAL: "Something went wrong in the server; connect again.",
    Code.UNKNOWN: "The reason is one that this version does not know.",
}
