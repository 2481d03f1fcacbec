"""Asking TURN servers for a relay, as a browser does that control gave credentials for them."""

import asyncio
import re
from dataclasses import dataclass

from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

PATIENCE_S = 5.0

_URL = re.compile(r"(turns?):(\[[^]]+\]|[^:?/]+)(?::(\d+))?(?:\?transport=(udp|tcp))?")


@dataclass(frozen=True)
class Relay:
    """A way to a TURN server."""

    host: str
    port: int
    transport: str
    encrypted: bool

    @classmethod
    def at(cls, url: str) -> "Relay":
        """Return what a TURN URI (RFC 7065) says. Raises ValueError."""
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError(f"{url} is not the address of a TURN server")
        scheme, host, port, transport = found.groups()
        encrypted = scheme == "turns"
        number = int(port or (5349 if encrypted else 3478))
        return cls(host.strip("[]"), number, transport or ("tcp" if encrypted else "udp"), encrypted)

    async def allocate(self, username: str, password: str) -> None:
        """Have an address allocated and given back. Raises OSError, or PermissionError if it is denied."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                transport, _ = await create_turn_endpoint(
                    asyncio.DatagramProtocol,
                    (self.host, self.port),
                    username=username,
                    password=password,
                    ssl=self.encrypted or None,
                    transport=self.transport,
                )
        except TransactionFailed as error:
            raise PermissionError(f"the credentials are not taken ({error})") from error
        transport.close()
