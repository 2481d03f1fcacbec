"""What the network's edge counts: plain numbers, for the metrics page to read whenever it likes."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DELAY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class Drop(StrEnum):
    """Why a datagram, a packet or a message went no further."""

    EMPTY = "empty"
    OVERSIZED = "oversized"
    UNKNOWN_PROTOCOL = "unknown_protocol"
    UNKNOWN_ADDRESS = "unknown_address"
    """DTLS or SRTP from an address or connection that no check has validated."""
    RECEIVE_ERROR = "receive_error"

    STUN_MALFORMED = "stun_malformed"
    STUN_UNEXPECTED = "stun_unexpected"
    """A STUN message other than a Binding request."""
    STUN_UNAUTHENTICATED = "stun_unauthenticated"
    STUN_UNKNOWN_UFRAG = "stun_unknown_ufrag"
    STUN_BAD_INTEGRITY = "stun_bad_integrity"
    STUN_RATE = "stun_rate"
    STUN_ADDRESS_TAKEN = "stun_address_taken"
    """A check from an address that another live link uses."""
    STUN_ROLE_CONFLICT = "stun_role_conflict"

    DTLS_MALFORMED = "dtls_malformed"
    DTLS_HANDSHAKE_LIMIT = "dtls_handshake_limit"
    DTLS_RATE = "dtls_rate"
    DTLS_QUEUE_FULL = "dtls_queue_full"

    SRTP_NOT_CONNECTED = "srtp_not_connected"
    SRTP_MALFORMED = "srtp_malformed"
    SRTP_AUTHENTICATION = "srtp_authentication"
    SRTP_REPLAY = "srtp_replay"
    SRTP_TOO_MANY_SOURCES = "srtp_too_many_sources"

    DATA_NOT_CONNECTED = "data_not_connected"
    DATA_VIOLATION = "data_violation"
    """SCTP that breaks the protocol or our limits: the association is aborted, media goes on."""
    DATA_LABEL = "data_label"
    DATA_BINARY = "data_binary"
    DATA_TOO_LARGE = "data_too_large"
    DATA_RATE = "data_rate"
    DATA_NOT_OPEN = "data_not_open"
    DATA_BACKLOG = "data_backlog"
    DATA_UNSENDABLE = "data_unsendable"
    """Larger than a message may be, or not text that UTF-8 can carry."""

    LISTENER_FAULT = "listener_fault"
    """A bug above the transport: what it was being told of is lost, and its link is closed."""

    SEND_NOT_CONNECTED = "send_not_connected"
    SEND_OVERSIZED = "send_oversized"
    SEND_PROTECT = "send_protect"
    """libsrtp refused the packet: a malformed header, or a sequence number that jumped too far."""
    SEND_BUFFER_FULL = "send_buffer_full"
    SEND_BACKLOG = "send_backlog"
    """Too much waits already on the peer's TCP connection."""
    SEND_DISCONNECTED = "send_disconnected"
    """The peer's TCP connection has ended, and no other path was validated since."""
    SEND_ERROR = "send_error"


class LinkState(StrEnum):
    """Where a link is in its life."""

    NEW = "new"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


class LinkEnd(StrEnum):
    """Why a link closed."""

    CLOSED_HERE = "closed_here"
    CLOSED_BY_PEER = "closed_by_peer"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    HANDSHAKE_FAILED = "handshake_failed"
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    NO_COMMON_PROFILE = "no_common_profile"
    FAULT = "fault"
    """A bug of ours; the log has the traceback."""


class ConnectionEnd(StrEnum):
    """Why a TCP connection ended, or was not taken at all."""

    CLOSED_HERE = "closed_here"
    """Its link closed, or has newer ones enough."""
    CLOSED_BY_PEER = "closed_by_peer"
    RESET = "reset"
    """By the peer, or by silence."""
    NO_CHECK = "no_check"
    """It began with something else than a connectivity check of a link's peer."""
    CHECK_TIMEOUT = "check_timeout"
    OVERSIZED = "oversized"
    """A frame of more than a datagram."""
    TOO_MANY = "too_many"
    """It made room for another before its first check, or there was no room for it."""
    TOO_MANY_OF_ADDRESS = "too_many_of_address"
    NOT_ACCEPTED = "not_accepted"
    """By the system, for want of descriptors or memory."""


class Histogram:
    """Counts of observations at or below each bound (the last: above all), and their sum, in seconds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = DELAY_BUCKETS_S) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, `times` over."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times


@dataclass(slots=True)
class Counters:
    """Totals since the node started, except `links`, how many are in each state now, and `connections`."""

    datagrams_in: int = 0
    bytes_in: int = 0
    datagrams_out: int = 0
    bytes_out: int = 0
    send_calls: int = 0
    """`sendmmsg` calls; each carries the batch of one drain."""
    gso_batches: int = 0
    """Runs of equal-sized packets handed to the kernel as one message, and the packets in them."""
    gso_packets: int = 0
    checks_answered: int = 0
    connections: int = 0
    """TCP connections that are open now."""
    faults: int = 0
    """Exceptions that had to be contained. Each is a bug."""
    links: Counter[LinkState] = field(default_factory=Counter)
    ends: Counter[LinkEnd] = field(default_factory=Counter)
    connection_ends: Counter[ConnectionEnd] = field(default_factory=Counter)
    drops: Counter[Drop] = field(default_factory=Counter)
    forward_delay: Histogram = field(default_factory=Histogram)
    """From waking for datagrams to having sent what came of them, once per datagram."""
