"""Any bytes give a packet or None; what is read lies inside them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.packet import Packet, build_extensions, parse, restore
from sfu.rtp.payload import READERS
from tests.unit.rtp import wire

# --- parsing --------------------------------------------------------------------------------------


def test_the_fields_of_a_packet() -> None:
    data = wire.rtp(
        0xABCD,
        timestamp=0xDEAD_BEEF,
        ssrc=0xCAFE_F00D,
        payload_type=127,
        marker=True,
        payload=b"payload",
        extensions=wire.one_byte({1: b"ab"}),
        csrcs=(7, 8),
        padding=5,
    )
    packet = parse(data, 12.5)
    assert packet is not None
    assert (packet.seq, packet.timestamp, packet.ssrc) == (0xABCD, 0xDEAD_BEEF, 0xCAFE_F00D)
    assert (packet.payload_type, packet.marker, packet.arrival) == (127, 0x80, 12.5)
    assert packet.data[packet.payload_start : packet.payload_end] == b"payload"
    assert packet.octets == 7
    assert list(packet.extensions()) == [(1, b"ab")]


HEAD = wire.rtp(1, payload=b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:11],
        b"\x40" + HEAD[1:],
        b"\x00" + HEAD[1:],
        b"\x8f" + HEAD[1:],
        b"\x90" + HEAD[1:],
        b"\x90" + HEAD[1:] + b"\xbe\xde\x00",
        b"\x90" + HEAD[1:] + b"\xbe\xde\x00\x01abc",
        b"\xa0" + HEAD[1:] + b"x\x00",
        b"\xa0" + HEAD[1:] + b"x\x03",
        b"\xa0" + HEAD[1:],
        wire.rtp(1, payload=b"", csrcs=(1, 2))[:-1],
    ],
    ids=[
        "empty",
        "cut short",
        "version 1",
        "version 0",
        "fifteen CSRCs that are not there",
        "no room for an extension",
        "half an extension head",
        "an extension cut short",
        "padding of no bytes",
        "more padding than packet",
        "padding that is the header",
        "a CSRC cut short",
    ],
)
def test_what_is_no_packet(data: bytes) -> None:
    assert parse(data, 0.0) is None


@pytest.mark.parametrize(("payload", "padding", "octets"), [(b"", 0, 0), (b"", 255, 0), (b"x", 255, 1)])
def test_padding_is_no_payload(payload: bytes, padding: int, octets: int) -> None:
    assert wire.packet(1, payload=payload, padding=padding).octets == octets


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Packets of all shapes, cut or with some bytes changed."""
    elements = draw(st.dictionaries(st.integers(1, 15), st.binary(min_size=1, max_size=16), max_size=4))
    data = bytearray(
        wire.rtp(
            draw(st.integers(0, 0xFFFF)),
            payload=draw(st.binary(max_size=30)),
            extensions=draw(st.sampled_from([b"", wire.one_byte(elements), wire.two_byte(elements)])),
            csrcs=(1,) * draw(st.integers(0, 3)),
            padding=draw(st.integers(0, 5)),
        )
    )
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"\x90\x60" + rest) | damaged())
def test_any_bytes(data: bytes) -> None:
    packet = parse(data, 0.0)
    if packet is None:
        return
    assert 12 <= packet.payload_start <= packet.payload_end <= len(data)
    assert packet.octets == packet.payload_end - packet.payload_start
    read = list(packet.extensions())
    assert sum(1 + len(value) for _, value in read) <= packet.payload_start
    for id_, _ in read:
        assert packet.extension(id_) in [value for found, value in read if found == id_]
    restored = restore(packet, ssrc=2, payload_type=96)
    assert restored is None or restored.octets == packet.octets - 2


# --- extensions -----------------------------------------------------------------------------------


def elements(block: bytes) -> list[tuple[int, bytes]]:
    return list(wire.packet(1, extensions=block).extensions())


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"", []),
        (wire.block(0xBEDE, b""), []),
        (wire.block(0xBEDE, b"\x10a\x00\x00\x21bc"), [(1, b"a"), (2, b"bc")]),
        (wire.block(0xBEDE, b"\x1fabcdefghijklmnop\x20q"), [(1, b"abcdefghijklmnop"), (2, b"q")]),
        (wire.block(0xBEDE, b"\x10a\xf0b\x20c"), [(1, b"a")]),
        (wire.block(0xBEDE, b"\x10a\x2fb"), [(1, b"a")]),
        (wire.block(0xBEDE, b"\x10a\x10b"), [(1, b"a"), (1, b"b")]),
        (wire.block(0x1000, b"\x01\x01a\x00\x02\x00\x03\x02bc"), [(1, b"a"), (2, b""), (3, b"bc")]),
        (wire.block(0x100F, b"\xff\x01a"), [(255, b"a")]),
        (wire.block(0x1000, b"\x0f\x01a"), [(15, b"a")]),
        (wire.block(0x1000, b"\x01\x01a\x02\x05b"), [(1, b"a")]),
        (wire.block(0x1000, b"\x01\x01a\x02"), [(1, b"a")]),
        (wire.block(0xABCD, b"\x10a"), []),
    ],
    ids=[
        "none",
        "an empty block",
        "padding between elements",
        "the longest of the one-byte form",
        "id 15 ends the one-byte form",
        "an element that leaves the block",
        "one id twice",
        "two-byte form with an empty element",
        "appbits",
        "id 15 is an id in the two-byte form",
        "a two-byte element that leaves the block",
        "an id without a length",
        "a form nobody knows",
    ],
)
def test_extensions(block: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert elements(block) == expected


def test_an_unknown_form_is_still_stepped_over() -> None:
    packet = wire.packet(1, extensions=wire.block(0xABCD, b"12345"), payload=b"payload")
    assert packet.data[packet.payload_start :] == b"payload"


one_byte_elements = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=8)
all_elements = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=4)


