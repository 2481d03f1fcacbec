"""Any bytes from the network: a packet or none, feedback or none, and never an exception."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp import rtcp
from sfu.rtp.packet import build_extensions, parse, restore
from sfu.rtp.payload import READERS
from tests.fuzz.damage import anything, search
from tests.unit.rtp import wire

EXTENSIONS = [
    b"",
    wire.one_byte({1: b"0", 2: b"q", 4: b"\x8a", 14: bytes(16)}),
    wire.two_byte({1: b"0", 15: b"", 200: bytes(40)}, appbits=5),
]
PAYLOADS = [
    wire.vp8(key=True, picture_id=0x7FFF, tl0=255, tid=3),
    wire.vp8(picture_id=5, short=True),
    wire.vp8(),
    wire.vp9(key=True, picture_id=9, tl0=1),
    wire.vp9(picture_id=9, flexible=True),
    bytes.fromhex("7800046742c01f000468ce3c80"),
    bytes.fromhex("7c858884"),
    bytes.fromhex("180a0b00"),
    b"",
]
PACKETS = [
    wire.rtp(seq, payload=payload, extensions=extensions, csrcs=csrcs, padding=padding, marker=True)
    for seq, (payload, extensions, csrcs, padding) in enumerate(
        (payload, extensions, csrcs, padding)
        for payload in PAYLOADS
        for extensions in EXTENSIONS
        for csrcs, padding in (((), 0), ((1, 2), 9))
    )
]


@search()
@given(anything(PACKETS))
def test_packets(data: bytes) -> None:
    packet = parse(data, 1.0)
    if packet is None:
        return
    assert 12 <= packet.payload_start <= packet.payload_end <= len(data)
    elements = list(packet.extensions())
    kept = {id_: id_ for id_, _ in elements if id_}
    assert packet.extension_block(kept) == build_extensions([each for each in elements if each[0]])
    original = restore(packet, ssrc=9, payload_type=96)
    assert (original is not None) is (packet.octets > 2)
    if original is not None:
        assert list(original.extensions()) == elements


@search()
@given(anything(PACKETS), st.sampled_from(sorted(READERS)), st.integers(), st.integers())
def test_what_is_read_of_a_payload_can_be_rewritten(
    data: bytes, codec: str, picture_id: int, tl0: int
) -> None:
    packet = parse(data, 1.0)
    if packet is None:
        return
    whole = data[packet.payload_start : packet.payload_end]
    packet.part(READERS[codec](packet.data, packet.payload_start, packet.payload_end))
    assert packet.head + packet.tail == whole
    assert len(packet.head) == packet.payload.size
    rewritten = packet.payload.rewrite(packet.head, picture_id, tl0)
    assert len(rewritten) == len(packet.head)
    again = READERS[codec](rewritten + packet.tail, 0, packet.octets)
    assert (again.key_frame, again.size) == (packet.payload.key_frame, packet.payload.size)


BLOCK = rtcp.ReportBlock(1, 2, -3, 4, 5, 6, 7)
FEEDBACK = [
    rtcp.sender_report(rtcp.SenderReport(1, 2, 3, 4, 5, (BLOCK, BLOCK))),
    rtcp.receiver_report(1, [BLOCK]),
    rtcp.source_description([1, 2], "cname"),
    rtcp.nack(1, 2, [3, 4, 900, 65_540]),
    rtcp.picture_loss(1, 2),
    rtcp.remb(1, 2**40, [1, 2, 3]),
    struct.pack("!BBHIIIBBH", 0x84, 206, 4, 1, 0, 7, 1, 0, 0) + bytes(4),
    struct.pack("!BBHII", 0x82, 203, 2, 5, 6),
    struct.pack("!BBHIIHHIHHI", 0x8F, 205, 6, 1, 2, 3, 4, 5, 6, 7, 8),
    struct.pack("!BBHII", 0xA0, 207, 2, 1, 4),
]
COMPOUNDS = [*FEEDBACK, b"".join(FEEDBACK), FEEDBACK[1] + FEEDBACK[3] + FEEDBACK[4]]


@search()
@given(anything(COMPOUNDS, 400))
def test_feedback(data: bytes) -> None:
    said = list(rtcp.parse(data))
    assert len(said) <= 1 + len(data) // 8
    for each in said:
        match each:
            case rtcp.SenderReport():
                assert list(rtcp.parse(rtcp.sender_report(each))) == [each]
            case rtcp.ReceiverReport(ssrc=ssrc, reports=reports):
                assert list(rtcp.parse(rtcp.receiver_report(ssrc, reports))) == [each]
            case rtcp.Nack(lost=lost):
                assert all(0 <= seq <= 0xFFFF for seq in lost)
