"""Packets as publishers put them on the wire."""

import struct
from collections.abc import Mapping, Sequence

from sfu.rtp.packet import Packet, parse
from sfu.rtp.transport_cc import number_at


def rtp(
    seq: int,
    *,
    timestamp: int = 0,
    ssrc: int = 1,
    payload_type: int = 96,
    marker: bool = False,
    payload: bytes = b"media",
    extensions: bytes = b"",
    csrcs: Sequence[int] = (),
    padding: int = 0,
) -> bytes:
    """Return an RTP packet. `extensions` is a whole block, `padding` its size in bytes."""
    first = 0x80 | (0x20 if padding else 0) | (0x10 if extensions else 0) | len(csrcs)
    second = (0x80 if marker else 0) | payload_type
    head = struct.pack("!BBHII", first, second, seq & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc)
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return head + b"".join(struct.pack("!I", each) for each in csrcs) + extensions + payload + tail


def packet(seq: int, *, arrival: float = 0.0, **fields: object) -> Packet:
    """Return the parsed form of `rtp(seq, …)`."""
    parsed = parse(rtp(seq, **fields), arrival)  # type: ignore[arg-type]
    assert parsed is not None
    return parsed


def one_byte(elements: Mapping[int, bytes]) -> bytes:
    """Return an extension block in the one-byte form of RFC 8285 §4.2."""
    return block(
        0xBEDE, b"".join(bytes((id_ << 4 | len(value) - 1,)) + value for id_, value in elements.items())
    )


def two_byte(elements: Mapping[int, bytes], appbits: int = 0) -> bytes:
    """Return an extension block in the two-byte form of RFC 8285 §4.3."""
    return block(
        0x1000 | appbits, b"".join(bytes((id_, len(value))) + value for id_, value in elements.items())
    )


def block(profile: int, body: bytes) -> bytes:
    """Return an extension block around `body`, padded to whole words."""
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", profile, len(body) // 4) + body


def rtx(original: bytes, *, seq: int, ssrc: int, payload_type: int) -> bytes:
    """Return the retransmission of an RTP packet without CSRCs and padding (RFC 4588 §4)."""
    at = len(original) - len(payload_of(original))
    head = bytes((original[0], original[1] & 0x80 | payload_type)) + struct.pack("!H", seq) + original[4:8]
    return head + struct.pack("!I", ssrc) + original[12:at] + original[2:4] + original[at:]


def vp8(
    *,
    key: bool = False,
    picture_id: int | None = None,
    tl0: int | None = None,
    tid: int | None = None,
    start: bool = True,
    short: bool = False,
    body: bytes = b"frame",
) -> bytes:
    """Return a VP8 payload (RFC 7741 §4.2). `short`: a picture id of 7 bits."""
    flags = (0x80 if picture_id is not None else 0) | (0x40 if tl0 is not None else 0)
    flags |= 0x20 if tid is not None else 0
    head = bytes(((0x80 if flags else 0) | (0x10 if start else 0),)) + (bytes((flags,)) if flags else b"")
    if picture_id is not None:
        head += bytes((picture_id,)) if short else struct.pack("!H", 0x8000 | picture_id)
    if tl0 is not None:
        head += bytes((tl0,))
    if tid is not None:
        head += bytes((tid << 6,))
    return head + bytes((0 if key else 1,)) + body


def vp9(
    *,
    key: bool = False,
    picture_id: int = 0,
    tl0: int | None = None,
    start: bool = True,
    spatial: int = 0,
    flexible: bool = False,
) -> bytes:
    """Return a VP9 payload with layer indices (RFC 9628 §4.2)."""
    first = 0x80 | (0 if key else 0x40) | 0x20 | (0x10 if flexible else 0) | (0x08 if start else 0)
    head = bytes((first,)) + struct.pack("!H", 0x8000 | picture_id) + bytes((spatial << 1,))
    return head + (b"" if flexible or tl0 is None else bytes((tl0,))) + b"frame"


def payload_of(packet: bytes) -> bytes:
    """Return what follows the header of a packet without CSRCs and padding."""
    words = struct.unpack_from("!H", packet, 14)[0] if packet[0] & 0x10 else 0
    return packet[12 + (4 + 4 * words if packet[0] & 0x10 else 0) :]


def numbered(packet: bytes, number: int) -> bytes:
    """Return a packet with its transport-wide number filled in, as a link does when it sends it."""
    at = number_at(packet)
    return packet[:at] + (number & 0xFFFF).to_bytes(2, "big") + packet[at + 2 :]
