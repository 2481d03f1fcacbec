"""Data channels on aiortc's `RTCSctpTransport`, with a guard in front of it.

aiortc's SCTP trusts its peer: of what a peer can send, some raises out of the DTLS pump and takes the
media with it, some grows a buffer without end, and some (a parameter of length zero, a SACK of a few
hundred wide gaps) would keep the event loop for seconds or for good. So a packet is walked before aiortc
sees it (`plausible`), what it leaves behind is weighed after, and whatever still raises is caught. A peer
that fails any of this loses its association, and only that: media goes on.
"""

import asyncio
import logging
import struct
from collections.abc import Callable
from functools import partial

from aiortc import RTCDataChannel, RTCDtlsTransport, RTCSctpCapabilities, RTCSctpTransport
from OpenSSL import SSL

from sfu.transport.bucket import TokenBucket
from sfu.transport.counters import Counters, Drop
from sfu.transport.dtls import run_at_once
from sfu.transport.settings import NetworkSettings

logger = logging.getLogger(__name__)

SCTP_PORT = 5000
"""What WebRTC uses on both sides; answers carry it as `a=sctp-port`."""

MAX_STREAM_ID = 63
MAX_CONTROL_CHUNKS = 8
"""Chunks other than DATA in a packet. aiortc answers each HEARTBEAT with a packet."""
MAX_GAP_SPAN = 4096
"""TSNs that the gap blocks of a SACK may cover together. aiortc walks them one by one."""
MAX_MISORDERED = 256
"""TSNs received past a hole. aiortc sorts them on each arrival and reports them in each SACK."""
MAX_FRAGMENTS = 256
"""DATA chunks kept for reassembly. aiortc walks a stream's on each arrival."""

_COMMON_HEADER_BYTES = 12
_CHUNK = struct.Struct("!BBH")
_DATA = 0


def plausible(packet: bytes) -> bool:
    """Tell whether the chunks of an SCTP packet can be shown to aiortc (RFC 9260 §3.3)."""
    at = _COMMON_HEADER_BYTES
    control_chunks = 0
    while at + _CHUNK.size <= len(packet):
        kind, _, length = _CHUNK.unpack_from(packet, at)
        if length < _CHUNK.size or at + length > len(packet):
            return False
        sound = _SOUND.get(kind)
        if sound is not None and not sound(packet[at + _CHUNK.size : at + length]):
            return False
        control_chunks += kind != _DATA
        at += length + (-length % 4)
    return control_chunks <= MAX_CONTROL_CHUNKS


def _data_is_sound(body: bytes) -> bool:
    return len(body) > 12 and _stream_id(body, 4) <= MAX_STREAM_ID


def _init_is_sound(body: bytes) -> bool:
    return len(body) >= 16 and _parameters_are_sound(body[16:])


def _sack_is_sound(body: bytes) -> bool:
    if len(body) < 12:
        return False
    gaps, duplicates = struct.unpack_from("!HH", body, 8)
    if len(body) < 12 + 4 * (gaps + duplicates):
        return False
    blocks = struct.unpack_from(f"!{2 * gaps}H", body, 12)
    spans = [end - start for start, end in zip(blocks[::2], blocks[1::2], strict=True)]
    return min(spans, default=0) >= 0 and sum(spans) + gaps <= MAX_GAP_SPAN


def _forward_tsn_is_sound(body: bytes) -> bool:
    streams = range(4, len(body), 4)
    return (
        len(body) >= 4 and len(body) % 4 == 0 and all(_stream_id(body, at) <= MAX_STREAM_ID for at in streams)
    )


def _shutdown_is_sound(body: bytes) -> bool:
    return len(body) >= 4


def _parameters_are_sound(body: bytes) -> bool:
    """Tell whether the parameters have lengths that lead past themselves (RFC 9260 §3.2.1)."""
    at = 0
    while at + 4 <= len(body):
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        if length < 4 or at + length > len(body):
            return False
        at += length + (-length % 4)
    return True


def _stream_id(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 2], "big")


_SOUND: dict[int, Callable[[bytes], bool]] = {
    _DATA: _data_is_sound,
    1: _init_is_sound,
    2: _init_is_sound,
    3: _sack_is_sound,
    4: _parameters_are_sound,  # HEARTBEAT
    5: _parameters_are_sound,  # HEARTBEAT ACK
    6: _parameters_are_sound,  # ABORT
    7: _shutdown_is_sound,
    9: _parameters_are_sound,  # ERROR
    130: _parameters_are_sound,  # RE-CONFIG
    192: _forward_tsn_is_sound,
}
"""By chunk type. The others are empty or opaque, or aiortc skips them."""


