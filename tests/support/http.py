"""An HTTP client whose connections start inside a network namespace."""

from typing import Any

import aiohttp

from tests.support.netns import Namespace


def http(namespace: Namespace, **options: Any) -> aiohttp.ClientSession:
    """Return a client session; `options` are those of aiohttp's."""
    connector = aiohttp.TCPConnector(socket_factory=lambda address: namespace.socket(*address[:3]))
    return aiohttp.ClientSession(connector=connector, **options)
