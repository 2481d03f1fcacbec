"""Every limit of the network's edge, with its default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """How a node's sockets and links behave. A rate is sustained; a burst is what may come at once."""

    port: int = 8082
    """UDP port of both families; 0 lets the kernel choose."""
    tcp_port: int | None = None
    """TCP port of both families, for peers whom no UDP reaches; None: the same number, 0: none."""
    bind_v4: str = "0.0.0.0"  # noqa: S104 - a media server listens on every address
    """IPv4 address to listen on; empty for none."""
    bind_v6: str = "::"
    """IPv6 address to listen on; empty for none. A machine without IPv6 is served over IPv4."""
    addresses: tuple[str, ...] = ()
    """IP addresses to advertise, for a node behind one-to-one NAT; empty: those of the interfaces."""
    receive_buffer_bytes: int = 4 << 20
    send_buffer_bytes: int = 4 << 20

    addresses_per_link: int = 8
    """Validated addresses and TCP connections a link keeps, at least 2.

    The one longest unconfirmed goes first.
    """
    address_hold_s: float = 5.0
    """For how long after it was last heard a link keeps an address that another link's check claims."""
    checks_per_s: float = 100.0
    check_burst: int = 200
    """Connectivity checks answered per link."""

    tcp_connections: int = 4000
    tcp_connections_per_address: int = 256
    """TCP connections at a time; an address is an IPv4 address or an IPv6 /64."""
    tcp_check_timeout_s: float = 5.0
    """From accepting a TCP connection to its first check with integrity."""
    tcp_backlog_bytes: int = 128 << 10
    """What waits on a TCP connection that the network does not take as fast as it comes; more is dropped."""

    handshake_timeout_s: float = 15.0
    """From `Link.start` to a secured link."""
    handshake_bytes: int = 32 << 10
    """DTLS a peer may send before the link is secured."""
    records_per_s: float = 500.0
    record_burst: int = 1000
    """DTLS records accepted per link."""

    sources_per_link: int = 256
    """SSRCs a peer may send from."""

    data_labels: frozenset[str] = frozenset({"reliable", "lossy"})
    """Data channels a peer may open."""
    message_bytes: int = 16 << 10
    """The largest data channel message, in UTF-8."""
    messages_per_s: float = 50.0
    message_burst: int = 100
    """Data channel messages accepted per link."""
    reassembly_bytes: int = 64 << 10
    """Fragments of unfinished messages kept per link."""
    data_backlog_bytes: int = 64 << 10
    """Text waiting to be sent on one data channel, above which more is refused."""
