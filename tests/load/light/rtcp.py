"""RTCP (RFC 3550 section 6, RFC 4585, RFC 5104): the few packets a participant writes and reads."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206
NACK = 1
TRANSPORT_CC = 15
PLI = 1
FIR = 4
REMB = 15

_NTP_UNIX_S = 2_208_988_800


@dataclass(frozen=True, slots=True)
class Part:
    """One packet of a compound. `count` is its report count or feedback format; `body` follows the SSRC."""

    kind: int
    count: int
    ssrc: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver tells of one stream (RFC 3550 section 6.4.1); loss in the interval in 1/256."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int = 0
    last_report: int = 0
    delay_since: int = 0


def split(compound: bytes) -> Iterator[Part]:
    """Yield the packets of a compound; stops at the first that is not whole."""
    while len(compound) >= 8:
        first, kind, words, ssrc = struct.unpack_from("!BBHI", compound)
        size = 4 + 4 * words
        if first >> 6 != 2 or size < 8 or size > len(compound):
            return
        yield Part(kind, first & 0x1F, ssrc, compound[8:size])
        compound = compound[size:]


def sender_report(ssrc: int, *, unix_s: float, timestamp: int, packets: int, octets: int) -> bytes:
    """Return a sender report that says which RTP timestamp belongs to which wall-clock time."""
    seconds = unix_s + _NTP_UNIX_S
    fraction = int((seconds % 1) * (1 << 32))
    body = struct.pack(
        "!IIIII", int(seconds), fraction, timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    return _packet(SENDER_REPORT, 0, ssrc, body)


def receiver_report(ssrc: int, blocks: Iterable[ReportBlock] = ()) -> bytes:
    """Return a receiver report of at most 31 blocks."""
    written = [
        struct.pack(
            "!IB3sIIII",
            block.ssrc,
            block.fraction_lost,
            min(block.lost, 0x7FFFFF).to_bytes(3, "big"),
            block.highest & 0xFFFFFFFF,
            block.jitter,
            block.last_report,
            block.delay_since,
        )
        for block in blocks
    ]
    return _packet(RECEIVER_REPORT, len(written), ssrc, b"".join(written))


def source_description(ssrc: int, cname: str) -> bytes:
    """Return the canonical name of a source, which every compound must hold."""
    item = b"\x01" + bytes((len(cname),)) + cname.encode() + b"\x00"
    return _packet(SOURCE_DESCRIPTION, 1, ssrc, item + bytes(-len(item) % 4))


def nack(ssrc: int, media_ssrc: int, lost: Iterable[int]) -> bytes:
    """Return a generic NACK of 16-bit sequence numbers, in rising order; empty if there are none."""
    entries: list[list[int]] = []
    for number in lost:
        if entries and 1 <= (number - entries[-1][0]) & 0xFFFF <= 16:
            entries[-1][1] |= 1 << (((number - entries[-1][0]) & 0xFFFF) - 1)
        else:
            entries.append([number, 0])
    if not entries:
        return b""
    body = b"".join(struct.pack("!HH", first, following) for first, following in entries)
    return _packet(TRANSPORT_FEEDBACK, NACK, ssrc, media_ssrc.to_bytes(4, "big") + body)


def transport_feedback(ssrc: int, media_ssrc: int, control: bytes) -> bytes:
    """Return transport-wide feedback with its control information, whole words of it."""
    return _packet(TRANSPORT_FEEDBACK, TRANSPORT_CC, ssrc, media_ssrc.to_bytes(4, "big") + control)


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """Return a picture loss indication: the receiver needs a key frame."""
    return _packet(PAYLOAD_FEEDBACK, PLI, ssrc, media_ssrc.to_bytes(4, "big"))


def nacked(part: Part) -> tuple[int, list[int]]:
    """Return the media SSRC and the 16-bit sequence numbers a generic NACK asks for."""
    numbers = []
    for first, following in struct.iter_unpack("!HH", part.body[4:]):
        numbers.append(first)
        numbers.extend((first + 1 + bit) & 0xFFFF for bit in range(16) if following >> bit & 1)
    return int.from_bytes(part.body[:4], "big"), numbers


def key_frame_wanted(part: Part) -> list[int]:
    """Return the SSRCs of which a payload-specific feedback asks a key frame: by PLI, or by FIR."""
    if part.count == PLI:
        return [int.from_bytes(part.body[:4], "big")]
    if part.count == FIR:
        return [int.from_bytes(part.body[at : at + 4], "big") for at in range(4, len(part.body), 8)]
    return []


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", 0x80 | count, kind, 1 + len(body) // 4, ssrc) + body
