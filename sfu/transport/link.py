"""The one encrypted pipe to a peer: ICE-lite responder, DTLS, SRTP, data channels.

A link is told of datagrams by the network, and tells its listener what was in them, synchronously. Media
never waits: it is decrypted in the buffer that the socket was read into, and what is sent is encrypted
into the batch of the coming flush. It knows nothing of rooms, tracks or SDP.

The life of a link is the table TRANSITIONS. Whoever made it closes it with `close`; what closes it from
within tells the listener (`link_closed`), once. Silence does not close it: `last_heard` says how long it
has been, and what that means is for the node to decide.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from sfu.rtp.transport_cc import SentPackets
from sfu.transport.certificate import Certificate
from sfu.transport.connection import Connection
from sfu.transport.counters import Drop, LinkEnd, LinkState
from sfu.transport.dtls import DtlsServer
from sfu.transport.ground import Ground
from sfu.transport.ice import IceLite
from sfu.transport.sctp import DataChannels
from sfu.transport.sockets import Remote
from sfu.transport.srtp import Opener, ReceiveBuffer, Sealer
from sfu.transport.stun import Address, Message

logger = logging.getLogger(__name__)

RTCP_TYPES = range(192, 224)
"""The second byte of RTCP, where RTP has its marker and payload type (RFC 5761 §4)."""


class LinkEvent(Enum):
    """What moves a link from state to state."""

    START = "start"
    SECURED = "secured"
    CLOSE = "close"


TRANSITIONS: dict[LinkState, dict[LinkEvent, LinkState]] = {
    LinkState.NEW: {LinkEvent.START: LinkState.CONNECTING, LinkEvent.CLOSE: LinkState.CLOSED},
    LinkState.CONNECTING: {LinkEvent.SECURED: LinkState.CONNECTED, LinkEvent.CLOSE: LinkState.CLOSED},
    LinkState.CONNECTED: {LinkEvent.CLOSE: LinkState.CLOSED},
    LinkState.CLOSED: {},
}
"""Any other event is a bug."""


class LinkListener(Protocol):
    """Who a link tells. Called synchronously; an exception here closes the link, and nothing else."""

    def link_connected(self) -> None:
        """Media can be sent from now on."""

    def link_closed(self, reason: LinkEnd) -> None:
        """The link ended, and not because it was told to."""

    def received_rtp(self, packet: bytes, now: float) -> None:
        """Take a decrypted RTP packet that came at `now`, the loop's time in seconds."""

    def received_rtcp(self, compound: bytes, now: float) -> None:
        """Take a decrypted RTCP compound that came at `now`, the loop's time in seconds."""

    def received_data(self, label: str, text: str) -> None:
        """Take a message of the data channel `label`."""


