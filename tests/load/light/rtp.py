"""RTP packets: the fixed header, one-byte header extensions, the VP8 payload descriptor.

Builders return bytes ready to encrypt; readers look at clear bytes only.
"""

import struct
from dataclasses import dataclass

HEADER = struct.Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC (RFC 3550 section 5.1)."""

VERSION = 0x80
EXTENDED = 0x90
MARKER = 0x80

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def extension_block(elements: dict[int, bytes]) -> bytes:
    """Return the one-byte-form extension block (RFC 8285 section 4.2), empty if there are no elements.

    Ids are 1..14, values 1..16 bytes.
    """
    if not elements:
        return b""
    body = b"".join(bytes(((number << 4) | (len(value) - 1),)) + value for number, value in elements.items())
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 0xBEDE, len(body) // 4) + body


def payload_offset(packet: bytes | memoryview) -> int:
    """Return where the payload begins: after CSRCs and the extension block. Raises ValueError if cut off."""
    offset = HEADER.size + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        if len(packet) < offset + 4:
            raise ValueError("RTP extension header is cut off")
        offset += 4 + 4 * int.from_bytes(packet[offset + 2 : offset + 4], "big")
    if len(packet) < offset:
        raise ValueError("RTP header is cut off")
    return offset


def payload_of(packet: bytes) -> bytes:
    """Return the payload of a decrypted packet without its padding (RFC 3550 section 5.1)."""
    padding = packet[-1] if packet[0] & 0x20 else 0
    return packet[payload_offset(packet) : len(packet) - padding]


def element_at(packet: bytes | memoryview, number: int) -> tuple[int, int]:
    """Return where the value of an extension element is and its size, of either form; (0, 0) if it lacks.

    RFC 8285 sections 4.2 and 4.3. What is cut off is not there.
    """
    start = HEADER.size + 4 * (packet[0] & 0x0F)
    if not packet[0] & 0x10 or len(packet) < start + 4:
        return 0, 0
    short = packet[start : start + 2] == b"\xbe\xde"
    at = start + 4
    end = min(len(packet), at + 4 * int.from_bytes(packet[start + 2 : start + 4], "big"))
    while at + 1 < end:
        if not packet[at]:
            at += 1
            continue
        if short:
            found, size, at = packet[at] >> 4, (packet[at] & 0x0F) + 1, at + 1
        else:
            found, size, at = packet[at], packet[at + 1], at + 2
        if found == number:
            return (at, size) if at + size <= end else (0, 0)
        at += size
    return 0, 0


@dataclass(frozen=True, slots=True)
class Vp8Descriptor:
    """What a VP8 payload says of its frame (RFC 7741 section 4.2): is it a frame's start, of a key frame?"""

    start: bool
    key: bool
    picture_id: int | None


def vp8_descriptor(*, start: bool, picture_id: int, tl0: int) -> bytes:
    """Return a descriptor as browsers write it: 15-bit picture id, TL0PICIDX, temporal layer 0."""
    return struct.pack("!BBHBB", 0x90 if start else 0x80, 0xE0, 0x8000 | picture_id, tl0, 0x00)


def read_vp8(payload: bytes) -> Vp8Descriptor:
    """Return the descriptor of a VP8 payload. Raises ValueError if it is cut off."""
    try:
        start = bool(payload[0] & 0x10) and not payload[0] & 0x07
        offset, picture_id = 1, None
        if payload[0] & 0x80:
            fields = payload[1]
            offset = 2
            if fields & 0x80:
                wide = payload[2] & 0x80
                picture_id = int.from_bytes(payload[2:4], "big") & 0x7FFF if wide else payload[2]
                offset += 2 if wide else 1
            offset += bool(fields & 0x40) + bool(fields & 0x30)
        return Vp8Descriptor(start, start and not payload[offset] & 0x01, picture_id)
    except IndexError:
        raise ValueError("VP8 payload is cut off") from None


def vp8_frame_tag(*, key: bool, width: int, height: int) -> bytes:
    """Return the first bytes of a VP8 frame (RFC 6386 section 9.1): the tag, and the size in a key frame."""
    tag = (0 if key else 1) | 1 << 4  # shown, version 0; the size of the first partition is left 0
    return tag.to_bytes(3, "little") + (b"\x9d\x01\x2a" + struct.pack("<HH", width, height) if key else b"")
