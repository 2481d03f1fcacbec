"""The ICE-lite half of a link: our credentials, and the remotes that a peer's checks have validated.

Lite, because a node has a known address: it answers checks and makes none (RFC 8445 §2.5). A check that
has integrity validates where it came from, a UDP address or a TCP connection; one that nominates moves
the link there.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfu.transport.bucket import TokenBucket
from sfu.transport.connection import Connection
from sfu.transport.counters import Drop
from sfu.transport.ground import Ground
from sfu.transport.sockets import Remote
from sfu.transport.stun import Message, role_conflict, success

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
        self._remotes: dict[Remote, None] = {}  # the one longest unconfirmed first
        self.remote: Remote | None = None
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

    def answer(self, check: Message, ufrag: bytes, source: Remote, now: float) -> bool:
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
        address = source.address if isinstance(source, Connection) else source
        self._sockets.send(success(check.transaction, address, password), source)
        self._counters.checks_answered += 1
        if credentials is self.current:
            self._keep([credentials])
        if check.use_candidate or self.remote not in self._remotes:
            self.remote = source
        return True

    def forget(self, remote: Remote) -> None:
        """Let go of a validated address, or of a connection, which is closed.

        If it was `remote`, that stays, for want of another, until the next check.
        """
        del self._remotes[remote]
        del self._directory.by_remote[remote]
        if isinstance(remote, Connection):
            remote.close()

    def close(self) -> None:
        """Take everything out of the directory. `current` and `remote` can still be read."""
        for each in self._credentials:
            del self._directory.by_ufrag[each.ufrag.encode()]
        for remote in list(self._remotes):
            self.forget(remote)

    def _keep(self, kept: list[Credentials]) -> None:
        """Make `kept` the credentials that checks may name."""
        for each in self._credentials:
            if each not in kept:
                del self._directory.by_ufrag[each.ufrag.encode()]
        self._credentials = kept

    def _claim(self, source: Remote, now: float) -> bool:
        """Make `source` this link's, unless it is a connection of another, or an address of one alive."""
        holder = self._directory.by_remote.get(source)
        if holder is not None and holder is not self._link:
            if isinstance(source, Connection) or now - holder.last_heard < self._settings.address_hold_s:
                return False
            holder.ice.forget(source)
        self._directory.by_remote[source] = self._link
        self._remotes.pop(source, None)
        self._remotes[source] = None
        if len(self._remotes) > self._settings.addresses_per_link:
            self.forget(next(each for each in self._remotes if each != self.remote))
        return True

    def _drop(self, reason: Drop) -> bool:
        self._counters.drops[reason] += 1
        return False
