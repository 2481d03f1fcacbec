"""The addresses a node tells its peers to send to.

Host candidates only: an ICE-lite agent has a known address (RFC 8445 §2.5). They come from the setting,
or else from the interfaces: global and private addresses, never link-local ones, which mean nothing to
another machine, and loopback only if wanted or if there is nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import ifaddr

_HOST_PREFERENCE = 126
_RTP_COMPONENT = 1
_V6_FIRST_PREFERENCE = 65535
_V4_FIRST_PREFERENCE = 32767

Ip = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Candidate:
    """One host candidate over UDP. `foundation` tells apart candidates of different addresses."""

    foundation: str
    address: str
    port: int
    priority: int


def candidates(
    addresses: Sequence[str], port: int, *, loopback: bool, families: Iterable[int]
) -> tuple[Candidate, ...]:
    """Return candidates on `port` for `addresses`, or for this machine's own if there are none.

    Of the detected ones, only those of `families` (IP versions) count. Raises ValueError if a setting is
    not an IP address.
    """
    chosen = [ip_address(address) for address in addresses] or _choose(
        _interface_addresses(), loopback, set(families)
    )
    seen: dict[int, int] = {4: 0, 6: 0}
    made = []
    for index, ip in enumerate(chosen, 1):
        first = _V6_FIRST_PREFERENCE if ip.version == 6 else _V4_FIRST_PREFERENCE
        made.append(Candidate(str(index), str(ip), port, _priority(first - seen[ip.version])))
        seen[ip.version] += 1
    return tuple(made)


def _priority(local_preference: int) -> int:
    """RFC 8445 §5.1.2.1."""
    return (_HOST_PREFERENCE << 24) + (local_preference << 8) + (256 - _RTP_COMPONENT)


def _interface_addresses() -> list[Ip]:
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
