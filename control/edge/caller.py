"""Who calls, as the network shows it: address, and the address by which they reached us.

A proxy's word (`X-Forwarded-*`) counts only when the proxy is one the operator named. State-changing
requests that a browser may have made on its own, that is all without a bearer token, must come from our
own pages.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import hdrs, web
from yarl import URL

from control.refusals import Reason, Refused
from control.settings import Network

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address

NOWHERE = IPv4Address(0)
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(frozen=True)
class Caller:
    """One request's caller. `base` is the scheme, host and port under which they see us.

    `relayed` means that a proxy we do not know stands between, so `address` is not theirs.
    """

    address: Address
    base: URL
    relayed: bool

    @property
    def rate_key(self) -> str:
        """What rate limits count by: the IPv4 address, or the /64 that one IPv6 subscriber has."""
        if isinstance(self.address, IPv6Address):
            return str(ip_network((self.address, 64), strict=False))
        return str(self.address)

    @property
    def secure(self) -> bool:
        """Whether they see us over TLS."""
        return self.base.scheme == "https"

    def within(self, networks: Sequence[Network]) -> bool:
        """Tell whether the caller itself is in one of `networks`."""
        return not self.relayed and any(self.address in network for network in networks)


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)


def identify(request: web.Request, trusted: Sequence[Network], public_url: URL | None) -> Caller:
    """Return the request's caller. `public_url`, when set, is the base whatever the request says."""
    neighbour = _address(request.remote)
    known = any(neighbour in network for network in trusted)
    forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    address = _behind(forwarded, trusted, neighbour) if known else neighbour
    return Caller(address, public_url or _base(request, known), relayed=bool(forwarded) and not known)


def refuse_cross_site(request: web.Request, our_cookies: Sequence[str]) -> None:
    """Raise `Refused` when another site's page may have sent this request with our user's cookies.

    Browsers send `Origin` with every such request; `Sec-Fetch-Site` tells the same. A request with
    neither is no browser's, unless it carries our cookies, which only a browser holds.
    """
    changes = (
        request.method not in SAFE_METHODS or request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    )
    if not changes or hdrs.AUTHORIZATION in request.headers:
        return
    base = str(request[CALLER].base.origin())
    origin = request.headers.get(hdrs.ORIGIN)
    site = request.headers.get("Sec-Fetch-Site")
    if origin is not None:
        same = origin == base
    elif site is not None:
        same = site == "same-origin"
    else:
        same = not any(name in request.cookies for name in our_cookies)
    if not same:
        log.warning("refused origin %s at %s; a proxy of yours? see --public-url", origin or site, base)
        raise Refused(Reason.CROSS_SITE)


def _behind(forwarded: Sequence[str], trusted: Sequence[Network], neighbour: Address) -> Address:
    """Return the last address in the chain that no trusted proxy vouches for."""
    address = neighbour
    for hop in reversed([hop for line in forwarded for hop in line.split(",")]):
        address = _address(hop.strip())
        if not any(address in network for network in trusted):
            break
    return address


def _base(request: web.Request, trusted: bool) -> URL:
    scheme, host = request.scheme, request.host
    if trusted:
        scheme = request.headers.get(hdrs.X_FORWARDED_PROTO, scheme)
        host = request.headers.get(hdrs.X_FORWARDED_HOST, host)
    if scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise Refused(Reason.BAD_REQUEST)
    try:
        return URL(f"{scheme}://{host}").origin()
    except ValueError as error:
        raise Refused(Reason.BAD_REQUEST) from error


def _address(text: str | None) -> Address:
    try:
        address = ip_address(text or "")
    except ValueError:
        return NOWHERE
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address
