"""RTCP as the node reads and writes it.

RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1, and REMB from draft-alvestrand-rmcat-remb.
Reading is total: a compound that is cut short, or a packet in it that is malformed, gives what came
before it. Kinds the node does not act on are passed over. Numbers of packets and of items are
bounded by the size of a datagram.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sfu.rtp import transport_cc
from sfu.rtp.transport_cc import Feedback

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
NACK, TRANSPORT_CC = 1, 15
PLI, FIR, AFB = 1, 4, 15
NTP_EPOCH_S = 2_208_988_800
MAX_REPORTS = 31

_HEAD = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_SENDER = struct.Struct("!IIIIII")
_REPORT = struct.Struct("!IIIIII")
_PAIR = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one SSRC. `jitter` is in clock ticks, `dlsr` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """A sender's clock: `ntp` is 64-bit NTP time, `timestamp` the RTP time of the same instant."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Report blocks of a receiver."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Nack:
    """Sequence numbers (16 bits) of `media_ssrc` that did not arrive."""

    media_ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """A PLI, or one entry of a FIR."""

    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Remb:
    """A receiver's estimate of its bandwidth, in bit/s."""

    bitrate_bps: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that ended."""

    ssrcs: tuple[int, ...]


Rtcp = SenderReport | ReceiverReport | Nack | KeyFrameRequest | Remb | Bye | Feedback


def parse(compound: bytes) -> Iterator[Rtcp]:
    """Yield what the node acts on, in order."""
    at = 0
    while at + 4 <= len(compound):
        first, kind, words = _HEAD.unpack_from(compound, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(compound):
            return
        body = compound[at + 4 : end]
        if first & 0x20 and body:
            body = body[: max(0, len(body) - body[-1])]
        try:
            yield from _read(kind, first & 31, body)
        except struct.error:
            return
        at = end


def _read(kind: int, count: int, body: bytes) -> Iterator[Rtcp]:
    if kind == SR:
        ssrc, high, low, timestamp, packets, octets = _SENDER.unpack_from(body)
        yield SenderReport(ssrc, high << 32 | low, timestamp, packets, octets, _reports(body, 24, count))
    elif kind == RR:
        yield ReceiverReport(_WORD.unpack_from(body)[0], _reports(body, 4, count))
    elif kind == BYE:
        yield Bye(struct.unpack_from(f"!{count}I", body))
    elif kind == RTPFB:
        yield from _read_transport_feedback(count, body)
    elif kind == PSFB:
        yield from _read_payload_feedback(count, body)


def _read_transport_feedback(format_: int, body: bytes) -> Iterator[Rtcp]:
    if format_ == NACK:
        yield Nack(_WORD.unpack_from(body, 4)[0], tuple(_lost(body)))
    elif format_ == TRANSPORT_CC and (feedback := transport_cc.read(body[8:])) is not None:
        yield feedback


def _read_payload_feedback(format_: int, body: bytes) -> Iterator[Rtcp]:
    if format_ == PLI:
        yield KeyFrameRequest(_WORD.unpack_from(body, 4)[0])
    elif format_ == FIR:
        for at in range(8, len(body) - 7, 8):
            yield KeyFrameRequest(_WORD.unpack_from(body, at)[0])
    elif format_ == AFB and body[8:12] == b"REMB":
        mantissa = int.from_bytes(body[13:16], "big")
        ssrcs = struct.unpack_from(f"!{body[12]}I", body, 16) if len(body) > 12 else ()
        yield Remb((mantissa & 0x3FFFF) << (mantissa >> 18), ssrcs)


def _reports(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for start in range(at, at + 24 * count, 24):
        ssrc, loss, highest, jitter, lsr, dlsr = _REPORT.unpack_from(body, start)
        lost = loss & 0xFFFFFF
        blocks.append(ReportBlock(ssrc, loss >> 24, lost - (lost >> 23 << 24), highest, jitter, lsr, dlsr))
    return tuple(blocks)


def _lost(body: bytes) -> Iterator[int]:
    for at in range(8, len(body) - 3, 4):
        first, mask = _PAIR.unpack_from(body, at)
        yield first
        for bit in range(16):
            if mask >> bit & 1:
                yield (first + bit + 1) & 0xFFFF


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) // 4) + body


def _blocks(reports: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _REPORT.pack(
            r.ssrc,
            r.fraction_lost << 24 | (r.lost & 0xFFFFFF),
            r.highest & 0xFFFF_FFFF,
            r.jitter & 0xFFFF_FFFF,
            r.lsr,
            r.dlsr,
        )
        for r in reports
    )


def sender_report(report: SenderReport) -> bytes:
    """Return an SR, at most `MAX_REPORTS` blocks."""
    fixed = _SENDER.pack(
        report.ssrc,
        report.ntp >> 32,
        report.ntp & 0xFFFF_FFFF,
        report.timestamp,
        report.packets & 0xFFFF_FFFF,
        report.octets & 0xFFFF_FFFF,
    )
    return _packet(SR, len(report.reports), fixed + _blocks(report.reports))


def receiver_report(ssrc: int, reports: Sequence[ReportBlock]) -> bytes:
    """Return an RR, at most `MAX_REPORTS` blocks."""
    return _packet(RR, len(reports), _WORD.pack(ssrc) + _blocks(reports))


def source_description(ssrcs: Iterable[int], cname: str) -> bytes:
    """Return an SDES with one CNAME for all of at most 31 `ssrcs`."""
    item = bytes((1, len(cname))) + cname.encode("ascii")
    item += bytes(4 - (len(item) & 3))
    chunks = [_WORD.pack(ssrc) + item for ssrc in ssrcs]
    return _packet(SDES, len(chunks), b"".join(chunks))


def nack(sender: int, media: int, lost: Sequence[int]) -> bytes:
    """Return a NACK for `lost`, rising unwrapped (or 16-bit) sequence numbers."""
    pairs: list[list[int]] = []
    for seq in lost:
        ahead = (seq - pairs[-1][0]) & 0xFFFF if pairs else 17
        if 1 <= ahead <= 16:
            pairs[-1][1] |= 1 << (ahead - 1)
        elif ahead:
            pairs.append([seq & 0xFFFF, 0])
    return _packet(
        RTPFB, NACK, _WORD.pack(sender) + _WORD.pack(media) + b"".join(_PAIR.pack(*pair) for pair in pairs)
    )


def transport_feedback(sender: int, media: int, feedback: Feedback) -> bytes:
    """Return transport-cc feedback. Raises `ValueError` for what one packet cannot say."""
    body = _WORD.pack(sender) + _WORD.pack(media) + transport_cc.write(feedback)
    return _packet(RTPFB, TRANSPORT_CC, body)


def picture_loss(sender: int, media: int) -> bytes:
    """Return a PLI."""
    return _packet(PSFB, PLI, _WORD.pack(sender) + _WORD.pack(media))


def remb(sender: int, bitrate_bps: int, ssrcs: Sequence[int]) -> bytes:
    """Return a REMB for at most 255 `ssrcs`; the bitrate keeps its 18 leading bits."""
    exponent = max(0, bitrate_bps.bit_length() - 18)
    mantissa = exponent << 18 | bitrate_bps >> exponent
    body = _WORD.pack(sender) + _WORD.pack(0) + b"REMB" + bytes((len(ssrcs),)) + mantissa.to_bytes(3, "big")
    return _packet(PSFB, AFB, body + struct.pack(f"!{len(ssrcs)}I", *ssrcs))


def ntp_time(unix_s: float) -> int:
    """Return Unix time as 64-bit NTP time."""
    return int((unix_s + NTP_EPOCH_S) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF
