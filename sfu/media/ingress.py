"""Which layer of which track is a packet of?

MID and RID decide, learned once per SSRC (RFC 8843 §9.2, RFC 8852); then SSRCs named in the offer;
then, for clients that send neither, a payload type that only one m-line uses. SSRC and payload type
alone are never trusted to move a stream from one track to another.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sfu.congestion.arrivals import Arrivals
from sfu.media.clock import CaptureClock
from sfu.media.layer import Layer
from sfu.media.ports import Drop, Drops
from sfu.media.track import Track
from sfu.rtp import red
from sfu.rtp.packet import Packet, parse, plain, restore, with_payload
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"

MAX_STREAMS = 64
"""SSRCs one peer may send; a client needs at most a dozen."""
TAKEOVER_S = 1.0
"""An SSRC keeps its RID at least this long: encoders restart, they do not take turns."""


class Line:
    """A publishing m-line: its track, its RIDs smallest first, and the SSRCs its offer named.

    `ssrcs` is media SSRC → its RTX SSRC.
    """

    def __init__(
        self, track: Track, rids: tuple[str, ...] = (), ssrcs: Mapping[int, int | None] = MappingProxyType({})
    ) -> None:
        self.track = track
        self.track.top_rank = max(0, len(rids) - 1)
        self.rids = rids
        self.ssrcs = ssrcs
        self.ids = {uri: id_ for id_, uri in track.extensions.items()}
        self.originals = {
            format_.rtx_payload_type: format_.payload_type
            for format_ in track.formats.values()
            if format_.rtx_payload_type is not None
        }

    def sends(self, packet: Packet) -> bool:
        """Whether the packet's payload type belongs here."""
        return packet.payload_type in self.track.formats or packet.payload_type in self.originals

    def text(self, packet: Packet, uri: str) -> str | None:
        """Return a text extension of the packet (a MID or a RID), or None."""
        id_ = self.ids.get(uri)
        value = None if id_ is None else packet.extension(id_)
        return None if value is None else value.decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class _Repair:
    """An RTX stream: what it repairs."""

    layer: Layer
    originals: Mapping[int, int]


