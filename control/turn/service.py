"""Giving out credentials for TURN servers.

A server that shares our secret (coturn's `use-auth-secret`) knows them for ours and sees when they end: the
username says it, and the password is its HMAC. So nothing about them needs to be kept or told.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence

from control.clock import Clock
from control.turn.schema import IceServer


class TurnServers:
    """The TURN servers at `urls`, none if that is empty; credentials are good for `ttl_s` seconds."""

    def __init__(self, clock: Clock, urls: Sequence[str], secret: str | None, ttl_s: int) -> None:
        self._clock = clock
        self._urls = list(urls)
        self._secret = (secret or "").encode()
        self._ttl_s = ttl_s

    def for_user(self, name: str) -> list[IceServer]:
        """Return the servers with new credentials, by which they can tell one user's use from another's."""
        if not self._urls:
            return []
        username = f"{int(self._clock().timestamp()) + self._ttl_s}:{name}"
        password = b64encode(hmac.digest(self._secret, username.encode(), "sha1")).decode()
        return [IceServer(urls=self._urls, username=username, credential=password, ttl_s=self._ttl_s)]
