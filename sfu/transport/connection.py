"""One TCP connection of a peer's: to the links what an address is over UDP (RFC 6544).

Each datagram is a frame of its size, in two bytes, and itself (RFC 4571). What was read is cut up at once;
what is sent waits here if the kernel does not take it, up to a bound, and whole frames are lost above
it. It knows no link, nor what is in a frame.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator

from sfu.transport.counters import ConnectionEnd, Counters, Drop
from sfu.transport.settings import NetworkSettings
from sfu.transport.srtp import MAX_DATAGRAM
from sfu.transport.stun import Address

READ_BYTES = 4096
"""Read per wake-up: a few packets, or so many empty frames as cost no more than a drain of UDP does."""
_SIZE_BYTES = 2


class Connection:
    """An accepted connection. `address` is the other end's.

    As an outbox of `tcp.FrameBatch` it has `slots`, its packets in the batch; their `location` means nothing.
    """

    location = 0

    def __init__(
        self,
        tcp: socket.socket,
        address: Address,
        settings: NetworkSettings,
        counters: Counters,
        ended: Callable[["Connection"], None],
    ) -> None:
        self.address = address
        self.slots: list[int] = []
        self.is_open = True
        self.is_validated = False
        self._socket = tcp
        self._counters = counters
        self._ended = ended
        self._limit = settings.tcp_backlog_bytes
        self._received = bytearray()
        self._unsent = bytearray()
        self._writing = False
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.call_later(
            settings.tcp_check_timeout_s, self.close, ConnectionEnd.CHECK_TIMEOUT
        )
        counters.connections += 1

    def validate(self) -> None:
        """Let the connection live for as long as its link wants it: a check with integrity came on it."""
        self.is_validated = True
        self._deadline.cancel()

    def frames(self, into: memoryview) -> Iterator[int]:
        """Read once; put one datagram after the other at the beginning of `into`, and yield its size."""
        try:
            octets = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            return self.close(ConnectionEnd.RESET)
        if not octets:
            return self.close(ConnectionEnd.CLOSED_BY_PEER)
        received = self._received
        received += octets
        at = 0
        while self.is_open and len(received) - at >= _SIZE_BYTES:
            begin = at + _SIZE_BYTES
            size = int.from_bytes(received[at:begin], "big")
            if size > MAX_DATAGRAM:
                self._counters.drops[Drop.OVERSIZED] += 1
                return self.close(ConnectionEnd.OVERSIZED)
            if len(received) - begin < size:
                break
            at = begin + size
            into[:size] = received[begin:at]
            yield size
        del received[:at]

    def queue(self, datagram: bytes) -> None:
        """Have a datagram sent by the next `flush`; lost, and counted, if too much is waiting already."""
        if not self.is_open:
            self._counters.drops[Drop.SEND_DISCONNECTED] += 1
        elif len(self._unsent) + _SIZE_BYTES + len(datagram) > self._limit:
            self._counters.drops[Drop.SEND_BACKLOG] += 1
        else:
            self._unsent += len(datagram).to_bytes(_SIZE_BYTES, "big")
            self._unsent += datagram
            self._counters.datagrams_out += 1
            self._counters.bytes_out += len(datagram)

    def flush(self) -> None:
        """Give the kernel what it takes of what waits, now and whenever it takes more."""
        if not self.is_open or not self._unsent:
            return None
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.close(ConnectionEnd.RESET)
        del self._unsent[:sent]
        return self._await_room(bool(self._unsent))

    def close(self, reason: ConnectionEnd = ConnectionEnd.CLOSED_HERE) -> None:
        """Close the connection; what waits is lost."""
        if not self.is_open:
            return
        self.is_open = False
        self._deadline.cancel()
        self._await_room(False)
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._unsent.clear()
        self._counters.connections -= 1
        self._counters.connection_ends[reason] += 1
        self._ended(self)

    def _await_room(self, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._socket, self.flush)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._socket)
        self._writing = wanted
