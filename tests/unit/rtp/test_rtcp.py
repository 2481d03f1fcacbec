"""RTCP: what is written can be read, what was read elsewhere is read alike, and garbage ends quietly."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp import rtcp
from sfu.rtp.rtcp import (
    MAX_REPORTS,
    Bye,
    KeyFrameRequest,
    Nack,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
)

u8, u32 = st.integers(0, 255), st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
blocks = st.builds(ReportBlock, u32, u8, st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32)
reports = st.lists(blocks, max_size=MAX_REPORTS).map(tuple)


def read(compound: bytes) -> list[rtcp.Rtcp]:
    return list(rtcp.parse(compound))


def raw(kind: int, count: int, body: bytes, *, padding: int = 0) -> bytes:
    """Return one packet; `padding` bytes are part of it."""
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    first = 0x80 | (0x20 if padding else 0) | count
    return struct.pack("!BBH", first, kind, len(body + tail) // 4) + body + tail


# --- round trips ----------------------------------------------------------------------------------


@given(st.builds(SenderReport, u32, u64, u32, u32, u32, reports))
def test_a_sender_report_comes_back(report: SenderReport) -> None:
    assert read(rtcp.sender_report(report)) == [report]


@given(u32, reports)
def test_a_receiver_report_comes_back(ssrc: int, said: tuple[ReportBlock, ...]) -> None:
    assert read(rtcp.receiver_report(ssrc, said)) == [ReceiverReport(ssrc, said)]


def test_counters_beyond_32_bits_wrap() -> None:
    block = ReportBlock(1, 2, 3, 2**32 + 4, 2**32 + 5, 6, 7)
    (report,) = read(rtcp.sender_report(SenderReport(1, 2, 3, 2**32 + 8, 2**33 + 9, (block,))))
    assert report == SenderReport(1, 2, 3, 8, 9, (ReportBlock(1, 2, 3, 4, 5, 6, 7),))


@given(u32, u32)
def test_a_picture_loss_comes_back(sender: int, media: int) -> None:
    assert read(rtcp.picture_loss(sender, media)) == [KeyFrameRequest(media)]


@given(st.integers(0, 2**40), st.sets(st.integers(0, 3000), min_size=1, max_size=200))
def test_a_nack_names_what_is_missing_in_order(start: int, away: set[int]) -> None:
    lost = sorted(start + each for each in away)
    (said,) = read(rtcp.nack(1, 2, lost))
    assert said == Nack(2, tuple(seq & 0xFFFF for seq in lost))


def test_a_nack_spans_the_wrap_in_one_pair() -> None:
    compound = rtcp.nack(1, 2, [0xFFFE, 0xFFFF, 0x10000, 0x1000E])
    assert compound == bytes.fromhex("81cd0003 00000001 00000002 fffe 8003")
    assert read(compound) == [Nack(2, (0xFFFE, 0xFFFF, 0, 14))]


def test_a_nack_says_nothing_twice() -> None:
    assert read(rtcp.nack(1, 2, [5, 5, 6])) == [Nack(2, (5, 6))]


@given(st.integers(0, 2**63), st.lists(u32, max_size=255))
def test_a_remb_keeps_the_leading_bits_of_its_bitrate(bitrate: int, ssrcs: list[int]) -> None:
    (said,) = read(rtcp.remb(1, bitrate, ssrcs))
    assert isinstance(said, Remb)
    assert said.ssrcs == tuple(ssrcs)
    assert 0 <= bitrate - said.bitrate_bps <= bitrate >> 17
    if bitrate < 2**18:
        assert said.bitrate_bps == bitrate


def test_the_exponent_of_a_remb() -> None:
    compound = rtcp.remb(1, 6_000_000, [7])
    assert compound == bytes.fromhex(
        "8fce0005 00000001 00000000 52454d42 01 16 dc6c 00000007".replace(" ", "")
    )
    assert read(compound) == [Remb(6_000_000, (7,))]
    extreme = bytes.fromhex("8fce0004 00000001 00000000 52454d42 00ffffff")
    assert read(extreme) == [Remb(0x3FFFF << 63, ())]


@pytest.mark.parametrize("cname", ["", "a", "ab", "abc", "parley", "x" * 255])
@pytest.mark.parametrize("count", [1, 2, 31])
def test_a_source_description_is_whole_words_with_an_end(cname: str, count: int) -> None:
    compound = rtcp.source_description(range(count), cname)
    first, kind, words = struct.unpack_from("!BBH", compound)
    assert (first, kind, 4 + 4 * words) == (0x80 | count, 202, len(compound))
    chunk = compound[4 : 4 + (len(compound) - 4) // count]
    assert chunk[4:6] == bytes((1, len(cname)))
    assert chunk[6 : 6 + len(cname)] == cname.encode()
    assert set(chunk[6 + len(cname) :]) == {0}
    assert read(compound) == []


def test_ntp_time() -> None:
    assert rtcp.ntp_time(0.0) == 2_208_988_800 << 32
    assert rtcp.ntp_time(0.5) == (2_208_988_800 << 32) + 2**31


# --- what others write ----------------------------------------------------------------------------


def test_a_compound_is_read_in_order_past_what_nobody_acts_on() -> None:
    compound = (
        rtcp.receiver_report(1, ())
        + rtcp.source_description([1], "cname")
        + raw(204, 0, b"\x00\x00\x00\x01APP!")
        + raw(207, 0, b"\x00\x00\x00\x01")
        + raw(205, 15, bytes(20))
        + raw(206, 2, bytes(12))
        + raw(206, 15, bytes(8) + b"GOOG" + bytes(4))
        + rtcp.picture_loss(1, 9)
        + raw(203, 2, struct.pack("!II", 5, 6) + b"\x03bye")
    )
    assert read(compound) == [ReceiverReport(1), KeyFrameRequest(9), Bye((5, 6))]


def test_every_entry_of_a_fir_is_a_request() -> None:
    entries = struct.pack("!IIII", 7, 0x01000000, 8, 0x02000000)
    assert read(raw(206, 4, struct.pack("!II", 1, 0) + entries)) == [KeyFrameRequest(7), KeyFrameRequest(8)]


def test_losses_may_be_negative() -> None:
    body = struct.pack("!IIIIIII", 1, 2, 0x05FFFFFF, 0, 0, 0, 0)
    (said,) = read(raw(201, 1, body))
    assert isinstance(said, ReceiverReport)
    assert (said.reports[0].fraction_lost, said.reports[0].lost) == (5, -1)


def test_reports_may_be_followed_by_what_a_profile_adds() -> None:
    body = struct.pack("!IIIIIII", 1, 2, 0, 0, 0, 0, 0) + b"more"
    assert len(read(raw(201, 1, body) + rtcp.picture_loss(1, 9))) == 2


def test_padding_is_left_out() -> None:
    lost = struct.pack("!IIHH", 1, 2, 100, 1)
    assert read(raw(205, 1, lost, padding=8)) == [Nack(2, (100, 101))]


# --- what nobody should write ---------------------------------------------------------------------

WHOLE = rtcp.receiver_report(1, [ReportBlock(1, 2, 3, 4, 5, 6, 7)]) + rtcp.nack(1, 2, [3, 4, 900])


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_compound_that_is_cut_short_gives_what_came_before(size: int) -> None:
    whole = read(WHOLE)
    said = read(WHOLE[:size])
    assert said == whole[: len(said)]
    assert len(said) == (1 if size >= 32 else 0)


@pytest.mark.parametrize(
    "malformed",
    [
        b"\x80",
        b"\x00\xc9\x00\x01\x00\x00\x00\x01",
        b"\x80\xc9\xff\xff" + bytes(40),
        raw(200, 0, bytes(20)),
        raw(200, 1, bytes(24)),
        raw(201, 0, b""),
        raw(201, 31, bytes(4)),
        raw(203, 31, bytes(8)),
        raw(205, 1, bytes(4)),
        raw(206, 1, b""),
        raw(206, 15, bytes(8) + b"REMB" + b"\xff" + bytes(3)),
        raw(205, 1, b"", padding=4),
        b"\xa0\xc9\x00\x01\x00\x00\x00\xff",
    ],
    ids=lambda data: data.hex()[:24],
)
def test_what_is_malformed_ends_the_compound(malformed: bytes) -> None:
    assert read(malformed) == []
    assert read(rtcp.picture_loss(1, 9) + malformed + rtcp.picture_loss(1, 10)) == [KeyFrameRequest(9)]


@given(
    st.binary(max_size=200)
    | st.lists(
        st.builds(
            raw,
            st.integers(198, 208),
            st.integers(0, 31),
            st.binary(max_size=60).map(lambda body: body[: len(body) // 4 * 4]),
        ),
        max_size=4,
    ).map(b"".join)
)
def test_any_bytes(compound: bytes) -> None:
    said = read(compound)
    assert len(said) <= len(compound) // 8 + 1
    named = sum(len(each.lost) for each in said if isinstance(each, Nack))
    assert named <= 17 * len(compound) // 4
