"""The send batch: packets made during one drain of a socket, handed to the kernel in one system call.

Memory is a row of slots. A packet is protected in place in the next one, and the kernel's description of
it (`struct mmsghdr`, `struct iovec`) was made long before: only its size and its receiver are filled in.
If each peer is sent one packet, or the kernel cannot segment, one `sendmmsg` over the slots sends them
all. Otherwise the packets are first gathered by peer into runs of equal size (a shorter last one allowed),
each run one message that the kernel or the network card cuts up (`UDP_SEGMENT`).

Measured on loopback with 1200 bytes, µs per packet: 3.4 by `socket.sendto`, 2.6 by `sendmmsg`, about 1 in
runs. `sendmmsg` is called through cffi, as libsrtp is, because Python's socket module lacks it. The batch
knows nothing of links, keys or why a packet is sent. Linux only.
"""

import errno
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from cffi import FFI  # type: ignore[import-untyped]

from sfu.transport.counters import Counters, Drop
from sfu.transport.stun import Address

MAX_PACKET = 1500
"""The largest packet in the clear, in bytes."""
MAX_TRAILER = 160
"""What protection may add: libsrtp's SRTP_MAX_TRAILER_LEN and the SRTCP index, rounded up."""
SLOTS = 1024
"""Packets in a batch; a drain that makes more is flushed in the middle. `sendmmsg` takes no more."""
STRIDE = 1664
"""Bytes from slot to slot: room for a packet, and no power of two, which would crowd the caches."""
MAX_SEGMENTS = 64
"""Packets in a run: UDP_MAX_SEGMENTS of the kernels before 6.10."""
MAX_RUN_BYTES = 65_000
"""Bytes in a run, which is one UDP datagram until it is cut; IPv4 allows 65,507."""

SOL_UDP = 17
UDP_SEGMENT = 103
_SEGMENTING_ERRORS = (errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
_ADDRESS_BYTES = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6)."""

Pointer = Any
"""A cffi pointer; cffi has no types to name."""

_ffi = FFI()
_ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen;
        struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen;
        int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
    """
)
_libc = _ffi.dlopen(None)

# The same structures as rows of 64-bit words: storing into a memoryview takes half the time of storing
# through cffi. MESSAGE words per struct mmsghdr, VECTOR words per struct iovec, then where its fields are.
MESSAGE = 8
_NAME, _VECTORS, _VECTOR_COUNT, _CONTROL, _CONTROL_BYTES = 0, 2, 3, 4, 5
VECTOR = 2
_BASE, SIZE = 0, 1

_SEGMENT_CONTROL = struct.Struct("@NiiH")
"""struct cmsghdr, and in it the size of the segments."""


class Block:
    """Bytes that stay at one place in memory, for the kernel to be pointed at."""

    __slots__ = ("_owner", "location")

    def __init__(self, content: bytes) -> None:
        self._owner: Pointer = _ffi.new("unsigned char[]", content)
        self.location = _location(self._owner)


def socket_address(address: Address) -> Block:
    """Return `address` as struct sockaddr_in or sockaddr_in6."""
    host, port = address[0].partition("%")[0], address[1]
    if len(address) == 2:
        family = socket.AF_INET
        rest = struct.pack("!H", port) + socket.inet_pton(family, host) + bytes(8)
    else:
        family = socket.AF_INET6
        flow, scope = address[2:]
        rest = struct.pack("!HI", port, flow) + socket.inet_pton(family, host) + struct.pack("@I", scope)
    return Block(struct.pack("@H", family) + rest)


class Outbox:
    """One peer's packets in a batch, by slot, and where they go."""

    __slots__ = ("_destination", "location", "slots")

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.location = 0

    def aim(self, address: Address) -> None:
        """Send to `address`. Not to be changed while packets wait."""
        self._destination = socket_address(address)
        self.location = self._destination.location


class Messages:
    """An array of SLOTS messages and one of as many vectors: the arguments of `sendmmsg`."""

    def __init__(self, udp: socket.socket, counters: Counters) -> None:
        self._fd = udp.fileno()
        self._counters = counters
        self._array: Pointer = _ffi.new("struct mmsghdr[]", SLOTS)
        self._vectors: Pointer = _ffi.new("struct iovec[]", SLOTS)
        for index in range(SLOTS):
            self._array[index].msg_hdr.msg_namelen = _ADDRESS_BYTES[udp.family]
        self.words = memoryview(_ffi.buffer(self._array)).cast("Q")
        self.vectors = memoryview(_ffi.buffer(self._vectors)).cast("Q")
        self.vectors_location = _location(self._vectors)

    def transmit(self, messages: int, packets: int) -> bool:
        """Send the first `messages`, of `packets` vectors; False if the kernel turned out not to segment.

        What the kernel does not take is counted, and gone as if lost on the way.
        """
        counters = self._counters
        counters.datagrams_out += packets
        counters.bytes_out += sum(self.vectors[SIZE : VECTOR * packets : VECTOR])
        segmented = True
        at = 0
        while at < messages:
            taken = _libc.sendmmsg(self._fd, self._array + at, messages - at, 0)
            counters.send_calls += 1
            if taken > 0:
                at += taken
            elif _ffi.errno == errno.EAGAIN:
                self._lose(range(at, messages), Drop.SEND_BUFFER_FULL)
                break
            elif _ffi.errno != errno.EINTR:
                segmented &= self._refused(at, _ffi.errno)
                at += 1
        return segmented

    def _refused(self, index: int, code: int) -> bool:
        """Resend a run that was not segmented, packet by packet; give up on anything else.

        False if packets passed singly that did not pass as a run.
        """
        message = self._array[index].msg_hdr
        count, first = message.msg_iovlen, message.msg_iov
        if count == 1 or code not in _SEGMENTING_ERRORS:
            self._lose((index,), Drop.SEND_BUFFER_FULL if code == errno.ENOBUFS else Drop.SEND_ERROR)
            return True
        message.msg_iovlen = 1
        message.msg_controllen = 0
        passed = 0
        for piece in range(count):
            message.msg_iov = first + piece
            if _libc.sendmmsg(self._fd, self._array + index, 1, 0) == 1:
                passed += 1
            else:
                self._lose((index,), Drop.SEND_ERROR)
        return not passed

    def _lose(self, indices: Iterable[int], reason: Drop) -> None:
        """Take back from the counters the packets of messages that were not sent."""
        for index in indices:
            message = self._array[index].msg_hdr
            for piece in range(message.msg_iovlen):
                self._counters.datagrams_out -= 1
                self._counters.bytes_out -= message.msg_iov[piece].iov_len
                self._counters.drops[reason] += 1