@given(one_byte_elements | all_elements)
def test_a_block_says_what_it_was_built_of(chosen: list[tuple[int, bytes]]) -> None:
    block = build_extensions(chosen)
    assert len(block) % 4 == 0
    assert elements(block) == chosen


@given(one_byte_elements)
def test_the_short_form_is_used_where_it_will_do(chosen: list[tuple[int, bytes]]) -> None:
    block = build_extensions(chosen)
    assert block == b"" if not chosen else block[:2] == b"\xbe\xde"


@pytest.mark.parametrize("element", [(15, b"a"), (1, b""), (1, bytes(17)), (200, b"a")])
def test_the_long_form_is_used_where_it_must_be(element: tuple[int, bytes]) -> None:
    assert build_extensions([(1, b"a"), element])[:2] == b"\x10\x00"


def test_a_receivers_block_holds_what_was_agreed_under_its_ids() -> None:
    packet = wire.packet(1, extensions=wire.one_byte({1: b"a", 2: b"b", 3: b"c"}))
    first, second = {1: 9, 3: 1}, {2: 20}
    assert elements(packet.extension_block(first)) == [(9, b"a"), (1, b"c")]
    assert elements(packet.extension_block(second)) == [(20, b"b")]
    assert elements(packet.extension_block(first)) == [(9, b"a"), (1, b"c")]
    assert packet.extension_block({}) == b""
    assert packet.extension_block({4: 4}) == b""


# --- retransmissions ------------------------------------------------------------------------------

headers = st.sampled_from([b"", wire.one_byte({1: b"0", 4: b"abc"}), wire.two_byte({200: b""})])


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    headers,
    st.binary(min_size=1, max_size=50),
)
def test_a_retransmission_gives_back_the_original(
    seq: int, timestamp: int, marker: bool, extensions: bytes, payload: bytes
) -> None:
    original = wire.rtp(
        seq, timestamp=timestamp, ssrc=7, marker=marker, extensions=extensions, payload=payload
    )
    packet = parse(wire.rtx(original, seq=99, ssrc=8, payload_type=97), 3.0)
    assert packet is not None
    restored = restore(packet, ssrc=7, payload_type=96)
    assert restored is not None
    assert restored.data == original
    assert restored.arrival == 3.0


def test_padding_of_a_retransmission_is_left_behind() -> None:
    packet = wire.packet(1, payload=struct.pack("!H", 500) + b"media", padding=9, csrcs=(4,))
    restored = restore(packet, ssrc=7, payload_type=96)
    assert restored is not None
    assert (restored.seq, restored.data[restored.payload_start :]) == (500, b"media")


@pytest.mark.parametrize("payload", [b"", b"1", b"12"])
def test_a_retransmission_of_nothing_is_none(payload: bytes) -> None:
    assert restore(wire.packet(1, payload=payload), ssrc=7, payload_type=96) is None


# --- parting --------------------------------------------------------------------------------------


def parted(packet: Packet, reader: str) -> Packet:
    packet.part(READERS[reader](packet.data, packet.payload_start, packet.payload_end))
    return packet


def test_a_parted_packet_keeps_each_byte_once() -> None:
    extensions = wire.one_byte({1: b"a"})
    whole = wire.rtp(
        1, extensions=extensions, payload=wire.vp8(key=True, picture_id=5, body=b"body"), padding=8
    )
    packet = parse(whole, 0.0)
    assert packet is not None
    parted(packet, "VP8")
    assert packet.data + packet.head + packet.tail == whole[:-8]
    assert packet.head == b"\x90\x80\x80\x05"
    assert packet.extension(1) == b"a"
    assert packet.octets == len(packet.head) + len(packet.tail)


def test_without_counters_there_is_no_head() -> None:
    packet = parted(wire.packet(1, payload=b"\x65slice"), "H264")
    assert (packet.head, packet.tail) == (b"", b"\x65slice")
