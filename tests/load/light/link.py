"""The encrypted pipe to a node: ICE, DTLS and SRTP over one UDP socket of its own.

It knows nothing of rooms and slots: RTP goes to its `Media` as it came, encrypted behind a clear header,
since most of what a bot wants to know stands in the header; RTCP goes there decrypted.
"""

import asyncio
import contextlib
import enum
import secrets
import socket
import time
from typing import Protocol

import pylibsrtp

from tests.load.light import stun
from tests.load.light.dtls import Handshake, HandshakeFailed, Identity, Role
from tests.load.light.pump import Pump
from tests.load.light.sdp import Credentials, Description
from tests.load.participant import BotFailed

_TIMERS_S = 0.05
_CONSENT_S = 2.5
_DTLS_REPEAT_S = 0.1
_DTLS_REPEATS = 5
_FIRST_RTCP, _LAST_RTCP = 192, 223


class Media(Protocol):
    """Who wants what comes through a link."""

    def rtp(self, packet: memoryview, arrived: float) -> None:
        """An RTP packet, still encrypted."""

    def rtcp(self, compound: bytes, arrived: float) -> None:
        """A decrypted RTCP compound."""


class State(enum.Enum):
    """How far a link is."""

    NEW = "new"
    CHECKING = "checking addresses"
    SECURING = "securing"
    CONNECTED = "connected"
    CLOSED = "closed"


class LinkFailed(BotFailed):
    """The link did not come up, or ended."""