class Link:
    """One peer's link. Made by `Network.create_link`.

    `send_rtp(packet)` queues an RTP packet, and `send_rtcp(compound)` an RTCP compound, both in the clear,
    until the next flush; `send_numbered_rtp(packet)` also fills in its transport-wide number, once `number`
    was called. What cannot be sent is counted. `last_heard` is the loop's time, in seconds, of
    the last datagram that was certainly the peer's: a check with integrity, or media that decrypted;
    before the first, that of the link's making.
    """

    def __init__(
        self, listener: LinkListener, ground: Ground, certificate: Certificate, buffer: ReceiveBuffer
    ) -> None:
        self._listener = listener
        self._ground = ground
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._sealer = Sealer(ground.counters)
        self._opener: Opener | None = None
        self._data: DataChannels | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._dtls = DtlsServer(certificate, ground, self._send_dtls, self._closed_by_peer)
        self.state = LinkState.NEW
        self.last_heard = self._loop.time()
        self.ice = IceLite(self, ground)
        self.send_rtp: Callable[[bytes], None] = self._sealer.send_rtp
        self.send_numbered_rtp: Callable[[bytes], None] = self._sealer.send_numbered_rtp
        self.send_rtcp: Callable[[bytes], None] = self._sealer.send_rtcp
        ground.counters.links[self.state] += 1

    @property
    def ufrag(self) -> str:
        """The current local ICE username fragment."""
        return self.ice.current.ufrag

    @property
    def pwd(self) -> str:
        """The current local ICE password."""
        return self.ice.current.password

    @property
    def remote_address(self) -> Address | None:
        """Where the link sends, over UDP or TCP: what the peer's checks nominated; None before the first."""
        remote = self.ice.remote
        return remote.address if isinstance(remote, Connection) else remote

    def restart_ice(self) -> None:
        """Take new credentials. Those in use stay valid until a check confirms the new; DTLS stays up."""
        if self.state is not LinkState.CLOSED:
            self.ice.restart()

    def start(self, remote_fingerprints: Sequence[tuple[str, str]], *, data_channels: bool) -> None:
        """Await the peer's handshake, for as long as the settings allow.

        The peer is the DTLS client (our answer says `a=setup:passive`). A fingerprint is an algorithm and
        a hexadecimal value; ValueError if there is none.
        """
        if not remote_fingerprints:
            raise ValueError("A peer without a certificate fingerprint cannot be told from an impostor.")
        self._move(LinkEvent.START)
        self._connecting = self._loop.create_task(self._connect(remote_fingerprints, data_channels))

    def number(self, sent: SentPackets) -> None:
        """Number packets transport-wide, and note in `sent` when each left."""
        self._sealer.number(sent)

    def send_data(self, label: str, text: str) -> bool:
        """Send `text` on a data channel; False, and counted, if it is not open or has too much waiting."""
        if self._data is None:
            self._drop(Drop.DATA_NOT_CONNECTED)
            return False
        return self._data.send(label, text)

    def close(self, reason: LinkEnd = LinkEnd.CLOSED_HERE) -> None:
        """Say goodbye to the peer and let go of everything. Does not call the listener."""
        if self.state is LinkState.CLOSED:
            return
        self._move(LinkEvent.CLOSE)
        self._ground.counters.ends[reason] += 1
        if self._connecting is not None:
            self._connecting.cancel()
        self._sealer.shut()
        self._opener = None
        if self._data is not None:
            self._data.close()
        self._dtls.close()
        self.ice.close()

    # What the network tells of.

    def receive_check(self, check: Message, ufrag: bytes, source: Remote, now: float) -> None:
        """Take a Binding request that names our `ufrag`."""
        before = self.ice.remote
        if not self.ice.answer(check, ufrag, source, now):
            return
        self.last_heard = now
        if self.ice.remote != before:
            self._sealer.redirect(self._ground.sockets.batch_for(source), source)

    def receive_dtls(self, datagram: bytes, now: float) -> None:
        """Take a DTLS datagram from a validated remote."""
        self._dtls.receive(datagram, now)

    def receive_media(self, size: int, now: float) -> None:
        """Take the SRTP or SRTCP packet of `size` bytes that lies in the receive buffer."""
        opener = self._opener
        if opener is None:
            return self._drop(Drop.SRTP_NOT_CONNECTED)
        if self._buffer.octets[1] in RTCP_TYPES:
            packet = opener.rtcp(size)
            deliver: Callable[[bytes, float], None] = self._listener.received_rtcp
        else:
            packet = opener.rtp(size)
            deliver = self._listener.received_rtp
        if packet is None:
            return None
        self.last_heard = now
        try:
            deliver(packet, now)
        except Exception:
            self._listener_failed()
        return None

    # From within.

    async def _connect(self, fingerprints: Sequence[tuple[str, str]], data_channels: bool) -> None:
        """Shake hands, then carry media; or end."""
        try:
            async with asyncio.timeout(self._ground.settings.handshake_timeout_s):
                failure = await self._dtls.handshake(fingerprints)
            if failure is None:
                self._secured(data_channels)
        except TimeoutError:
            failure = LinkEnd.HANDSHAKE_TIMEOUT
        except Exception:
            logger.exception("A handshake failed through a fault of ours")
            self._ground.counters.faults += 1
            failure = LinkEnd.FAULT
        self._connecting = None
        if failure is not None:
            self.end(failure)

    def _secured(self, data_channels: bool) -> None:
        ground, remote = self._ground, self.ice.remote
        assert remote is not None, "DTLS comes from validated remotes; the first of them is the link's"
        receiving, sending = self._dtls.srtp_sessions()
        self._opener = Opener(receiving, self._buffer, ground.settings.sources_per_link, ground.counters)
        self._sealer.open(sending, ground.sockets.batch_for(remote), remote)
        if data_channels:
            self._data = DataChannels(
                self._dtls.transport, ground.settings, ground.counters, self._received_data
            )
            self._data.start()
        self._move(LinkEvent.SECURED)
        try:
            self._listener.link_connected()
        except Exception:
            self._listener_failed()

    def _closed_by_peer(self) -> None:
        self.end(LinkEnd.CLOSED_BY_PEER)

    def _received_data(self, label: str, text: str) -> None:
        if self.state is LinkState.CLOSED:
            return
        try:
            self._listener.received_data(label, text)
        except Exception:
            self._listener_failed()

    def _listener_failed(self) -> None:
        logger.exception("A link's listener raised; closing the link")
        self._ground.counters.faults += 1
        self._drop(Drop.LISTENER_FAULT)
        self.end(LinkEnd.FAULT)

    def end(self, reason: LinkEnd) -> None:
        """Close for a reason of the link's own, and tell the listener."""
        if self.state is LinkState.CLOSED:
            return
        self.close(reason)
        try:
            self._listener.link_closed(reason)
        except Exception:
            logger.exception("A link's listener raised when told of its end")
            self._ground.counters.faults += 1

    def _move(self, event: LinkEvent) -> None:
        following = TRANSITIONS[self.state].get(event)
        if following is None:
            raise RuntimeError(f"A link that is {self.state} cannot {event.value}.")
        self._ground.counters.links[self.state] -= 1
        self._ground.counters.links[following] += 1
        self.state = following

    def _send_dtls(self, datagram: bytes) -> None:
        if self.ice.remote is not None:
            self._ground.sockets.send(datagram, self.ice.remote)

    def _drop(self, reason: Drop) -> None:
        self._ground.counters.drops[reason] += 1
