"""The addresses a node tells its peers to send to: over UDP, and over TCP for those who cannot.

Host candidates only: an ICE-lite agent has a known address (RFC 8445 §2.5). They come from the setting,
or else from the interfaces: global and private addresses, never link-local ones, which mean nothing to
another machine, and loopback only if wanted or if there is nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

import ifaddr

Protocol = Literal["udp", "tcp"]

_RTP_COMPONENT = 1
_TYPE_PREFERENCE: dict[Protocol, int] = {"udp": 126, "tcp": 90}
_PASSIVE = 4 << 13
"""The direction of a TCP candidate to which peers connect (RFC 6544 §4.2)."""
_FIRST_PREFERENCE: dict[Protocol, dict[int, int]] = {
    "udp": {6: 65535, 4: 32767},
    "tcp": {6: _PASSIVE + 8191, 4: _PASSIVE + 4095},
}
"""The local preference of the first address of each IP version; those that follow have one less each."""

Ip = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Candidate:
    """One host candidate; over TCP, peers connect to it. `foundation` tells candidates apart."""

    foundation: str
    address: str
    port: int
    priority: int
    protocol: Protocol


def candidates(
    addresses: Sequence[str], port: int, tcp_port: int, *, loopback: bool, families: Iterable[int]
) -> tuple[Candidate, ...]:
    """Return candidates for `addresses`, or for this machine's own if there are none: UDP's, then TCP's.

    With a `tcp_port` of 0 there are none over TCP. Of the detected addresses, only those of `families`
    (IP versions) count. Raises ValueError if a setting is not an IP address.
    """
    chosen = [ip_address(address) for address in addresses] or _choose(
        interface_addresses(), loopback, set(families)
    )
    ports: dict[Protocol, int] = {"udp": port, "tcp": tcp_port} if tcp_port else {"udp": port}
    made: list[Candidate] = []
    for protocol, number in ports.items():
        preference = dict(_FIRST_PREFERENCE[protocol])
        for ip in chosen:
            priority = _priority(_TYPE_PREFERENCE[protocol], preference[ip.version])
            made.append(Candidate(str(len(made) + 1), str(ip), number, priority, protocol))
            preference[ip.version] -= 1
    return tuple(made)


def _priority(type_preference: int, local_preference: int) -> int:
    """RFC 8445 §5.1.2.1."""
    return (type_preference << 24) + (local_preference << 8) + (256 - _RTP_COMPONENT)


def interface_addresses() -> list[Ip]:
    """Return all addresses of this machine."""
    return [
        ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def _choose(found: Sequence[Ip], loopback: bool, families: set[int]) -> list[Ip]:
    """Drop what no peer could use, keep the order of the interfaces."""
    usable = [ip for ip in dict.fromkeys(found) if ip.version in families and not ip.is_link_local]
    outward = [ip for ip in usable if not ip.is_loopback and not ip.is_multicast and not ip.is_unspecified]
    inward = [ip for ip in usable if ip.is_loopback]
    return outward + inward if loopback or not outward else outward
