"""All sockets of a node, and the one place where datagrams come in.

`_drain` is the receive path, to be read from top to bottom: up to DRAIN_LIMIT datagrams per wake-up, told
apart by their first byte (RFC 7983 §7), each handed to its link at once. Media and DTLS count only from
an address that a check with integrity has validated. At the end, what the links queued on the way is
flushed. Nothing that a datagram holds can raise out of here. `_drain_connection` is the same for what comes
over TCP, where a connection takes the place of an address.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from sfu.transport.candidates import Candidate, candidates
from sfu.transport.certificate import Certificate
from sfu.transport.connection import Connection
from sfu.transport.counters import ConnectionEnd, Counters, Drop, LinkEnd
from sfu.transport.ground import Directory, Ground
from sfu.transport.link import Link, LinkListener
from sfu.transport.settings import NetworkSettings
from sfu.transport.sockets import Remote, Sockets
from sfu.transport.srtp import MAX_DATAGRAM, ReceiveBuffer
from sfu.transport.stun import BINDING_REQUEST, Address, parse

logger = logging.getLogger(__name__)

DRAIN_LIMIT = 64
"""Datagrams read per wake-up, so that the loop's other work has its turn."""
LAST_STUN = 3
DTLS = range(20, 64)
MEDIA = range(128, 192)
"""What the first byte of a datagram may be (RFC 7983 §7)."""


class Network:
    """A node's network: opened once, closed once; in between, links are made on it.

    `fingerprint` is that of our certificate, as SDP has it.
    """

    def __init__(self, settings: NetworkSettings, certificate: Certificate) -> None:
        self.counters = Counters()
        self.fingerprint = certificate.fingerprint
        self._settings = settings
        self._certificate = certificate
        self._directory = Directory()
        self._buffer = ReceiveBuffer()
        self._ground: Ground | None = None

    async def open(self) -> None:
        """Bind and listen. Raises OSError if the port is taken, ValueError if there is no address to bind."""
        self._loop = asyncio.get_running_loop()
        sockets = Sockets(self._settings, self.counters, self._drain_connection, self._disconnected)
        self._ground = Ground(self._settings, self.counters, self._directory, sockets)
        for udp in sockets.udp.sockets:
            self._loop.add_reader(udp, self._drain, udp.recvfrom_into)

    def close(self) -> None:
        """Close every link, without a word to its listener, and the sockets."""
        if self._ground is None:
            return
        for link in set(self._directory.by_ufrag.values()):
            link.close()
        for udp in self._ground.sockets.udp.sockets:
            self._loop.remove_reader(udp)
        self._ground.sockets.close()
        self._ground = None

    @property
    def port(self) -> int:
        """The UDP port of both families."""
        return self._opened.sockets.udp.port

    @property
    def tcp_port(self) -> int:
        """The TCP port of both families; 0 if there is none."""
        return self._opened.sockets.tcp_port

    def candidates(self, *, loopback: bool = False) -> tuple[Candidate, ...]:
        """Return the addresses to advertise: those of the setting, else this machine's.

        The machine's loopback addresses are among them only if `loopback` asks for them, or if it has no
        others.
        """
        families = [4 if udp.family == socket.AF_INET else 6 for udp in self._opened.sockets.udp.sockets]
        addresses = self._settings.addresses
        return candidates(addresses, self.port, self.tcp_port, loopback=loopback, families=families)

    def create_link(self, listener: LinkListener) -> Link:
        """Make a link that tells `listener` of what comes."""
        return Link(listener, self._opened, self._certificate, self._buffer)

    def begin(self) -> None:
        """What links queue from here on leaves now. Each drain begins with it; so does a tick."""
        if self._ground is not None:
            self._ground.sockets.set_time(self._loop.time())

    def flush(self) -> None:
        """Send what links have queued. Each drain ends with it; call it after queueing outside of one."""
        if self._ground is not None:
            self._ground.sockets.flush()

    @property
    def _opened(self) -> Ground:
        if self._ground is None:
            raise RuntimeError("The network is not open.")
        return self._ground

    def _drain(self, receive: Callable[[memoryview], tuple[int, Address]]) -> None:
        """Take what a socket holds, up to DRAIN_LIMIT datagrams, and send what came of it."""
        now = self._loop.time()
        self._opened.sockets.set_time(now)
        before = self.counters.datagrams_in
        octets = self._buffer.octets
        for _ in range(DRAIN_LIMIT):
            try:
                size, source = receive(octets)
            except BlockingIOError:
                break
            except OSError:
                self._drop(Drop.RECEIVE_ERROR)
                continue
            try:
                self._take(size, source, now)
            except Exception:
                self._contain(source)
        self.flush()
        self.counters.forward_delay.observe(self._loop.time() - now, self.counters.datagrams_in - before)

    def _drain_connection(self, connection: Connection) -> None:
        """Take what was read of a connection, and send what came of it. It must begin with a good check."""
        now = self._loop.time()
        self._opened.sockets.set_time(now)
        before = self.counters.datagrams_in
        for size in connection.frames(self._buffer.octets):
            try:
                self._take(size, connection, now)
            except Exception:
                self._contain(connection)
            if connection in self._directory.by_remote:
                connection.validate()
            else:
                connection.close(ConnectionEnd.NO_CHECK)
        self.flush()
        self.counters.forward_delay.observe(self._loop.time() - now, self.counters.datagrams_in - before)

    def _disconnected(self, connection: Connection) -> None:
        """Take a connection that has ended from the link that had it."""
        link = self._directory.by_remote.get(connection)
        if link is not None:
            link.ice.forget(connection)

    def _take(self, size: int, source: Remote, now: float) -> None:
        """Hand the datagram in the buffer to whom it belongs."""
        self.counters.datagrams_in += 1
        self.counters.bytes_in += size
        first = self._buffer.octets[0]
        if not size:
            self._drop(Drop.EMPTY)
        elif size > MAX_DATAGRAM:
            self._drop(Drop.OVERSIZED)
        elif first <= LAST_STUN:
            self._take_check(self._buffer.view[0:size], source, now)
        elif (link := self._directory.by_remote.get(source)) is None:
            self._drop(Drop.UNKNOWN_ADDRESS)
        elif first in MEDIA:
            link.receive_media(size, now)
        elif first in DTLS:
            link.receive_dtls(self._buffer.view[0:size], now)
        else:
            self._drop(Drop.UNKNOWN_PROTOCOL)

    def _take_check(self, datagram: bytes, source: Remote, now: float) -> None:
        """Hand a connectivity check to the link whose ufrag it names (RFC 8445 §7.3)."""
        check = parse(datagram)
        if check is None:
            return self._drop(Drop.STUN_MALFORMED)
        if check.type != BINDING_REQUEST:
            return self._drop(Drop.STUN_UNEXPECTED)
        if check.username is None:
            return self._drop(Drop.STUN_UNAUTHENTICATED)
        ufrag = check.username.partition(b":")[0]
        link = self._directory.by_ufrag.get(ufrag)
        if link is None:
            return self._drop(Drop.STUN_UNKNOWN_UFRAG)
        return link.receive_check(check, ufrag, source, now)

    def _contain(self, source: Remote) -> None:
        """Log a bug that a datagram from `source` found, and close the link it struck."""
        logger.exception("A datagram raised")
        self.counters.faults += 1
        link = self._directory.by_remote.get(source)
        if link is not None:
            link.end(LinkEnd.FAULT)

    def _drop(self, reason: Drop) -> None:
        self.counters.drops[reason] += 1