class Ingress:
    """A peer's incoming streams. `appeared` is called with each new layer before its first packet.

    `number_id` is the extension id of transport-wide sequence numbers, if the peer sends any; then
    `arrivals` has when its packets came.
    """

    def __init__(self, appeared: Callable[[Layer], None]) -> None:
        self.lines: dict[str, Line] = {}
        self.number_id: int | None = None
        self.drops: Drops = Counter()
        self.arrivals = Arrivals()
        self._capture = CaptureClock()
        self._streams: dict[int, Layer | _Repair] = {}
        self._learned_at: dict[int, float] = {}
        self._appeared = appeared

    def receive(self, data: bytes, now: float) -> None:
        """Take a decrypted RTP packet."""
        packet = parse(data, now)
        if packet is None:
            self.drops[Drop.MALFORMED] += 1
            return
        if self.number_id is not None:
            number = packet.extension(self.number_id)
            if number is not None and len(number) == 2:
                self.arrivals.arrived(number[0] << 8 | number[1], now)
        stream = self._streams.get(packet.ssrc) or self._learn(packet)
        if isinstance(stream, Layer):
            if packet.payload_type in stream.track.red_types:
                self._unfold(packet, stream)
            else:
                stream.receive(packet)
        elif stream is not None:
            self._repair(packet, stream)

    def add(self, mid: str, line: Line) -> None:
        """Take packets of a line from now on."""
        self.lines[mid] = line
        line.track.capture = self._capture
        self.number_id = line.ids.get(TRANSPORT_CC, self.number_id)

    def _unfold(self, packet: Packet, layer: Layer) -> None:
        """Take redundant audio apart; of what it repeats, take only what did not come by itself."""
        blocks = list(red.unpack(packet.data[packet.payload_start : packet.payload_end]))
        if not blocks:
            self.drops[Drop.MALFORMED] += 1
        for back in range(len(blocks) - 1, 0, -1):
            payload_type, ticks, payload = blocks[-1 - back]
            seq = packet.seq - back & 0xFFFF
            if layer.lacks(seq):
                earlier = plain(payload_type, seq, packet.timestamp - ticks, packet.ssrc, payload)
                self._receive_plain(earlier, packet.arrival, layer, repaired=True)
        for payload_type, _, payload in blocks[-1:]:
            self._receive_plain(with_payload(packet, payload_type, payload), packet.arrival, layer)

    def _receive_plain(self, data: bytes, now: float, layer: Layer, *, repaired: bool = False) -> None:
        packet = parse(data, now)
        if packet is not None and packet.payload_type not in layer.track.red_types:
            layer.receive(packet, repaired=repaired)

    def _repair(self, packet: Packet, stream: _Repair) -> None:
        payload_type = stream.originals.get(packet.payload_type)
        if payload_type is None:
            self.drops[Drop.UNKNOWN_PAYLOAD_TYPE] += 1
            return
        original = restore(packet, ssrc=stream.layer.ssrc, payload_type=payload_type)
        if original is None:
            self.drops[Drop.PADDING] += 1
        else:
            stream.layer.receive(original, repaired=True)

    def _learn(self, packet: Packet) -> Layer | _Repair | None:
        """Find the line and layer of an SSRC not seen before."""
        if len(self._streams) >= MAX_STREAMS:
            self.drops[Drop.TOO_MANY_STREAMS] += 1
            return None
        line = self._line_of(packet)
        stream = None if line is None else self._stream_of(packet, line)
        if stream is None:
            self.drops[Drop.UNKNOWN_STREAM] += 1
        else:
            self._streams[packet.ssrc] = stream
            self._learned_at[packet.ssrc] = packet.arrival
        return stream

    def _line_of(self, packet: Packet) -> Line | None:
        for line in self.lines.values():
            mid = line.text(packet, MID)
            if mid is not None:
                named = self.lines.get(mid)
                return named if named is not None and named.sends(packet) else None
        for line in self.lines.values():
            if packet.ssrc in line.ssrcs or packet.ssrc in line.ssrcs.values():
                return line if line.sends(packet) else None
        candidates = [line for line in self.lines.values() if line.sends(packet)]
        return candidates[0] if len(candidates) == 1 else None

    def _stream_of(self, packet: Packet, line: Line) -> Layer | _Repair | None:
        if packet.payload_type in line.originals:
            rid = line.text(packet, REPAIRED_RID) or line.text(packet, RID)
            layer = self._repaired(packet, line, rid)
            return None if layer is None else _Repair(layer, line.originals)
        rid = line.text(packet, RID)
        if line.rids and rid not in line.rids:
            return None
        rank = line.rids.index(rid) if line.rids and rid is not None else 0
        rid = rid if line.rids else None
        if self._is_taken(line.track, rid, packet.arrival):
            return None
        self._forget(line.track, rid)
        layer = line.track.add_layer(rid=rid, rank=rank, ssrc=packet.ssrc)
        self._appeared(layer)
        return layer

    def _is_taken(self, track: Track, rid: str | None, now: float) -> bool:
        """Whether another SSRC has the RID, and not for long enough to lose it."""
        return any(
            layer.rid == rid and now - self._learned_at[layer.ssrc] < TAKEOVER_S for layer in track.layers
        )

    def _repaired(self, packet: Packet, line: Line, rid: str | None) -> Layer | None:
        media = next((media for media, rtx in line.ssrcs.items() if rtx == packet.ssrc), None)
        for layer in line.track.layers:
            if layer.ssrc == media or (layer.rid == rid if line.rids else media is None):
                return layer
        return None

    def _forget(self, track: Track, rid: str | None) -> None:
        """A new SSRC takes over a RID: the streams of the one before it end."""
        for ssrc, stream in list(self._streams.items()):
            layer = stream if isinstance(stream, Layer) else stream.layer
            if layer.track is track and layer.rid == rid:
                del self._streams[ssrc], self._learned_at[ssrc]

    @property
    def layers(self) -> Iterator[Layer]:
        """Yield the layers of all lines."""
        for line in self.lines.values():
            yield from line.track.layers

    def layer(self, ssrc: int) -> Layer | None:
        """Return the layer that `ssrc` is of, if it is media."""
        stream = self._streams.get(ssrc)
        return stream if isinstance(stream, Layer) else None

    def remove(self, mid: str) -> None:
        """Forget a line and its streams."""
        line = self.lines.pop(mid, None)
        if line is None:
            return
        for layer in line.track.layers:
            self._forget(line.track, layer.rid)
        line.track.close()
