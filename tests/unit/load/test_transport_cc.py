"""Transport-wide numbers and feedback of bots: the node reads what they write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp import rtcp
from sfu.rtp.transport_cc import Feedback
from tests.load.light.rtp import HEADER, extension_block
from tests.load.light.sources import AudioStream, Layer, VideoStream
from tests.load.light.transport_cc import TICKS_PER_S, Arrivals, read_number, stamp

ID = 4


def packet(number: int) -> memoryview:
    return memoryview(HEADER.pack(0x90, 96, 1, 2, 3) + extension_block({ID: number.to_bytes(2, "big")}))


def told(arrivals: Arrivals) -> list[Feedback]:
    read = []
    for compound in arrivals.feedback(1, 2):
        assert len(compound) < 1200
        (feedback,) = rtcp.parse(compound)
        assert isinstance(feedback, Feedback)
        read.append(feedback)
    return read


def said(feedbacks: list[Feedback]) -> dict[int, int]:
    return {
        (feedback.first + at) & 0xFFFF: ticks
        for feedback in feedbacks
        for at, ticks in enumerate(feedback.arrivals)
        if ticks >= 0
    }


@given(
    start=st.integers(0, 0xFFFF),
    came=st.dictionaries(st.integers(0, 900), st.integers(400_000, 400_000 + TICKS_PER_S), min_size=1),
)
def test_every_arrival_is_said_once(start: int, came: dict[int, int]) -> None:
    arrivals = Arrivals(ID)
    for offset, ticks in came.items():
        arrivals.note(packet((start + offset) & 0xFFFF), (ticks + 0.5) / TICKS_PER_S)
    feedbacks = told(arrivals)
    assert said(feedbacks) == {(start + offset) & 0xFFFF: ticks for offset, ticks in came.items()}
    assert [feedback.number for feedback in feedbacks] == list(range(len(feedbacks)))
    assert not told(arrivals)


def test_what_is_missing_between_feedbacks_is_said() -> None:
    arrivals = Arrivals(ID)
    arrivals.note(packet(0xFFFE), 100.0)
    assert [list(feedback.arrivals) for feedback in told(arrivals)] == [[400_000]]
    arrivals.note(packet(1), 100.1)
    (feedback,) = told(arrivals)
    assert (feedback.first, list(feedback.arrivals)) == (0xFFFF, [-1, -1, 400_400])
    arrivals.note(packet(0), 100.2)
    assert said(told(arrivals)) == {0: 400_800}


def test_a_packet_that_comes_twice_came_when_it_came_first() -> None:
    arrivals = Arrivals(ID)
    for at in (1.0, 1.5):
        arrivals.note(packet(7), at)
    assert said(told(arrivals)) == {7: TICKS_PER_S}


@pytest.mark.parametrize(
    ("block", "number"),
    [
        (bytes.fromhex("bede0001 41abcd00"), 0xABCD),
        (bytes.fromhex("bede0002 30aa 0041 abcd 0000"), 0xABCD),
        (bytes.fromhex("10000002 0301aa 0402abcd 00"), 0xABCD),
        (bytes.fromhex("bede0001 31abcd00"), None),
        (bytes.fromhex("bede0001 42abcdef"), None),
        (bytes.fromhex("bede0001 41ab"), None),
        (bytes.fromhex("bede"), None),
        (b"", None),
    ],
)
def test_a_number_is_read_wherever_it_stands(block: bytes, number: int | None) -> None:
    assert read_number(HEADER.pack(0x90, 96, 1, 2, 3) + block, ID) == number


def test_without_extensions_there_is_no_number() -> None:
    assert read_number(HEADER.pack(0x80, 96, 1, 2, 3) + bytes.fromhex("bede000141abcd00"), ID) is None


@pytest.mark.parametrize(
    "stream",
    [
        VideoStream(Layer(640, 360, 5), {1: b"1", 2: b"f"}),
        AudioStream(level=lambda _now: 40, level_extension=3, packet_bytes=100),
    ],
)
def test_a_numbered_stream_has_room_for_the_number(stream: VideoStream | AudioStream) -> None:
    stream.begin(0.0)
    before = next(stream.due(0.0))
    stream.number(ID)
    bare = next(stream.due(1.0))
    numbered = stamp(bare, 0x1BEEF)
    assert read_number(numbered, ID) == 0xBEEF
    assert len(numbered) == len(bare) == len(before)
    assert numbered.replace(b"\xbe\xef", b"\0\0", 1) == bare
