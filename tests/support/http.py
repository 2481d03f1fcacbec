"""An HTTP client whose connections start inside a network namespace."""

import ssl
from typing import Any

import aiohttp

from tests.support.netns import Namespace


def http(
    namespace: Namespace, *, trust: ssl.SSLContext | bool = True, **options: Any
) -> aiohttp.ClientSession:
    """Return a client session; `trust` says whose certificates to take, `options` are those of aiohttp's."""
    connector = aiohttp.TCPConnector(ssl=trust, socket_factory=lambda address: namespace.socket(*address[:3]))
    return aiohttp.ClientSession(connector=connector, **options)
