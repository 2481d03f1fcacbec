"""One received RTP packet: its bytes, and what is read from them once for all its receivers.

RFC 3550 §5.1 (header), RFC 8285 (extensions), RFC 4588 (retransmission payload). Parsing is total:
any bytes give a packet or None. Nothing is rebuilt from fields; receivers get the original bytes
behind a header of their own.
"""

import struct
from collections.abc import Iterator, Mapping

from sfu.rtp.payload import OPAQUE, Payload
from sfu.rtp.sequence import Seq

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
ONE_BYTE = 0xBEDE
TWO_BYTE = 0x1000
MARKER = 0x80
MAX_EXTENSION = 255
"""Octets of one element's value (RFC 8285 §4.3)."""


class Packet:
    """An RTP packet in the clear.

    `seq` holds the 16 bits of the wire until the layer that receives it unwraps it. `data` is the whole
    packet, and its header alone once it was parted: then `head` is the start of the payload that may be
    rewritten for a receiver (a payload descriptor, often empty), `tail` the rest, shared by all. `octets` is
    the payload's size; a packet without payload is a probe, not media. `arrival` is monotonic time in
    seconds, `frame_arrival` that of the first packet of its frame.
    """

    __slots__ = (
        "_block",
        "_block_ids",
        "arrival",
        "data",
        "extension_profile",
        "extension_start",
        "frame_arrival",
        "head",
        "marker",
        "octets",
        "payload",
        "payload_end",
        "payload_start",
        "payload_type",
        "seq",
        "ssrc",
        "tail",
        "timestamp",
    )

    def __init__(self, data: bytes, fields: tuple[int, int, int, int, int], arrival: float) -> None:
        _, second, seq, self.timestamp, self.ssrc = fields
        self.seq = Seq(seq)
        self.data = data
        self.marker = second & MARKER
        self.payload_type = second & 0x7F
        self.arrival = self.frame_arrival = arrival
        self.extension_profile = 0
        self.extension_start = 0
        self.payload_start = 12
        self.payload_end = len(data)
        self.octets = 0
        self.payload: Payload = OPAQUE
        self.head = b""
        self.tail = b""
        self._block_ids: Mapping[int, int] | None = None
        self._block = b""

    def part(self, payload: Payload) -> None:
        """Note what the payload says, and keep header, head and tail, each once."""
        data, start = self.data, self.payload_start
        split = start + payload.size
        self.payload = payload
        self.head = data[start:split]
        self.tail = data[split : self.payload_end]
        self.data = data[:start]

    def extensions(self) -> Iterator[tuple[int, bytes]]:
        """Yield (id, value) of each header extension element; a malformed rest ends the iteration."""
        if not self.extension_profile:
            return
        data, at, end = self.data, self.extension_start, self.payload_start
        one_byte = self.extension_profile == ONE_BYTE
        while at < end:
            first = data[at]
            if first == 0:
                at += 1
                continue
            if one_byte:
                id_, size, at = first >> 4, (first & 15) + 1, at + 1
                if id_ == 15:
                    return
            else:
                if at + 1 >= end:
                    return
                id_, size, at = first, data[at + 1], at + 2
            if at + size > end:
                return
            yield id_, data[at : at + size]
            at += size

    def extension(self, id_: int) -> bytes | None:
        """Return the value of one extension, or None."""
        if self.extension_profile != ONE_BYTE:
            return next((value for found, value in self.extensions() if found == id_), None)
        data, at, end = self.data, self.extension_start, self.payload_start
        while at < end:
            first = data[at]
            size = (first & 15) + 1
            at += 1
            if first >> 4 == id_ and at + size <= end:
                return data[at : at + size]
            if first >> 4 == 15:
                return None
            if first:
                at += size
        return None

    def extension_block(self, ids: Mapping[int, int], own: tuple[tuple[int, bytes], ...] = ()) -> bytes:
        """Return the extension block for a receiver: `own`, then the elements in `ids` (ours → theirs).

        Empty when there are none. The block made last is kept: most receivers share one mapping.
        """
        if self._block_ids is not ids:
            self._block_ids = ids
            self._block = build_extensions([*own, *self.translate_extensions(ids)])
        return self._block

    def translate_extensions(self, ids: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
        """Yield the elements in `ids` (ours → theirs), as (their id, value)."""
        for id_, value in self.extensions():
            if id_ in ids:
                yield ids[id_], value


def parse(data: bytes, arrival: float) -> Packet | None:
    """Return the packet in `data`, or None when it is not a well-formed RTP packet."""
    size = len(data)
    if size < 12:
        return None
    fields = _FIXED.unpack_from(data)
    first = fields[0]
    if first >> 6 != 2:
        return None
    packet = Packet(data, fields, arrival)
    at = 12 + 4 * (first & 15)
    if first & 0x10:
        if at + 4 > size:
            return None
        profile, words = _EXTENSION.unpack_from(data, at)
        if profile == ONE_BYTE or profile & 0xFFF0 == TWO_BYTE:
            packet.extension_profile = profile
            packet.extension_start = at + 4
        at += 4 + 4 * words
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            return None
        packet.payload_end = size - padding
    packet.payload_start = at
    packet.octets = packet.payload_end - at
    return packet if packet.octets >= 0 else None


def build_extensions(elements: list[tuple[int, bytes]]) -> bytes:
    """Return an extension block with its four-byte head, one-byte form where the elements allow it."""
    if not elements:
        return b""
    if all(id_ < 15 and 1 <= len(value) <= 16 for id_, value in elements):
        profile = ONE_BYTE
        body = b"".join(bytes((id_ << 4 | len(value) - 1,)) + value for id_, value in elements)
    else:
        profile = TWO_BYTE
        body = b"".join(bytes((id_, len(value))) + value for id_, value in elements)
    body += bytes(-len(body) % 4)
    return _EXTENSION.pack(profile, len(body) // 4) + body


def restore(packet: Packet, *, ssrc: int, payload_type: int) -> Packet | None:
    """Return the original of a retransmission packet (RFC 4588 §4), or None when it carries none."""
    at = packet.payload_start
    if packet.payload_end - at <= 2:
        return None
    data = packet.data
    original = bytes((data[0] & ~0x20, packet.marker | payload_type)) + data[at : at + 2] + data[4:8]
    return parse(
        original + ssrc.to_bytes(4, "big") + data[12:at] + data[at + 2 : packet.payload_end], packet.arrival
    )


def plain(payload_type: int, seq: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """Return a packet without extensions, marker or padding."""
    return _FIXED.pack(0x80, payload_type, seq, timestamp & 0xFFFF_FFFF, ssrc) + payload


def with_payload(packet: Packet, payload_type: int, payload: bytes) -> bytes:
    """Return the packet's bytes with another payload, of another type, and no padding."""
    data = packet.data
    first, second = data[0] & ~0x20, packet.marker | payload_type
    return bytes((first, second)) + data[2 : packet.payload_start] + payload
