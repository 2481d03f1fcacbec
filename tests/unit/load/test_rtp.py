"""Packets that bots build: what they say can be read back."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.light import rtcp
from tests.load.light.rtp import (
    HEADER,
    extension_block,
    payload_of,
    payload_offset,
    read_vp8,
    vp8_descriptor,
    vp8_frame_tag,
)
from tests.load.light.sources import AudioStream, Layer, VideoStream, intact, made_at

LAYER = Layer(640, 360, packets_per_frame=5, packet_bytes=1200)


@given(st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=5))
def test_the_payload_follows_the_extensions(elements: dict[int, bytes]) -> None:
    block = extension_block(elements)
    header = HEADER.pack(0x90 if block else 0x80, 96, 1, 2, 3)
    assert payload_offset(header + block + b"payload") == len(header) + len(block)
    assert all(value in block for value in elements.values())


def test_padding_is_no_payload() -> None:
    header = HEADER.pack(0xA0, 97, 1, 2, 3)
    assert payload_of(header + b"payload" + b"\0\0\3") == b"payload"
    assert payload_of(header + bytes(254) + b"\xff") == b""


@pytest.mark.parametrize("cut", [13, 15, 19])
def test_a_cut_off_header_is_an_error(cut: int) -> None:
    packet = HEADER.pack(0x90, 96, 1, 2, 3) + extension_block({1: b"abcd"})
    with pytest.raises(ValueError, match="cut off"):
        payload_offset(packet[:cut])


@given(start=st.booleans(), key=st.booleans(), picture=st.integers(0, 0x7FFF), tl0=st.integers(0, 255))
def test_a_vp8_descriptor_reads_back(start: bool, key: bool, picture: int, tl0: int) -> None:
    payload = vp8_descriptor(start=start, picture_id=picture, tl0=tl0)
    payload += vp8_frame_tag(key=key, width=640, height=360)
    read = read_vp8(payload)
    assert (read.start, read.key, read.picture_id) == (start, start and key, picture)


@pytest.mark.parametrize(
    ("payload", "key", "picture_id"),
    [
        (bytes.fromhex("1000"), True, None),
        (bytes.fromhex("1001"), False, None),
        (bytes.fromhex("90800500"), True, 5),
        (bytes.fromhex("1100"), False, None),  # not the first partition
    ],
)
def test_shorter_descriptors_are_read_too(payload: bytes, key: bool, picture_id: int | None) -> None:
    read = read_vp8(payload)
    assert (read.key, read.picture_id) == (key, picture_id)


@given(st.binary(max_size=4))
def test_a_vp8_payload_that_is_cut_off_is_an_error_or_read(payload: bytes) -> None:
    try:
        read_vp8(payload)
    except ValueError as error:
        assert "cut off" in str(error)


def test_a_video_stream_keeps_its_rate_size_and_frames() -> None:
    stream = VideoStream(LAYER)
    now = time.monotonic()
    stream.begin(now)
    packets = list(stream.due(now + 1.9999))
    assert len(packets) == 250
    assert {len(packet) for packet in packets} == {1200}
    headers = [HEADER.unpack_from(packet) for packet in packets]
    assert all((b[2] - a[2]) & 0xFFFF == 1 for a, b in itertools.pairwise(headers))
    assert [bool(header[1] & 0x80) for header in headers[:10]] == [False] * 4 + [True] + [False] * 4 + [True]
    assert (headers[5][3] - headers[0][3]) & 0xFFFFFFFF == 3600
    keys = [read_vp8(packet[12:]).key for packet in packets]
    assert [index for index, key in enumerate(keys) if key] == [0]


def test_a_wanted_key_frame_comes_with_the_next_frame() -> None:
    stream = VideoStream(LAYER)
    stream.begin(0.0)
    list(stream.due(0.05))
    stream.want_key_frame()
    packets = list(stream.due(0.1))
    assert [read_vp8(packet[12:]).key for packet in packets].count(True) == 1
    assert stream.key_frames == 2


def test_an_audio_stream_carries_its_level_in_every_packet() -> None:
    stream = AudioStream(level=lambda now: round(now * 50), level_extension=3, packet_bytes=100)
    stream.begin(0.0)
    packets = list(stream.due(0.999))
    assert {len(packet) for packet in packets} == {100}
    assert [packet[17] & 0x7F for packet in packets] == list(range(50))
    assert {packet[16] for packet in packets} == {0x30}


def test_a_payload_says_when_it_was_made_and_shows_harm() -> None:
    stream = VideoStream(LAYER)
    stream.begin(0.0)
    before = time.monotonic()
    payload = next(stream.due(0.0))[12:]
    assert before <= made_at(payload) <= time.monotonic()
    assert intact(payload)
    assert not intact(payload[:500] + b"harm" + payload[504:])


def test_a_stream_remembers_only_what_it_sent_lately() -> None:
    stream = VideoStream(LAYER)
    stream.begin(0.0)
    numbers = []
    for packet in stream.due(5.0):
        stream.sent(packet)
        numbers.append(HEADER.unpack_from(packet)[2])
    assert stream.remembered(numbers[-1]) is not None
    assert stream.remembered(numbers[-200]) is not None
    assert stream.remembered(numbers[-300]) is None


@given(st.integers(0, 0xFFFF), st.sets(st.integers(0, 400), min_size=1, max_size=40))
def test_a_nack_reads_back(first: int, offsets: set[int]) -> None:
    lost = [(first + offset) & 0xFFFF for offset in sorted(offsets)]
    (part,) = rtcp.split(rtcp.nack(1, 2, lost))
    assert (part.kind, part.count) == (rtcp.TRANSPORT_FEEDBACK, rtcp.NACK)
    assert rtcp.nacked(part) == (2, lost)


def test_a_compound_is_split_up_to_what_is_not_whole() -> None:
    compound = (
        rtcp.sender_report(7, unix_s=1.5, timestamp=9, packets=1, octets=2)
        + rtcp.receiver_report(7, [rtcp.ReportBlock(8, 10, 20, 30)])
        + rtcp.source_description(7, "bot")
        + rtcp.picture_loss(7, 8)
    )
    kinds = [part.kind for part in rtcp.split(compound)]
    assert kinds == [200, 201, 202, 206]
    assert [part.kind for part in rtcp.split(compound[:-1])] == kinds[:-1]


def test_key_frame_requests_are_read_in_both_forms() -> None:
    (pli,) = rtcp.split(rtcp.picture_loss(1, 0xAABBCCDD))
    fir = rtcp.Part(rtcp.PAYLOAD_FEEDBACK, rtcp.FIR, 1, bytes(4) + bytes.fromhex("aabbccdd05000000"))
    remb = rtcp.Part(rtcp.PAYLOAD_FEEDBACK, rtcp.REMB, 1, bytes(4) + b"REMB" + bytes(4))
    assert rtcp.key_frame_wanted(pli) == rtcp.key_frame_wanted(fir) == [0xAABBCCDD]
    assert rtcp.key_frame_wanted(remb) == []