class Link:
    """One link: `connect` with the other side's description, await `wait_connected`, `close` at the end."""

    def __init__(self, pump: Pump, identity: Identity, media: Media, *, controlling: bool = True) -> None:
        self.credentials = Credentials(secrets.token_hex(4), secrets.token_hex(16), identity.fingerprint)
        self.state = State.NEW
        self.ended_because = ""
        self.sent_bytes = 0
        self._pump = pump
        self._identity = identity
        self._media = media
        self._controlling = controlling
        self._tiebreaker = secrets.randbits(64)
        self._settled = asyncio.Event()
        self._checks: dict[bytes, tuple[str, int]] = {}
        self._next_check = 0.0
        self._round = 0
        self._flight: list[bytes] = []

    def connect(self, remote: Description, role: Role) -> None:
        """Start towards the other side in a DTLS role. Raises LinkFailed if it gives no candidates."""
        if not remote.candidates:
            raise LinkFailed("the description has no UDP candidate")
        self._remote = remote.credentials
        family = _family(remote.candidates[0][0])
        self._candidates = [address for address in remote.candidates if _family(address[0]) is family]
        self._handshake = Handshake(self._identity, role, remote.credentials.fingerprint)
        self._socket = self._pump.open(self, family)
        self._timer = self._pump.every(_TIMERS_S, self._timers)
        self.state = State.CHECKING
        self._check(time.monotonic())

    async def wait_connected(self, timeout_s: float) -> None:
        """Return when media can flow. Raises LinkFailed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        if self.state is not State.CONNECTED:
            raise LinkFailed(self.ended_because or f"still {self.state.value} after {timeout_s:.0f} s")

    def send_rtp(self, packet: bytes) -> bytes:
        """Encrypt and send; return what was sent, so that it can be sent again."""
        protected = self._sending.protect(packet)
        self.send_again(protected)
        return protected

    def send_again(self, protected: bytes) -> None:
        """Send an encrypted packet. A full socket buffer loses it, like any network."""
        self.sent_bytes += len(protected)
        self._send(protected)

    def send_rtcp(self, compound: bytes) -> None:
        """Encrypt and send a compound."""
        self._send(self._sending.protect_rtcp(compound))

    def unprotect(self, packet: memoryview) -> bytes | None:
        """Return the packet decrypted, or None if it is forged or repeated."""
        try:
            return self._receiving.unprotect(packet.tobytes())
        except pylibsrtp.Error:
            return None

    def close(self, because: str = "closed by the bot") -> None:
        """End the link, telling the other side if it was up. Closing again changes nothing."""
        if self.state is State.CLOSED:
            return
        if self.state is not State.NEW:
            for datagram in self._handshake.close():
                self._send(datagram)
            self._timer.cancel()
            self._pump.shut(self._socket)
        self.state = State.CLOSED
        self.ended_because = because
        self._settled.set()

    def received(self, datagram: memoryview, arrived: float) -> None:
        """Take a datagram from the socket; its first byte tells what it is (RFC 7983 section 7)."""
        if not datagram or self.state is State.CLOSED:
            return
        first = datagram[0]
        if 128 <= first <= 191:
            if self.state is State.CONNECTED and len(datagram) >= 12:
                self._secured(datagram, arrived)
        elif 20 <= first <= 63:
            self._dtls(datagram.tobytes())
        elif first <= 3:
            self._stun(datagram.tobytes())

    def _secured(self, datagram: memoryview, arrived: float) -> None:
        if not _FIRST_RTCP <= datagram[1] <= _LAST_RTCP:
            self._media.rtp(datagram, arrived)
            return
        try:
            compound = self._receiving.unprotect_rtcp(datagram.tobytes())
        except pylibsrtp.Error:
            return
        self._media.rtcp(compound, arrived)

    def _dtls(self, datagram: bytes) -> None:
        if self.state not in {State.SECURING, State.CONNECTED}:
            return
        try:
            answer = self._handshake.received(datagram)
        except HandshakeFailed as error:
            self.close(str(error))
            return
        self._send_flight(answer)
        if self._handshake.finished and self.state is State.SECURING:
            self._sending, self._receiving = self._handshake.sessions()
            self.state = State.CONNECTED
            self._settled.set()
        elif self._handshake.closed:
            self.close("closed by the other side")

    def _stun(self, datagram: bytes) -> None:
        message = stun.parse(datagram)
        if message is None:
            return
        if message.kind == stun.SUCCESS and stun.genuine(datagram, self._remote.password):
            address = self._checks.pop(message.transaction, None)
            if address is not None and self.state is State.CHECKING:
                self._secure(address)
        elif message.kind == stun.REQUEST and stun.genuine(datagram, self.credentials.password):
            self._answer(message.transaction)

    def _answer(self, transaction: bytes) -> None:
        """Answer a check; until an own one succeeded, where it came from is unknown: it will come again."""
        if self.state is State.CHECKING:
            return
        address = self._socket.getpeername()[:2]
        password = self.credentials.password
        self._send(stun.success(transaction=transaction, address=address, password=password))

    def _secure(self, address: tuple[str, int]) -> None:
        """Settle on the address that answered and start DTLS."""
        self._checks.clear()
        self._socket.connect(address)
        self.state = State.SECURING
        self._repeats = 0
        self._repeat_at = time.monotonic()
        self._send_flight(self._handshake.start())

    def _send_flight(self, flight: list[bytes]) -> None:
        for datagram in flight:
            self._send(datagram)
        if flight:
            self._flight = flight
            self._repeat_at = time.monotonic() + _DTLS_REPEAT_S

    def _timers(self, now: float) -> None:
        if self.state is State.SECURING:
            self._repeat_flight(now)
        if now >= self._next_check:
            self._check(now)

    def _repeat_flight(self, now: float) -> None:
        """Send the last flight again sooner than OpenSSL's first timer of one second.

        A full ICE agent may drop a hello that comes before its own check has succeeded.
        """
        if self._repeats < _DTLS_REPEATS and now >= self._repeat_at:
            self._repeats += 1
            self._send_flight(self._flight)
        self._send_flight(self._handshake.timed_out())

    def _check(self, now: float) -> None:
        """Ask the other side: each candidate in turn until one answers, later as consent (RFC 7675)."""
        checking = self.state is State.CHECKING
        self._next_check = now + (_TIMERS_S if checking else _CONSENT_S)
        transaction = secrets.token_bytes(12)
        message = stun.request(
            transaction=transaction,
            username=f"{self._remote.ufrag}:{self.credentials.ufrag}",
            password=self._remote.password,
            tiebreaker=self._tiebreaker,
            controlling=self._controlling,
        )
        if checking:
            address = self._candidates[self._round % len(self._candidates)]
            self._round += 1
            self._checks[transaction] = address
            with contextlib.suppress(OSError):
                self._socket.sendto(message, address)
        else:
            self._send(message)

    def _send(self, datagram: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.send(datagram)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
