"""Reading many datagrams for little: two ways, one interface.

`BatchReader` takes up to 64 datagrams in one system call (recvmmsg through ctypes) and stamps them with
the time of the poll: what a load generator needs, at about 2 µs a packet. `StampingReader` asks the
kernel when each datagram arrived, so that a measured delay, or one that is told to the sender, holds
nothing of the reading process.
"""

import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Protocol

Datagram = tuple[memoryview, float]
"""The bytes, good until the next read, and the arrival time in seconds on the monotonic clock."""

_BATCH = 64
_MAX_BYTES = 2048

# struct iovec and struct mmsghdr (recvmsg(2), recvmmsg(2)) on 64-bit Linux: both have no holes to guess,
# as every pointer and length is eight bytes and each int is padded to eight.
_IOVEC = struct.Struct("=QQ")
_MMSGHDR = struct.Struct("=QI4xQQQQi4xI4x")
_LENGTH = struct.Struct("=I")
_LENGTH_OFFSET = 56
_CONTROL = struct.Struct("=QQ")
_CONTROL_OFFSET = 32
_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("=Q8xqq")
"""struct cmsghdr with a struct timespec: all the ancillary data there is."""


class Reader(Protocol):
    """Takes what has arrived on a socket."""

    def prepare(self, sock: socket.socket) -> None:
        """Set what this reader needs of a new socket."""

    def read(self, sock: socket.socket, now: float) -> list[Datagram]:
        """Return the datagrams that wait on a non-blocking socket, at most one batch, oldest first."""


class BatchReader:
    """Reads by recvmmsg into buffers made once."""

    def __init__(self) -> None:
        self._payload = bytearray(_BATCH * _MAX_BYTES)
        self._vectors = bytearray(_BATCH * _IOVEC.size)
        self._headers = bytearray(_BATCH * _MMSGHDR.size)
        for index in range(_BATCH):
            buffer = _address(self._payload) + index * _MAX_BYTES
            vector = _address(self._vectors) + index * _IOVEC.size
            _IOVEC.pack_into(self._vectors, index * _IOVEC.size, buffer, _MAX_BYTES)
            _MMSGHDR.pack_into(self._headers, index * _MMSGHDR.size, 0, 0, vector, 1, 0, 0, 0, 0)
        self._headers_address = _address(self._headers)
        self._view = memoryview(self._payload)
        self._receive = _recvmmsg()

    def prepare(self, sock: socket.socket) -> None:
        """Nothing to set."""

    def read(self, sock: socket.socket, now: float) -> list[Datagram]:
        """Return what waits; all of it bears the time of the poll."""
        count = self._receive(sock.fileno(), self._headers_address, _BATCH, socket.MSG_DONTWAIT, None)
        datagrams: list[Datagram] = []
        for index in range(count):
            (size,) = _LENGTH.unpack_from(self._headers, index * _MMSGHDR.size + _LENGTH_OFFSET)
            start = index * _MAX_BYTES
            datagrams.append((self._view[start : start + size], now))
        return datagrams


class StampingReader(BatchReader):
    """Reads as many, with the kernel's arrival times (SO_TIMESTAMPNS, socket(7))."""

    def __init__(self) -> None:
        super().__init__()
        self._monotonic_minus_unix_s = time.monotonic() - time.time()
        self._stamps = bytearray(_BATCH * _STAMP.size)
        for index in range(_BATCH):
            control = _address(self._stamps) + index * _STAMP.size
            _CONTROL.pack_into(self._headers, index * _MMSGHDR.size + _CONTROL_OFFSET, control, _STAMP.size)
        self._fresh_headers = bytes(self._headers)
        self._no_stamps = bytes(self._stamps)

    def prepare(self, sock: socket.socket) -> None:
        """Ask for arrival times."""
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def read(self, sock: socket.socket, now: float) -> list[Datagram]:
        """Return what waits; a datagram that bears no time gets the time of the poll."""
        self._headers[:] = self._fresh_headers  # the kernel writes the size of each stamp into them
        self._stamps[:] = self._no_stamps
        datagrams = super().read(sock, now)
        stamps = _STAMP.iter_unpack(self._stamps)
        moved = self._monotonic_minus_unix_s
        return [
            (datagram, seconds + nanoseconds / 1e9 + moved if size else now)
            for (datagram, _), (size, seconds, nanoseconds) in zip(datagrams, stamps, strict=False)
        ]


def _recvmmsg() -> Callable[..., Any]:
    if ctypes.sizeof(ctypes.c_void_p) != 8 or not hasattr(os, "sched_setaffinity"):
        raise OSError("light bots read with recvmmsg and need 64-bit Linux")
    function = ctypes.CDLL(None).recvmmsg
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
    return function


def _address(buffer: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
