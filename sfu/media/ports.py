"""What media needs from the rest of the node, and the words both use."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

VIDEO_CLOCK_HZ = 90_000


class Drop(StrEnum):
    """Why a packet or a message was of no use to anybody. Each is counted where it happens."""

    MALFORMED = "malformed"
    UNKNOWN_STREAM = "unknown_stream"
    TOO_MANY_STREAMS = "too_many_streams"
    UNKNOWN_PAYLOAD_TYPE = "unknown_payload_type"
    PADDING = "padding"
    DUPLICATE = "duplicate"
    MUTED = "muted"
    BEFORE_CUT = "before_cut"
    TOO_OLD = "too_old"
    JUMP = "jump"
    NOT_NEGOTIATED = "not_negotiated"
    REPAIR_LIMIT = "repair_limit"
    HELD_TOO_LONG = "held_too_long"
    LAYER_LEFT_OUT = "layer_left_out"
    STRAY_FEEDBACK = "stray_feedback"
    BAD_DATA = "bad_data"


Drops = Counter[Drop]


@dataclass(frozen=True, slots=True)
class Format:
    """A payload format on one m-line. `variant` tells apart formats of one codec that do not mix."""

    codec: str
    variant: str
    payload_type: int
    rtx_payload_type: int | None
    clock_rate: int


class Outlet(Protocol):
    """Where a peer's packets go: its link."""

    def send_rtp(self, packet: bytes) -> None:
        """Send a packet, in the clear."""

    def send_numbered_rtp(self, packet: bytes) -> None:
        """Send a packet whose first extension element is an empty transport-wide sequence number."""

    def send_rtcp(self, compound: bytes) -> None:
        """Send a compound, in the clear."""
