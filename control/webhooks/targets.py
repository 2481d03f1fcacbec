"""Where messages may go: to public addresses alone, unless the operator says otherwise.

What counts is the address that a connection is made to. So each is looked at when its socket is made, after
the name was resolved: a name that resolves to another address the next time gains nothing.
"""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import aiohttp
from yarl import URL

from control.settings import Settings

ANSWER_BYTES_MAX = 64 * 1024
NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: leads to any IPv4 address


class BadTarget(Exception):
    """Nothing may be sent there; says why."""


class _Refused(OSError):
    """The address is not one that a connection may be made to."""


class Targets:
    """The way out to endpoints; `is_private_allowed` opens it to the operator's own network."""

    def __init__(self, *, is_private_allowed: bool, timeout_s: float) -> None:
        self._is_private_allowed = is_private_allowed
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def check(self, text: str) -> None:
        """Raise `BadTarget` unless this is the address of a server that messages may go to."""
        url = _parsed(text)
        try:
            async with asyncio.timeout(self._timeout.total):
                found = await asyncio.get_running_loop().getaddrinfo(
                    url.host, url.port, type=socket.SOCK_STREAM
                )
        except (OSError, UnicodeError) as error:
            raise BadTarget("There is no such host.") from error
        if not all(self._is_allowed(str(address[0])) for *_, address in found):
            raise BadTarget("Must not lead into a private network.")

    async def post(self, text: str, body: str, headers: Mapping[str, str]) -> int:
        """Send a message; return the status of the answer. Raises `BadTarget` or OSError."""
        url = _parsed(text)
        connector = aiohttp.TCPConnector(socket_factory=self._socket, use_dns_cache=False, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=self._timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                ) as http,
                http.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response,
            ):
                await response.content.read(ANSWER_BYTES_MAX)
                return response.status
        except aiohttp.ClientError as error:
            raise OSError(type(error).__name__) from error

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        if not self._is_allowed(str(where[0])):
            raise _Refused("the address is private")
        return socket.socket(family, kind, protocol)

    def _is_allowed(self, address: str) -> bool:
        return self._is_private_allowed or is_public(ip_address(address.partition("%")[0]))


def targets_of(settings: Settings) -> Targets:
    """Return the way out that the settings allow."""
    return Targets(is_private_allowed=settings.webhooks_private, timeout_s=settings.webhook_timeout_s)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of the Internet's, also when it carries another inside."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address in NAT64 or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _parsed(text: str) -> URL:
    try:
        url = URL(text)
        is_http = url.scheme in ("http", "https") and bool(url.host) and url.port is not None
    except ValueError as error:
        raise BadTarget("Is not an address.") from error
    if not is_http or url.user is not None or url.password is not None or url.fragment:
        raise BadTarget("Must be an address that begins with https:// or http://, without a password.")
    return url
