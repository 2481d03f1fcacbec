"""Transport-wide feedback: what is written is read, what is malformed is nothing, numbers survive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp import rtcp
from sfu.rtp.packet import build_extensions, parse
from sfu.rtp.transport_cc import (
    MAX_STATUSES,
    Feedback,
    SentPackets,
    read,
    write,
)
from tests.unit.rtp import wire

deltas = st.one_of(st.none(), st.integers(0, 255), st.integers(-2000, 8000))


@given(st.integers(0, 0xFFFF), st.integers(0, 255), st.lists(deltas, min_size=1, max_size=600))
def test_what_is_written_is_read(first: int, number: int, steps: list[int | None]) -> None:
    ticks = 1_000_000
    arrivals = []
    for step in steps:
        if step is None:
            arrivals.append(-1)
        else:
            ticks = max(1, ticks + step)
            arrivals.append(ticks)
    if all(ticks < 0 for ticks in arrivals):
        arrivals.append(ticks)
    found = read(write(Feedback(first, number, arrivals)))
    assert found is not None
    assert (found.first, found.number, list(found.arrivals)) == (first, number, arrivals)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(fci: bytes) -> None:
    found = read(fci)
    assert found is None or 0 < len(found.arrivals) <= MAX_STATUSES


@given(st.integers(0, 60), st.data())
def test_what_is_cut_short_is_refused(cut: int, data: st.DataObject) -> None:
    whole = write(Feedback(7, 1, data.draw(st.lists(st.integers(0, 255), min_size=20, max_size=20)).copy()))
    if cut < 10 + 2:
        assert read(whole[:cut]) is None


# The example of the draft's §3.1: vectors of one and of two bits, and runs, as other senders write them.
@pytest.mark.parametrize(
    ("fci", "arrivals"),
    [
        ("0005 0003 000001 00 2003 04 08 0c 00", [256 + 4, 256 + 12, 256 + 24]),
        ("0005 0003 000001 00 b000 04 08", [256 + 4, 256 + 12, -1]),
        ("0005 0003 000001 00 c900 ffff 08", [-1, 255, 263]),
        ("0005 0004 000000 00 0002 4002 0100 fffe", [-1, -1, 256, 254]),
    ],
)
def test_chunks_of_other_senders(fci: str, arrivals: list[int]) -> None:
    found = read(bytes.fromhex(fci.replace(" ", "")))
    assert found is not None
    assert list(found.arrivals) == arrivals


@pytest.mark.parametrize(
    "fci",
    [
        "0005 ffff 000001 00 3fff 3fff 3fff 3fff",  # too many
        "0005 0003 000001 00 6003 04 08 0c 00",  # the reserved status
        "0005 0003 000001 00 2000 2003 04 08 0c",  # an empty run
        "0005 0003 000001 00 2003 04 08",  # a delta is missing
        "0005 0000 000001 00 2003",  # of nothing
    ],
)
def test_refused(fci: str) -> None:
    assert read(bytes.fromhex(fci.replace(" ", ""))) is None


def test_arrivals_too_far_apart_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="too far apart"):
        write(Feedback(1, 0, [0, 40_000]))
    with pytest.raises(ValueError, match="some packets that arrived"):
        write(Feedback(1, 0, [-1]))


def test_the_packet_around_it() -> None:
    (found,) = rtcp.parse(rtcp.transport_feedback(1, 2, Feedback(9, 3, [5, -1, 8])))
    assert isinstance(found, Feedback)
    assert (found.first, found.number, list(found.arrivals)) == (9, 3, [5, -1, 8])


@pytest.mark.parametrize("others", [[], [(5, b"abc")], [(5, b"x" * 20)]])
def test_a_number_is_stamped_where_it_belongs(others: list[tuple[int, bytes]]) -> None:
    block = build_extensions([(3, b"\0\0"), *others])
    packet = b"\x90\x60" + bytes(10) + block + b"payload"
    stamped = parse(wire.numbered(packet, 0x1ABCD), 0.0)
    assert stamped is not None
    assert list(stamped.extensions()) == [(3, b"\xab\xcd"), *others]
    assert stamped.data.endswith(b"payload")


def test_sent_packets_are_found_until_too_old() -> None:
    sent = SentPackets()
    assert sent.words(1, 1) == ()
    for at in range(5000):
        assert sent.note(at, at % 1500) == at + 1
    assert list(sent.words(4990, 11)) == [(at << 16) | at % 1500 for at in range(4989, 5000)]
    assert len(sent.words(5000 - SentPackets.KEPT + 1, SentPackets.KEPT)) == SentPackets.KEPT
    assert sent.words(5000 - SentPackets.KEPT, 1) == ()
    assert sent.words(5000, 2) == ()
    assert sent.words(0, 1) == ()


@given(st.integers(1, 70_000), st.integers(0, 4000))
def test_numbers_are_unwrapped_to_the_newest_sent(last: int, behind: int) -> None:
    sent = SentPackets()
    sent.last = last
    number = last - behind
    assert sent.unwrap(number & 0xFFFF) == number