class SctpPipe:
    """What `RTCSctpTransport` takes for its DTLS transport: a way out, and two facts.

    aiortc starts tasks and timers that send, and does not take them back when the association ends. A
    shut pipe cancels the task that sends into it, which ends it and the timer it would have set.
    """

    state = "connected"
    _role = "server"

    def __init__(self, transport: RTCDtlsTransport) -> None:
        self._transport = transport
        self.is_shut = False

    async def _send_data(self, data: bytes) -> None:
        if self.is_shut:
            raise asyncio.CancelledError
        try:
            await self._transport._send_data(data)
        except (ConnectionError, SSL.Error):
            logger.debug("SCTP packet lost: DTLS is down")

    def _register_data_receiver(self, _receiver: RTCSctpTransport) -> None:
        """The guard stands there instead."""

    def _unregister_data_receiver(self, _receiver: RTCSctpTransport) -> None:
        """The guard stands there instead."""


class DataChannels:
    """The data channels of one link, opened by the peer, of which each label has one."""

    def __init__(
        self,
        transport: RTCDtlsTransport,
        settings: NetworkSettings,
        counters: Counters,
        receive: Callable[[str, str], None],
    ) -> None:
        """Stand ready on a connected `transport`; `receive` is given the label and text of each message."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._counters = counters
        self._receive = receive
        self._bucket = TokenBucket(settings.messages_per_s, settings.message_burst)
        self._open: dict[str, RTCDataChannel] = {}
        self._pipe = SctpPipe(transport)
        self._sctp = RTCSctpTransport(self._pipe, port=SCTP_PORT)  # type: ignore[arg-type]
        self._sctp._advertised_rwnd = settings.reassembly_bytes
        self._sctp.on("datachannel", self._opened)
        transport._register_data_receiver(self)

    def start(self) -> None:
        """Ask the peer for an association, as it asks us (RFC 8841 §9.3)."""
        capabilities = RTCSctpCapabilities(maxMessageSize=self._settings.message_bytes)
        run_at_once(self._sctp.start(capabilities, SCTP_PORT))

    def send(self, label: str, text: str) -> bool:
        """Queue `text` on the channel of `label`; False, and counted, if it cannot be."""
        channel = self._open.get(label)
        if channel is None or channel.readyState != "open":
            return self._drop(Drop.DATA_NOT_OPEN)
        if channel.bufferedAmount > self._settings.data_backlog_bytes:
            return self._drop(Drop.DATA_BACKLOG)
        try:
            channel.send(text)
        except ValueError:
            return self._drop(Drop.DATA_UNSENDABLE)
        return True

    def close(self) -> None:
        """Abort the association."""
        if not self._pipe.is_shut:
            run_at_once(self._sctp.stop())
            self._pipe.is_shut = True

    async def _handle_data(self, packet: bytes) -> None:
        """Take one SCTP packet from the DTLS pump, and never raise into it."""
        if self._pipe.is_shut:
            self._drop(Drop.DATA_NOT_OPEN)
        elif not plausible(packet):
            self._abort("a packet that aiortc must not see")
        else:
            try:
                await self._sctp._handle_data(packet)
            except asyncio.CancelledError:
                if not self._pipe.is_shut:
                    raise
            except Exception as error:
                self._abort(f"aiortc could not take a packet: {error!r}")
            else:
                self._weigh()

    def _weigh(self) -> None:
        """See that what the peer has us keep stays within bounds, and that the association still is."""
        sctp = self._sctp
        if sctp.state == "closed":
            self._pipe.is_shut = True
            return
        fragments = sum(len(stream.reassembly) for stream in sctp._inbound_streams.values())
        if sctp._advertised_rwnd < -self._settings.message_bytes or fragments > MAX_FRAGMENTS:
            self._abort("too much to reassemble")
        elif len(sctp._sack_misordered) > MAX_MISORDERED:
            self._abort("too many holes")

    def _abort(self, why: str) -> None:
        self._drop(Drop.DATA_VIOLATION)
        logger.info("Data channels of a peer aborted: %s", why)
        self.close()

    def _opened(self, channel: RTCDataChannel) -> None:
        taken = self._open.get(channel.label)
        if channel.label not in self._settings.data_labels or (
            taken is not None and taken.readyState == "open"
        ):
            self._drop(Drop.DATA_LABEL)
            channel.close()
            return
        self._open[channel.label] = channel
        channel.on("message", partial(self._message, channel.label))

    def _message(self, label: str, message: str | bytes) -> None:
        if not self._bucket.take(self._loop.time()):
            self._drop(Drop.DATA_RATE)
        elif isinstance(message, bytes):
            self._drop(Drop.DATA_BINARY)
        elif len(message.encode()) > self._settings.message_bytes:
            self._drop(Drop.DATA_TOO_LARGE)
        else:
            self._receive(label, message)

    def _drop(self, reason: Drop) -> bool:
        self._counters.drops[reason] += 1
        return False
