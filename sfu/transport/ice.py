"""The ICE-lite half of a link: our credentials, and the addresses that a peer's checks have validated.

Lite, because a node has a known address: it answers checks and makes none (RFC 8445 §2.5). A check that
has integrity validates the address it came from; one that nominates moves the link there.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfu.transport.bucket import TokenBucket
from sfu.transport.counters import Drop
from sfu.transport.ground import Ground
from sfu.transport.stun import Address, Message, role_conflict, success

if TYPE_CHECKING:
    from sfu.transport.link import Link


@dataclass(frozen=True, slots=True)
class Credentials:
    """A username fragment and a password (RFC 8445 §5.3)."""

    ufrag: str
    password: str

    @classmethod
    def generate(cls) -> "Credentials":
        """Make new ones, of 64 and 128 random bits."""
        return cls(secrets.token_hex(8), secrets.token_hex(16))


class IceLite:
    """Answers the checks of one link's peer, and keeps the link's entries in the directory."""

    def __init__(self, link: "Link", ground: Ground) -> None:
        self._link = link
        self._settings = ground.settings
        self._counters = ground.counters
        self._directory = ground.directory
        self._sockets = ground.sockets
        self._bucket = TokenBucket(ground.settings.checks_per_s, ground.settings.check_burst)
        self._credentials: list[Credentials] = []
        self._addresses: dict[Address, None] = {}  # the one longest unconfirmed first
        self.remote: Address | None = None
        self.restart()

    @property
    def current(self) -> Credentials:
        """The credentials to signal."""
        return self._credentials[-1]

    def restart(self) -> None:
        """Take new credentials; those in use stay valid until a check confirms the new ones."""
        made = Credentials.generate()
        self._keep([*self._credentials[:1], made])
        self._directory.by_ufrag[made.ufrag.encode()] = self._link

    def answer(self, check: Message, ufrag: bytes, source: Address, now: float) -> bool:
        """Answer a Binding request that names our `ufrag`; False, and counted, if it gets us nowhere."""
        credentials = next(each for each in self._credentials if each.ufrag.encode() == ufrag)
        password = credentials.password.encode()
        if not check.authentic(password):
            return self._drop(Drop.STUN_BAD_INTEGRITY)
        if not self._bucket.take(now):
            return self._drop(Drop.STUN_RATE)
        if check.controlled:
            # We are lite, so the peer must be the controlling one, whatever its tie-breaker says.
            self._sockets.send(role_conflict(check.transaction, password), source)
            return self._drop(Drop.STUN_ROLE_CONFLICT)
        if not self._claim(source, now):
            return self._drop(Drop.STUN_ADDRESS_TAKEN)
        self._sockets.send(success(check.transaction, source, password), source)
        self._counters.checks_answered += 1
        if credentials is self.current:
            self._keep([credentials])
        if check.use_candidate or self.remote is None:
            self.remote = source
        return True

    def forget(self, address: Address) -> None:
        """Let go of a validated address."""
        del self._addresses[address]
        del self._directory.by_address[address]

    def close(self) -> None:
        """Take everything out of the directory. `current` and `remote` can still be read."""
        for each in self._credentials:
            del self._directory.by_ufrag[each.ufrag.encode()]
        for address in list(self._addresses):
            self.forget(address)

    def _keep(self, kept: list[Credentials]) -> None:
        """Make `kept` the credentials that checks may name."""
        for each in self._credentials:
            if each not in kept:
                del self._directory.by_ufrag[each.ufrag.encode()]
        self._credentials = kept

    def _claim(self, source: Address, now: float) -> bool:
        """Make `source` an address of this link's, unless it is that of another that is alive."""
        holder = self._directory.by_address.get(source)
        if holder is not None and holder is not self._link:
            if now - holder.last_heard < self._settings.address_hold_s:
                return False
            holder.ice.forget(source)
        self._directory.by_address[source] = self._link
        self._addresses.pop(source, None)
        self._addresses[source] = None
        if len(self._addresses) > self._settings.addresses_per_link:
            self.forget(next(each for each in self._addresses if each != self.remote))
        return True

    def _drop(self, reason: Drop) -> bool:
        self._counters.drops[reason] += 1
        return False
