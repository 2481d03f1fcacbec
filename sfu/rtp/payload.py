"""What the node reads of a payload: does a key frame begin here, and which counters must be rewritten?

VP8 RFC 7741 §4.2, VP9 RFC 9628 §4.2, H.264 RFC 6184 §5, AV1 "RTP Payload Format for AV1" §4.4.
Each reader is total: any bytes give a `Payload`; what is malformed is opaque and no key frame.
Nothing here looks past the payload descriptor.
"""

from collections.abc import Callable


class Payload:
    """What one packet's payload says.

    `size` is the length of the descriptor that holds rewritable counters (0: none). `picture_id`
    and `tl0` are -1 when absent; `picture_id_at` and `tl0_at` are their offsets, and
    `picture_id_bits` is 7 or 15.
    """

    __slots__ = ("key_frame", "picture_id", "picture_id_at", "picture_id_bits", "size", "tl0", "tl0_at")

    def __init__(self, key_frame: bool = False) -> None:
        self.key_frame = key_frame
        self.size = 0
        self.picture_id = -1
        self.picture_id_at = 0
        self.picture_id_bits = 15
        self.tl0 = -1
        self.tl0_at = 0

    def rewrite(self, head: bytes, picture_id_offset: int, tl0_offset: int) -> bytes:
        """Return the descriptor `head` with its counters moved on by the offsets, modulo their width."""
        patched = bytearray(head)
        if self.picture_id >= 0:
            at = self.picture_id_at
            if self.picture_id_bits == 15:
                moved = (self.picture_id + picture_id_offset) & 0x7FFF
                patched[at] = 0x80 | moved >> 8
                patched[at + 1] = moved & 0xFF
            else:
                patched[at] = (self.picture_id + picture_id_offset) & 0x7F
        if self.tl0 >= 0:
            patched[self.tl0_at] = (self.tl0 + tl0_offset) & 0xFF
        return bytes(patched)


OPAQUE = Payload()
OPAQUE_KEY = Payload(key_frame=True)

Reader = Callable[[bytes, int, int], Payload]
"""(data, start, end) of a packet's payload → what it says."""


def read_audio(_data: bytes, _start: int, _end: int) -> Payload:
    """Every audio packet can be the first."""
    return OPAQUE_KEY


def _read_picture_id(payload: Payload, data: bytes, start: int, at: int) -> int:
    """Read a 7- or 15-bit picture id at `at`; return the offset behind it."""
    payload.picture_id_at = at - start
    if data[at] & 0x80:
        payload.picture_id = (data[at] & 0x7F) << 8 | data[at + 1]
        return at + 2
    payload.picture_id = data[at]
    payload.picture_id_bits = 7
    return at + 1


def read_vp8(data: bytes, start: int, end: int) -> Payload:
    """Read a VP8 payload descriptor, and the frame's P bit behind it."""
    payload = Payload()
    try:
        first, at = data[start], start + 1
        if first & 0x80:
            flags, at = data[at], at + 1
            if flags & 0x80:
                at = _read_picture_id(payload, data, start, at)
            if flags & 0x40:
                payload.tl0, payload.tl0_at, at = data[at], at - start, at + 1
            if flags & 0x30:
                at += 1
        payload.key_frame = first & 0x17 == 0x10 and at < end and data[at] & 1 == 0
    except IndexError:
        return OPAQUE
    return _bounded(payload, start, at, end)


def read_vp9(data: bytes, start: int, end: int) -> Payload:
    """Read a VP9 payload descriptor as far as the TL0PICIDX."""
    payload = Payload()
    try:
        first, at = data[start], start + 1
        spatial = 0
        if first & 0x80:
            at = _read_picture_id(payload, data, start, at)
        if first & 0x20:
            spatial, at = data[at] >> 1 & 7, at + 1
            if not first & 0x10:
                payload.tl0, payload.tl0_at, at = data[at], at - start, at + 1
        payload.key_frame = first & 0x48 == 0x08 and spatial == 0
    except IndexError:
        return OPAQUE
    return _bounded(payload, start, at, end)


def _bounded(payload: Payload, start: int, at: int, end: int) -> Payload:
    if at > end:
        return OPAQUE
    if payload.picture_id >= 0 or payload.tl0 >= 0:
        payload.size = at - start
    return payload


def read_h264(data: bytes, start: int, end: int) -> Payload:
    """A key frame begins with its sequence parameter set (NAL type 7), alone or in a STAP-A."""
    if start >= end:
        return OPAQUE
    kind = data[start] & 31
    if kind == 7:
        return OPAQUE_KEY
    at = start + 1
    while kind == 24 and at + 2 < end:
        if data[at + 2] & 31 == 7:
            return OPAQUE_KEY
        at += 2 + (data[at] << 8 | data[at + 1])
    return OPAQUE


def read_av1(data: bytes, start: int, end: int) -> Payload:
    """The aggregation header's N bit marks the first packet of a coded video sequence."""
    return OPAQUE_KEY if start < end and data[start] & 0x88 == 0x08 else OPAQUE


READERS: dict[str, Reader] = {
    "opus": read_audio,
    "red": read_audio,
    "VP8": read_vp8,
    "VP9": read_vp9,
    "H264": read_h264,
    "AV1": read_av1,
}
"""By the codec's name in SDP, in its canonical case."""
