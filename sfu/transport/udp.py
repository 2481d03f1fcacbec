"""A node's UDP sockets: one per address family, on one port, non-blocking, with deep kernel buffers.

Opening and sending only; reading them is `network`'s business. Nothing here raises for what the network
does: a datagram that cannot be sent is counted.
"""

import errno
import logging
import socket

from sfu.transport.batch import Batch
from sfu.transport.counters import Counters, Drop
from sfu.transport.settings import NetworkSettings
from sfu.transport.stun import Address

logger = logging.getLogger(__name__)

ANY_V6 = "::"
_PORT_ATTEMPTS = 16
_SO_RCVBUFFORCE = 33
_SO_SNDBUFFORCE = 32
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class UdpSockets:
    """The sockets of both families, each with its batch."""

    def __init__(self, settings: NetworkSettings, counters: Counters) -> None:
        """Bind; raises OSError if a port is taken, ValueError if the settings name no address at all."""
        self._counters = counters
        self.sockets = _bind_all(settings)
        self.port: int = self.sockets[0].getsockname()[1]
        self._by_family = {udp.family: (udp, Batch(udp, counters)) for udp in self.sockets}

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram at once, past the batch."""
        udp, _ = self._by_family[_family(address)]
        try:
            udp.sendto(data, address)
        except BlockingIOError:
            self._counters.drops[Drop.SEND_BUFFER_FULL] += 1
        except OSError:
            self._counters.drops[Drop.SEND_ERROR] += 1
        else:
            self._counters.datagrams_out += 1
            self._counters.bytes_out += len(data)

    def batch_for(self, address: Address) -> Batch:
        """Return the batch that packets to `address` belong in."""
        return self._by_family[_family(address)][1]

    def set_time(self, now: float) -> None:
        """What is queued from now on leaves at `now`, in seconds."""
        micros = int(now * 1e6)
        for _, batch in self._by_family.values():
            batch.micros = micros

    def flush(self) -> None:
        """Send what the batches hold."""
        for _, batch in self._by_family.values():
            if batch.dirty:
                batch.flush()

    def close(self) -> None:
        """Close the sockets; what the batches hold is sent first."""
        self.flush()
        for udp in self.sockets:
            udp.close()


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if len(address) == 2 else socket.AF_INET6


def _bind_all(settings: NetworkSettings) -> list[socket.socket]:
    """Bind both families to one port. With port 0 the second family may find the first's port taken."""
    for attempt in range(_PORT_ATTEMPTS):
        sockets: list[socket.socket] = []
        try:
            port = settings.port
            if settings.bind_v4:
                sockets.append(_bind(socket.AF_INET, settings.bind_v4, port, settings))
                port = sockets[0].getsockname()[1]
            if settings.bind_v6 and (udp := _bind_v6(port, settings)):
                sockets.append(udp)
        except OSError:
            for udp in sockets:
                udp.close()
            if settings.port or attempt + 1 == _PORT_ATTEMPTS:
                raise
            continue
        if sockets:
            return sockets
        break
    raise ValueError("No address to listen on: give the node an IPv4 or IPv6 address this machine has.")


def _bind_v6(port: int, settings: NetworkSettings) -> socket.socket | None:
    """Bind IPv6, or return None on a machine that has none, unless the settings name an address of it."""
    try:
        return _bind(socket.AF_INET6, settings.bind_v6, port, settings)
    except OSError as error:
        if error.errno not in _NO_IPV6 or settings.bind_v6 != ANY_V6:
            raise
        logger.info("No IPv6 on this machine: serving IPv4 only")
        return None


def _bind(family: socket.AddressFamily, host: str, port: int, settings: NetworkSettings) -> socket.socket:
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _size_buffer(udp, _SO_RCVBUFFORCE, socket.SO_RCVBUF, settings.receive_buffer_bytes)
        _size_buffer(udp, _SO_SNDBUFFORCE, socket.SO_SNDBUF, settings.send_buffer_bytes)
        udp.bind((host, port))
    except OSError:
        udp.close()
        raise
    return udp


def _size_buffer(udp: socket.socket, force_option: int, option: int, size: int) -> None:
    """Ask for a kernel buffer of `size` bytes: past the system's maximum if we may, else up to it."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, force_option, size)
    except OSError:
        udp.setsockopt(socket.SOL_SOCKET, option, size)
