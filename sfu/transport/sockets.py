"""All sockets of a node: what goes out goes by where it goes to, a UDP address or a TCP connection."""

from collections.abc import Callable

from sfu.transport.batch import PacketBatch
from sfu.transport.connection import Connection
from sfu.transport.counters import Counters
from sfu.transport.settings import NetworkSettings
from sfu.transport.stun import Address
from sfu.transport.tcp import TcpListeners
from sfu.transport.udp import UdpSockets

_PORT_ATTEMPTS = 16

Remote = Address | Connection
"""Where a peer is: at an address over UDP, or at the other end of a TCP connection."""


class Sockets:
    """The UDP sockets, and the TCP listeners at the same addresses."""

    def __init__(
        self,
        settings: NetworkSettings,
        counters: Counters,
        received: Callable[[Connection], None],
        ended: Callable[[Connection], None],
    ) -> None:
        """Bind; raises OSError if a port is taken, ValueError if the settings name no address at all."""
        for attempt in range(_PORT_ATTEMPTS):
            self.udp = UdpSockets(settings, counters)
            self.tcp_port = self.udp.port if settings.tcp_port is None else settings.tcp_port
            hosts = [udp.getsockname()[0] for udp in self.udp.sockets] if self.tcp_port else []
            try:
                self.tcp = TcpListeners(hosts, self.tcp_port, settings, counters, received, ended)
            except OSError:
                self.udp.close()
                if settings.port or attempt + 1 == _PORT_ATTEMPTS:
                    raise
            else:
                return

    def send(self, datagram: bytes, remote: Remote) -> None:
        """Send one datagram at once, past the batch."""
        if isinstance(remote, Connection):
            remote.queue(datagram)
            remote.flush()
        else:
            self.udp.send(datagram, remote)

    def batch_for(self, remote: Remote) -> PacketBatch:
        """Return the batch that packets to `remote` belong in."""
        return self.tcp.batch if isinstance(remote, Connection) else self.udp.batch_for(remote)

    def set_time(self, now: float) -> None:
        """What is queued from now on leaves at `now`, in seconds."""
        self.udp.set_time(now)
        self.tcp.batch.micros = int(now * 1e6)

    def flush(self) -> None:
        """Send what the batches hold."""
        self.udp.flush()
        if self.tcp.batch.dirty:
            self.tcp.batch.flush()

    def close(self) -> None:
        """Close all sockets; what the batches hold is sent first."""
        self.flush()
        self.tcp.close()
        self.udp.close()