class PacketOutbox(Protocol):
    """One peer's packets in a batch, by slot; `location` is what the batch has beside each in `words`."""

    slots: list[int]
    location: int


class PacketBatch(ABC):
    """What is sent at the next flush: `Batch` over UDP, `tcp.FrameBatch` over TCP.

    A writer (`srtp.Sealer`) flushes if `used` is SLOTS; puts a packet into slot number `used`, which is at
    `slots[used]` in memory and at `view[used * STRIDE :]`; notes its size in `vectors` and its destination
    in `words`; and appends the slot to its outbox, and the outbox to `dirty` if it was empty.
    """

    def __init__(self, words: memoryview, vectors: memoryview) -> None:
        self._memory: Pointer = _ffi.new("unsigned char[]", SLOTS * STRIDE)
        self.view = _ffi.buffer(self._memory)
        self.slots = [self._memory + slot * STRIDE for slot in range(SLOTS)]
        self.words = words
        self.vectors = vectors
        self.length: Pointer = _ffi.new("int *")
        """For a writer's use: what libsrtp is told of a packet's size, and tells."""
        self.used = 0
        self.micros = 0
        """When what is put in now is said to leave, in microseconds."""
        self.dirty: list[Any] = []

    @abstractmethod
    def outbox_to(self, remote: Any) -> PacketOutbox:
        """Return an outbox whose packets go to `remote`."""

    @abstractmethod
    def flush(self) -> None:
        """Send every packet."""


class Batch(PacketBatch):
    """What one UDP socket sends at the next flush."""

    def __init__(self, udp: socket.socket, counters: Counters) -> None:
        self._counters = counters
        self._singles = Messages(udp, counters)
        super().__init__(self._singles.words, self._singles.vectors)
        for slot in range(SLOTS):
            self.vectors[slot * VECTOR + _BASE] = _location(self.slots[slot])
            self.words[slot * MESSAGE + _VECTORS] = self._singles.vectors_location + slot * 8 * VECTOR
            self.words[slot * MESSAGE + _VECTOR_COUNT] = 1
        self._runs = Messages(udp, counters)
        self._controls: dict[int, Block] = {}
        self._segmenting = _kernel_segments(udp)

    def outbox_to(self, remote: Address) -> Outbox:
        """Return an outbox whose packets go to `remote`."""
        outbox = Outbox()
        outbox.aim(remote)
        return outbox

    def flush(self) -> None:
        """Send every packet."""
        if len(self.dirty) == self.used or not self._segmenting:
            self._singles.transmit(self.used, self.used)
        else:
            self._segmenting = self._runs.transmit(self._gather(), self.used)
        for outbox in self.dirty:
            outbox.slots.clear()
        self.dirty.clear()
        self.used = 0

    def _gather(self) -> int:
        """Describe all packets as runs, peer by peer and in order; return how many messages that makes."""
        sizes = self.vectors
        vectors, words = self._runs.vectors, self._runs.words
        message = -MESSAGE
        vector = runs = singles = 0
        for outbox in self.dirty:
            count = limit = segment = 0
            for slot in outbox.slots:
                size = sizes[slot * VECTOR + SIZE]
                if count < limit and size <= segment:
                    count += 1
                    if size < segment:
                        limit = count  # a shorter packet ends its run
                    if count == 2:
                        words[message + _CONTROL] = self._control(segment)
                        words[message + _CONTROL_BYTES] = _SEGMENT_CONTROL.size
                        runs += 1
                        singles -= 1
                else:
                    message += MESSAGE
                    words[message + _NAME] = outbox.location
                    words[message + _VECTORS] = self._runs.vectors_location + vector * 8
                    words[message + _CONTROL_BYTES] = 0
                    segment = size
                    limit = min(MAX_SEGMENTS, MAX_RUN_BYTES // size)
                    count = 1
                    singles += 1
                words[message + _VECTOR_COUNT] = count
                vectors[vector] = sizes[slot * VECTOR]
                vectors[vector + SIZE] = size
                vector += VECTOR
        self._counters.gso_batches += runs
        self._counters.gso_packets += self.used - singles
        return runs + singles

    def _control(self, size: int) -> int:
        """Return where in memory the ancillary data is that asks for segments of `size` bytes."""
        control = self._controls.get(size)
        if control is None:
            packed = _SEGMENT_CONTROL.pack(_SEGMENT_CONTROL.size, SOL_UDP, UDP_SEGMENT, size)
            control = self._controls[size] = Block(packed)
        return control.location


def _location(pointer: Pointer) -> int:
    return int(_ffi.cast("uintptr_t", pointer))


def _kernel_segments(udp: socket.socket) -> bool:
    """Tell whether the kernel knows UDP_SEGMENT (Linux 4.18)."""
    try:
        udp.getsockopt(SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True
