"""DTLS on aiortc's `RTCDtlsTransport`, which believes that it speaks through an ICE transport.

That belief needs three names, `role`, `_recv` and `_send` (`RecordWire`). SRTP never passes here: it is
bound to the two sessions the handshake leaves behind. aiortc's coroutines wait in `_recv` alone, so what
only sends runs to its end at once (`run_at_once`), and closing needs no task.

It knows no address and no link; what peers may do to it is bounded here: bytes before the handshake is
done, records per second, records waiting.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80
from OpenSSL import SSL
from pylibsrtp import Session

from sfu.transport.bucket import TokenBucket
from sfu.transport.certificate import Certificate
from sfu.transport.counters import Drop, LinkEnd
from sfu.transport.ground import Ground

SRTP_PROFILES = [SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80]
"""Cheapest first, and the server's order decides: at 1200 bytes GCM costs two thirds of CM with SHA-1."""

MAX_QUEUED_RECORDS = 64
_RECORD_HEADER_BYTES = 13
_CONTENT_TYPES = range(20, 27)


def split_records(datagram: bytes) -> Iterator[bytes]:
    """Cut a datagram into its DTLS records (RFC 6347 §4.1); a malformed rest is left out.

    aiortc reads one record per datagram, and the next one only when another datagram comes.
    """
    at = 0
    while at + _RECORD_HEADER_BYTES <= len(datagram) and datagram[at] in _CONTENT_TYPES:
        end = at + _RECORD_HEADER_BYTES + int.from_bytes(datagram[at + 11 : at + 13], "big")
        if end > len(datagram):
            return
        yield datagram[at:end]
        at = end


def run_at_once(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that has nothing to wait for; raises RuntimeError if it waits after all."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("A coroutine that should have run to its end is waiting.")


class RecordWire:
    """What `RTCDtlsTransport` takes for its ICE transport: records in from a bounded queue, datagrams out."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_datagram = send
        self._records: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, record: bytes) -> bool:
        """Queue a record for aiortc to read; False if the queue is full."""
        if len(self._records) >= MAX_QUEUED_RECORDS:
            return False
        self._records.append(record)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        return True

    async def _recv(self) -> bytes:
        """Return the next record. Cancelled while it waits, it loses none."""
        while not self._records:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._records.popleft()

    async def _send(self, data: bytes) -> None:
        self._send_datagram(data)


class DtlsServer:
    """The server's half of one DTLS association."""

    def __init__(
        self,
        certificate: Certificate,
        ground: Ground,
        send: Callable[[bytes], None],
        closed_by_peer: Callable[[], None],
    ) -> None:
        self._counters = ground.counters
        self._closed_by_peer = closed_by_peer
        self._bucket = TokenBucket(ground.settings.records_per_s, ground.settings.record_burst)
        self._handshake_bytes_left = ground.settings.handshake_bytes
        self._wire = RecordWire(send)
        self.transport = RTCDtlsTransport(self._wire, [certificate.shared])  # type: ignore[arg-type]
        self.transport._set_role("server")
        self.transport._srtp_profiles = SRTP_PROFILES

    def receive(self, datagram: bytes, now: float) -> None:
        """Take DTLS from the peer; returns at once."""
        if not self.transport.encrypted:
            self._handshake_bytes_left -= len(datagram)
            if self._handshake_bytes_left < 0:
                self._counters.drops[Drop.DTLS_HANDSHAKE_LIMIT] += 1
                return
        taken = 0
        for record in split_records(datagram):
            taken += len(record)
            if not self._bucket.take(now):
                self._counters.drops[Drop.DTLS_RATE] += 1
            elif not self._wire.feed(record):
                self._counters.drops[Drop.DTLS_QUEUE_FULL] += 1
        if taken < len(datagram):
            self._counters.drops[Drop.DTLS_MALFORMED] += 1

    async def handshake(self, fingerprints: Sequence[tuple[str, str]]) -> LinkEnd | None:
        """Shake hands with a peer whose certificate has one of `fingerprints`: None, or why it failed.

        Each fingerprint is an algorithm (such as "sha-256") and its hexadecimal value. Never times out by
        itself.
        """
        transport = self.transport
        parameters = RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(*each) for each in fingerprints])
        try:
            await transport.start(parameters)
        except SSL.Error:
            return LinkEnd.HANDSHAKE_FAILED
        if transport.state == "connected":
            transport.on("statechange", self._changed)
            return None
        if not transport.encrypted:
            return LinkEnd.HANDSHAKE_FAILED
        assert transport._ssl is not None
        if not transport._ssl.get_selected_srtp_profile():
            return LinkEnd.NO_COMMON_PROFILE
        return LinkEnd.FINGERPRINT_MISMATCH

    def srtp_sessions(self) -> tuple[Session, Session]:
        """Return the sessions for receiving and for sending. Call after a handshake that succeeded."""
        return self.transport._rx_srtp, self.transport._tx_srtp

    def close(self) -> None:
        """Say goodbye if there is someone to say it to, and stop."""
        self.transport.remove_all_listeners()
        run_at_once(self.transport.stop())

    def _changed(self) -> None:
        if self.transport.state == "closed":
            self._closed_by_peer()
