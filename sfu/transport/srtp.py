"""SRTP and SRTCP, synchronously, on the two libsrtp sessions that a DTLS handshake made.

pylibsrtp's own methods allocate, copy in and copy out around each call, which costs as much as the
cipher. Here libsrtp works in place: on the buffer that the socket was read into, and on the batch that
the socket is written from. Nothing raises for what a peer sent: errors are counted drops.
"""

from collections.abc import Callable

from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from sfu.rtp.transport_cc import SentPackets, number_at
from sfu.transport.batch import (
    MAX_PACKET,
    MESSAGE,
    SIZE,
    SLOTS,
    STRIDE,
    VECTOR,
    PacketBatch,
    PacketOutbox,
    Pointer,
)
from sfu.transport.counters import Counters, Drop

MAX_DATAGRAM = 1500
"""The longest datagram we take, in bytes."""
_MIN_RTP = 12
_MIN_RTCP = 8
_REPLAYS = (9, 10)
"""srtp_err_status_replay_fail and _replay_old: a packet that the network delivered twice, or too late."""

Protect = Callable[[Pointer, Pointer, Pointer], int]
"""libsrtp's four: context, packet, length in and out; returns 0 or an error."""

srtp_protect: Protect = lib.srtp_protect
srtp_protect_rtcp: Protect = lib.srtp_protect_rtcp
srtp_unprotect: Protect = lib.srtp_unprotect
srtp_unprotect_rtcp: Protect = lib.srtp_unprotect_rtcp


class ReceiveBuffer:
    """The memory that datagrams are read into and decrypted in; one for all links of a loop.

    One byte longer than MAX_DATAGRAM, so that a datagram that was cut is told from one that fits.
    """

    __slots__ = ("length", "memory", "octets", "view")

    def __init__(self) -> None:
        self.memory: Pointer = ffi.new("unsigned char[]", MAX_DATAGRAM + 1)
        self.view = ffi.buffer(self.memory)
        """Slices are bytes."""
        self.octets = memoryview(self.view)
        """Items are integers."""
        self.length: Pointer = ffi.new("int *")


class Opener:
    """Decrypts what one peer sends."""

    __slots__ = ("_buffer", "_context", "_counters", "_limit", "_session", "_sources")

    def __init__(self, session: Session, buffer: ReceiveBuffer, limit: int, counters: Counters) -> None:
        """Take at most `limit` SSRCs, because libsrtp keeps a stream for each for good."""
        self._session = session  # owns what `_context` points to
        self._context: Pointer = session._srtp[0]
        self._buffer = buffer
        self._limit = limit
        self._counters = counters
        self._sources: set[bytes] = set()

    def rtp(self, size: int) -> bytes | None:
        """Decrypt the RTP packet of `size` bytes in the buffer; None if it was dropped."""
        if size < _MIN_RTP:
            self._counters.drops[Drop.SRTP_MALFORMED] += 1
            return None
        return self._open(srtp_unprotect, size, self._buffer.view[8:12])

    def rtcp(self, size: int) -> bytes | None:
        """Decrypt the RTCP compound of `size` bytes in the buffer; None if it was dropped."""
        if size < _MIN_RTCP:
            self._counters.drops[Drop.SRTP_MALFORMED] += 1
            return None
        return self._open(srtp_unprotect_rtcp, size, self._buffer.view[4:8])

    def _open(self, unprotect: Protect, size: int, source: bytes) -> bytes | None:
        known = source in self._sources
        if not known and len(self._sources) >= self._limit:
            self._counters.drops[Drop.SRTP_TOO_MANY_SOURCES] += 1
            return None
        buffer = self._buffer
        buffer.length[0] = size
        error = unprotect(self._context, buffer.memory, buffer.length)
        if error:
            self._counters.drops[Drop.SRTP_REPLAY if error in _REPLAYS else Drop.SRTP_AUTHENTICATION] += 1
            return None
        if not known:
            self._sources.add(source)
        packet: bytes = buffer.view[0 : buffer.length[0]]
        return packet


class Sealer:
    """Encrypts what one peer is sent, straight into the batch that will carry it. Shut until `open`."""

    __slots__ = (
        "_batch",
        "_context",
        "_counters",
        "_outbox",
        "_sent",
        "_session",
    )

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._outbox: PacketOutbox
        self._batch: PacketBatch | None = None
        self._session: Session | None = None
        self._context: Pointer = None
        self._sent: SentPackets | None = None

    def send_rtp(self, packet: bytes) -> None:
        """Queue an RTP packet, in the clear, until the next flush."""
        self._seal(srtp_protect, packet)

    def send_numbered_rtp(self, packet: bytes) -> None:
        """The same, and fill in its transport-wide number (`transport_cc.number_at`)."""
        self._seal(self._number_and_protect, packet)

    def send_rtcp(self, compound: bytes) -> None:
        """Queue an RTCP compound, in the clear, until the next flush."""
        self._seal(srtp_protect_rtcp, compound)

    def number(self, sent: SentPackets) -> None:
        """Number packets of `send_numbered_rtp` in `sent`."""
        self._sent = sent

    def _number_and_protect(self, context: Pointer, packet: Pointer, length: Pointer) -> int:
        """Do as `srtp_protect`, the number written first, in place: a stamped copy would cost more."""
        batch, sent = self._batch, self._sent
        if batch is not None and sent is not None:
            number = sent.note(batch.micros, length[0])
            at = number_at(packet)
            packet[at] = number >> 8 & 0xFF
            packet[at + 1] = number & 0xFF
        return srtp_protect(context, packet, length)

    def open(self, session: Session, batch: PacketBatch, remote: object) -> None:
        """Begin to send through `batch`, that of the socket which reaches `remote`."""
        self._session = session  # owns what `_context` points to
        self._context = session._srtp[0]
        self._batch = batch
        self._outbox = batch.outbox_to(remote)

    def redirect(self, batch: PacketBatch, remote: object) -> None:
        """Send elsewhere from now on; what was queued still goes to where it was to go."""
        if self._batch is None:
            return
        if self._outbox.slots:
            self._batch.flush()
        self._batch = batch
        self._outbox = batch.outbox_to(remote)

    def shut(self) -> None:
        """Accept nothing more; what was queued is still sent."""
        self._batch = None

    def _seal(self, protect: Protect, packet: bytes) -> None:
        batch = self._batch
        if batch is None:
            return self._drop(Drop.SEND_NOT_CONNECTED)
        size = len(packet)
        if size > MAX_PACKET:
            return self._drop(Drop.SEND_OVERSIZED)
        if batch.used == SLOTS:
            batch.flush()
        slot = batch.used
        start = slot * STRIDE
        batch.view[start : start + size] = packet
        length = batch.length
        length[0] = size
        if protect(self._context, batch.slots[slot], length):
            return self._drop(Drop.SEND_PROTECT)
        batch.vectors[slot * VECTOR + SIZE] = length[0]
        outbox = self._outbox
        batch.words[slot * MESSAGE] = outbox.location
        batch.used = slot + 1
        slots = outbox.slots
        if not slots:
            batch.dirty.append(outbox)
        slots.append(slot)
        return None

    def _drop(self, reason: Drop) -> None:
        self._counters.drops[reason] += 1
