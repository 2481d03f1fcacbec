"""A node's listening TCP sockets, one per address family on one port, and the connections they accept.

For peers whose network lets no UDP through: the node is the passive side (RFC 6544 §4.1), and a connection
carries what would be datagrams. Who connects is nobody until a check with integrity has come: those who
say anything else first are put out, and when there are too many, those go who have waited longest, so that
nobody keeps others out by connecting and saying nothing.
"""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from sfu.transport.batch import MESSAGE, SIZE, SLOTS, STRIDE, VECTOR, PacketBatch
from sfu.transport.connection import Connection
from sfu.transport.counters import ConnectionEnd, Counters
from sfu.transport.settings import NetworkSettings
from sfu.transport.stun import Address

ACCEPT_LIMIT = 64
"""Connections accepted per wake-up, so that the loop's other work has its turn."""
ACCEPT_PAUSE_S = 1.0
"""For how long nothing is accepted after the system refused, for want of descriptors or memory."""
BACKLOG = 1024
"""Connections that wait to be accepted; the system's own maximum is lower on most machines."""
UNSENT_BYTES = 16 << 10
"""What the kernel takes before it has sent what it took, so that media waits where we can drop it."""
SILENCE_S = 20
"""After how long without acknowledgement the kernel gives a connection up."""
_TCP_NOTSENT_LOWAT = 25
_V6_NETWORK_BYTES = 8
_TRANSIENT = (errno.ECONNABORTED, errno.EINTR, errno.EPROTO)


class FrameBatch(PacketBatch):
    """What all TCP connections send at the next flush."""

    def __init__(self) -> None:
        words, vectors = (memoryview(bytearray(8 * each * SLOTS)).cast("Q") for each in (MESSAGE, VECTOR))
        super().__init__(words, vectors)

    def outbox_to(self, remote: Connection) -> Connection:
        """Return where the packets to `remote` are noted: at itself."""
        return remote

    def flush(self) -> None:
        """Frame every packet and send it."""
        for connection in self.dirty:
            for slot in connection.slots:
                start = slot * STRIDE
                connection.queue(self.view[start : start + self.vectors[slot * VECTOR + SIZE]])
            connection.slots.clear()
            connection.flush()
        self.dirty.clear()
        self.used = 0


class TcpListeners:
    """The listening sockets, and all connections; `received` is told of a connection that can be read."""

    def __init__(
        self,
        hosts: Iterable[str],
        port: int,
        settings: NetworkSettings,
        counters: Counters,
        received: Callable[[Connection], None],
        ended: Callable[[Connection], None],
    ) -> None:
        """Listen on `port` of each of `hosts`; raises OSError if it is taken. With none, nothing connects."""
        self._settings = settings
        self._counters = counters
        self._received = received
        self._told_of_end = ended
        self._loop = asyncio.get_running_loop()
        self._by_origin: Counter[bytes] = Counter()
        self._connections: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # for a check, the longest first; some no longer are
        self.batch = FrameBatch()
        self.sockets: list[socket.socket] = []
        try:
            for host in hosts:
                self.sockets.append(_listen(host, port))
        except OSError:
            self.close()
            raise
        for listener in self.sockets:
            self._loop.add_reader(listener, self._accept, listener)

    def close(self) -> None:
        """Close the listening sockets and every connection."""
        for listener in self.sockets:
            self._loop.remove_reader(listener)
            listener.close()
        self.sockets.clear()
        for connection in list(self._connections):
            connection.close()

    def _accept(self, listener: socket.socket) -> None:
        """Take the connections that wait, up to ACCEPT_LIMIT."""
        for _ in range(ACCEPT_LIMIT):
            try:
                tcp, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._counters.connection_ends[ConnectionEnd.NOT_ACCEPTED] += 1
                if error.errno not in _TRANSIENT:
                    self._pause(listener)
                    return
            else:
                self._admit(tcp, address)

    def _pause(self, listener: socket.socket) -> None:
        """Accept nothing for a while: a listener that cannot accept would wake us without end."""
        self._loop.remove_reader(listener)
        self._loop.call_later(ACCEPT_PAUSE_S, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self.sockets:
            self._loop.add_reader(listener, self._accept, listener)

    def _admit(self, tcp: socket.socket, address: Address) -> None:
        """Begin with a connection, or close it if there are too many."""
        origin = _origin(address)
        if self._by_origin[origin] >= self._settings.tcp_connections_per_address:
            return self._turn_away(tcp, ConnectionEnd.TOO_MANY_OF_ADDRESS)
        if len(self._connections) >= self._settings.tcp_connections and not self._make_room():
            return self._turn_away(tcp, ConnectionEnd.TOO_MANY)
        tcp.setblocking(False)
        connection = Connection(tcp, address, self._settings, self._counters, self._forget)
        self._connections.add(connection)
        self._waiting[connection] = None
        self._by_origin[origin] += 1
        self._loop.add_reader(tcp, self._received, connection)
        return None

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for its first check; False if none waits."""
        while self._waiting:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            if not oldest.is_validated:
                oldest.close(ConnectionEnd.TOO_MANY)
                return True
        return False

    def _turn_away(self, tcp: socket.socket, reason: ConnectionEnd) -> None:
        self._counters.connection_ends[reason] += 1
        tcp.close()

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._waiting.pop(connection, None)
        origin = _origin(connection.address)
        self._by_origin[origin] -= 1
        if not self._by_origin[origin]:
            del self._by_origin[origin]
        self._told_of_end(connection)


def _origin(address: Address) -> bytes:
    """Return whom we count a connection as: an IPv4 address, or the /64 network of an IPv6 address."""
    packed = ip_address(address[0].partition("%")[0]).packed
    return packed if len(packed) == 4 else packed[:_V6_NETWORK_BYTES]


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket whose options are those of the connections it accepts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    for option, value in (
        (socket.TCP_NODELAY, 1),
        (_TCP_NOTSENT_LOWAT, UNSENT_BYTES),
        (socket.TCP_USER_TIMEOUT, SILENCE_S * 1000),
        (socket.TCP_KEEPIDLE, SILENCE_S // 2),
        (socket.TCP_KEEPINTVL, SILENCE_S // 4),
    ):
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener
