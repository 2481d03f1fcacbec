"""What the node reads of a payload: does a key frame begin here, and which counters must be rewritten?

VP8 RFC 7741 §4.2, VP9 RFC 9628 §4.2, H.264 RFC 6184 §5, AV1 "RTP Payload Format for AV1" §4.4.
Each reader is total: any bytes give a `Payload`; what is malformed is opaque and no key frame.
Nothing here looks past the payload descriptor.
"""

import struct
from collections.abc import Callable
from functools import cache

from sfu.rtp.dependency_descriptor import Descriptor


class Indices:
    """What the layer indices and flags of a VP9 packet say of its frame (RFC 9628 §4.2), or might.

    A picture has a frame in each spatial layer. `inter_picture`: it refers to frames of its layer in former
    pictures; `inter_layer`: to the next lower one of its picture; `reference`: the next higher one may
    refer to it. At a `switching_up` point no later picture of a higher temporal layer refers to such a
    picture before this one.
    """

    __slots__ = (
        "ends_frame",
        "inter_layer",
        "inter_picture",
        "reference",
        "spatial",
        "switching_up",
        "temporal",
    )

    def __init__(self, flags: int, layers: int) -> None:
        self.inter_picture = bool(flags & 0x40)
        self.ends_frame = bool(flags & 0x04)
        self.reference = not flags & 0x01
        self.temporal = layers >> 5
        self.switching_up = bool(layers & 0x10)
        self.spatial = layers >> 1 & 7
        self.inter_layer = bool(layers & 0x01)


_indices = cache(Indices)
"""One for each combination there is: most packets share theirs with many others."""


class Payload:
    """What one packet's payload says.

    `size` is the length of the descriptor that holds rewritable counters (0: none). `picture_id`
    and `tl0` are -1 when absent; `picture_id_at` and `tl0_at` are their offsets, and
    `picture_id_bits` is 7 or 15. `temporal` is the temporal layer of the packet's frame (0: the base,
    or no layers), `spatial` the spatial one. At a frame with `sync` a receiver of the base alone can go
    on with that layer. `numbers_frames`: picture ids have no gaps, so that frames left out must be closed
    up. `indices` is what else VP9 says of the frame, None when it has no layers. `sizes` has (width, height)
    in pixels for each spatial layer there is from here on, zeros where not said; empty: nothing new.
    `descriptor` is the dependency descriptor beside it, read only where the payload itself says nothing
    of layers.
    """

    __slots__ = (
        "descriptor",
        "indices",
        "key_frame",
        "numbers_frames",
        "picture_id",
        "picture_id_at",
        "picture_id_bits",
        "size",
        "sizes",
        "spatial",
        "sync",
        "temporal",
        "tl0",
        "tl0_at",
    )

    def __init__(self, key_frame: bool = False) -> None:
        self.key_frame = key_frame
        self.size = 0
        self.picture_id = -1
        self.picture_id_at = 0
        self.picture_id_bits = 15
        self.tl0 = -1
        self.tl0_at = 0
        self.temporal = 0
        self.spatial = 0
        self.sync = False
        self.numbers_frames = False
        self.indices: Indices | None = None
        self.sizes: tuple[tuple[int, int], ...] = ()
        self.descriptor: Descriptor | None = None

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


_SIZE = struct.Struct("!HH")

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
                payload.numbers_frames = True
            if flags & 0x40:
                payload.tl0, payload.tl0_at, at = data[at], at - start, at + 1
            if flags & 0x30:
                if flags & 0x20:
                    payload.temporal = data[at] >> 6
                    payload.sync = bool(data[at] & 0x20)
                at += 1
        payload.key_frame = first & 0x17 == 0x10 and at < end and data[at] & 1 == 0
    except IndexError:
        return OPAQUE
    return _bounded(payload, start, at, end)


def read_vp9(data: bytes, start: int, end: int) -> Payload:
    """Read a VP9 payload descriptor as far as the TL0PICIDX; behind it, the scalability structure."""
    payload = Payload()
    try:
        first, at = data[start], start + 1
        if first & 0x80:
            at = _read_picture_id(payload, data, start, at)
        if first & 0x20:
            layers, at = data[at], at + 1
            if not first & 0x10:
                payload.tl0, payload.tl0_at, at = data[at], at - start, at + 1
            payload.indices = indices = _indices(first & 0x45, layers)
            payload.temporal, payload.spatial = indices.temporal, indices.spatial
            payload.sync = indices.switching_up
            if first & 0x02:
                payload.sizes = _read_sizes(data, at, end, first & 0x50 == 0x50)
        payload.key_frame = first & 0x48 == 0x08 and payload.spatial == 0
    except IndexError:
        return OPAQUE
    return _bounded(payload, start, at, end)


def _read_sizes(data: bytes, at: int, end: int, differences: bool) -> tuple[tuple[int, int], ...]:
    """Read the sizes of a VP9 scalability structure, which may stand behind reference differences."""
    while differences and at < end:
        differences, at = bool(data[at] & 1), at + 1
    if at >= end:
        return ()
    count = (data[at] >> 5) + 1
    if not data[at] & 0x10:
        return ((0, 0),) * count
    sizes = data[at + 1 : at + 1 + 4 * count]
    return tuple(_SIZE.iter_unpack(sizes)) if at + 1 + 4 * count <= end else ()


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


def describe(payload: Payload, descriptor: Descriptor) -> Payload:
    """Return what a payload says together with the dependency descriptor of its packet."""
    frame, structure = descriptor.frame, descriptor.structure
    is_reference = bool(frame.present & structure.above[frame.spatial])
    told = Payload(payload.key_frame)
    told.descriptor = descriptor
    told.temporal, told.spatial = frame.temporal, frame.spatial
    told.indices = _indices(0 if is_reference else 1, frame.temporal << 5 | frame.spatial << 1)
    told.sizes = structure.resolutions if descriptor.attached else ()
    return told


READERS: dict[str, Reader] = {
    "opus": read_audio,
    "red": read_audio,
    "VP8": read_vp8,
    "VP9": read_vp9,
    "H264": read_h264,
    "AV1": read_av1,
}
"""By the codec's name in SDP, in its canonical case."""
