"""What payload descriptors say, as browsers write them and as nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.payload import OPAQUE, READERS, Payload, read_vp8, read_vp9
from tests.unit.rtp import wire

ALL = sorted(READERS)


def read(codec: str, payload: bytes) -> Payload:
    """Read a payload that stands in the middle of a packet, before padding."""
    before, after = b"\xaa" * 12, b"\x00\x07" * 4
    return READERS[codec](before + payload + after, 12, 12 + len(payload))


@pytest.mark.parametrize(
    ("payload", "key_frame", "picture_id", "bits", "tl0", "size"),
    [
        ("10 00 9d012a", True, -1, 15, -1, 0),
        ("10 01 9d", False, -1, 15, -1, 0),
        ("00 00 9d", False, -1, 15, -1, 0),
        ("11 00 9d", False, -1, 15, -1, 0),
        ("17 00 9d", False, -1, 15, -1, 0),
        ("30 00 9d", True, -1, 15, -1, 0),
        ("90 80 8123 00 9d", True, 0x123, 15, -1, 4),
        ("90 80 ffff 01 9d", False, 0x7FFF, 15, -1, 4),
        ("90 80 7f 00 9d", True, 127, 7, -1, 3),
        ("90 e0 8123 2a 20 00 9d", True, 0x123, 15, 0x2A, 6),
        ("90 e0 8123 2a e0 01 9d", False, 0x123, 15, 0x2A, 6),
        ("80 e0 8123 2a 20 00 9d", False, 0x123, 15, 0x2A, 6),
        ("90 f0 8123 ff 2f 00 9d", True, 0x123, 15, 0xFF, 6),
        ("90 40 2a 00 9d", True, -1, 15, 0x2A, 3),
        ("90 20 20 00 9d", True, -1, 15, -1, 0),
        ("90 10 05 00 9d", True, -1, 15, -1, 0),
        ("90 00 00 9d", True, -1, 15, -1, 0),
    ],
)
def test_vp8(payload: str, key_frame: bool, picture_id: int, bits: int, tl0: int, size: int) -> None:
    said = read("VP8", bytes.fromhex(payload))
    assert (said.key_frame, said.picture_id, said.tl0, said.size) == (key_frame, picture_id, tl0, size)
    assert said.picture_id_bits == bits


@pytest.mark.parametrize(
    ("payload", "key_frame", "picture_id", "bits", "tl0", "size"),
    [
        ("08 82", True, -1, 15, -1, 0),
        ("48 82", False, -1, 15, -1, 0),
        ("00 82", False, -1, 15, -1, 0),
        ("88 8123 82", True, 0x123, 15, -1, 3),
        ("88 23 82", True, 0x23, 7, -1, 2),
        ("a8 8123 00 2a 82", True, 0x123, 15, 0x2A, 5),
        ("a8 8123 02 2a 82", False, 0x123, 15, 0x2A, 5),
        ("e8 8123 20 2a 82", False, 0x123, 15, 0x2A, 5),
        ("b8 8123 00 82", True, 0x123, 15, -1, 4),
        ("aa 8123 00 2a 18 0280 0168", True, 0x123, 15, 0x2A, 5),
        ("2c 20 ff 82", True, -1, 15, 0xFF, 3),
    ],
)
def test_vp9(payload: str, key_frame: bool, picture_id: int, bits: int, tl0: int, size: int) -> None:
    said = read("VP9", bytes.fromhex(payload))
    assert (said.key_frame, said.picture_id, said.tl0, said.size) == (key_frame, picture_id, tl0, size)
    assert said.picture_id_bits == bits


@pytest.mark.parametrize(
    ("codec", "payload", "temporal", "sync", "numbers_frames"),
    [
        ("VP8", "90 e0 8123 2a 00 00 9d", 0, False, True),
        ("VP8", "90 e0 8123 2a 20 00 9d", 0, True, True),
        ("VP8", "90 e0 8123 2a 40 01 9d", 1, False, True),
        ("VP8", "80 e0 8123 2a 60 01 9d", 1, True, True),
        ("VP8", "90 e0 8123 2a bf 01 9d", 2, True, True),
        ("VP8", "90 e0 8123 2a df 01 9d", 3, False, True),
        ("VP8", "90 f0 23 2a 60 01 9d", 1, True, True),
        ("VP8", "90 20 60 01 9d", 1, True, False),
        ("VP8", "90 10 ff 01 9d", 0, False, False),
        ("VP8", "90 80 8123 01 9d", 0, False, True),
        ("VP8", "10 01 9d", 0, False, False),
        ("VP9", "a8 8123 00 2a 82", 0, False, False),
        ("VP9", "a8 8123 10 2a 82", 0, True, False),
        ("VP9", "e8 8123 2f 2a 82", 1, False, False),
        ("VP9", "e8 8123 50 2a 82", 2, True, False),
        ("VP9", "b8 8123 f0 82", 7, True, False),
        ("VP9", "2c 70 2a 82", 3, True, False),
        ("VP9", "88 8123 82", 0, False, False),
        ("H264", "78 ffff 68", 0, False, False),
        ("AV1", "18 0a0b", 0, False, False),
        ("opus", "ff ff", 0, False, False),
    ],
)
def test_temporal_layers(codec: str, payload: str, temporal: int, sync: bool, numbers_frames: bool) -> None:
    said = read(codec, bytes.fromhex(payload))
    assert (said.temporal, said.sync, said.numbers_frames) == (temporal, sync, numbers_frames)


@pytest.mark.parametrize(
    ("codec", "payload", "key_frame"),
    [
        ("H264", "67 42c01f", True),
        ("H264", "27 42c01f", True),
        ("H264", "68 ce3c80", False),
        ("H264", "65 88", False),
        ("H264", "41 9a", False),
        ("H264", "78 0004 6742c01f 0004 68ce3c80", True),
        ("H264", "78 0002 09f0 0004 6742c01f", True),
        ("H264", "78 0002 09f0 0002 68ce", False),
        ("H264", "7c 85 88", False),
        ("H264", "7c 87 42", False),
        ("H264", "78 ffff 68", False),
        ("H264", "78 00", False),
        ("AV1", "18 0a0b", True),
        ("AV1", "08 0a0b", True),
        ("AV1", "10 32", False),
        ("AV1", "98 0a", False),
        ("AV1", "90 32", False),
        ("opus", "78 00", True),
        ("red", "6f 00", True),
    ],
)
def test_other_codecs(codec: str, payload: str, key_frame: bool) -> None:
    said = read(codec, bytes.fromhex(payload))
    assert (said.key_frame, said.size, said.picture_id, said.tl0) == (key_frame, 0, -1, -1)


@pytest.mark.parametrize("codec", [codec for codec in ALL if codec not in ("opus", "red")])
def test_an_empty_payload_says_nothing(codec: str) -> None:
    assert read(codec, b"") is OPAQUE


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        ("VP8", "90"),
        ("VP8", "90 80"),
        ("VP8", "90 80 81"),
        ("VP8", "90 e0 8123"),
        ("VP8", "90 e0 8123 2a"),
        ("VP9", "88"),
        ("VP9", "88 81"),
        ("VP9", "a8 8123"),
        ("VP9", "a8 8123 00"),
    ],
)
def test_a_descriptor_that_is_cut_short_says_nothing(codec: str, payload: str) -> None:
    assert read(codec, bytes.fromhex(payload)) is OPAQUE


@pytest.mark.parametrize("codec", ALL)
@given(
    payload=st.binary(max_size=12) | st.binary(max_size=8).map(lambda rest: b"\x90\xf0" + rest),
    before=st.binary(max_size=4),
    after=st.binary(max_size=8),
)
def test_only_the_payload_is_read(codec: str, payload: bytes, before: bytes, after: bytes) -> None:
    alone = READERS[codec](payload, 0, len(payload))
    within = READERS[codec](before + payload + after, len(before), len(before) + len(payload))
    for name in Payload.__slots__:
        assert getattr(within, name) == getattr(alone, name)
    assert 0 <= alone.size <= len(payload)


offsets = st.integers(-0x10000, 0x10000)


@given(
    picture_id=st.integers(0, 0x7FFF),
    tl0=st.none() | st.integers(0, 255),
    tid=st.none() | st.integers(0, 3),
    key=st.booleans(),
    by=st.tuples(offsets, offsets),
)
def test_rewriting_moves_the_counters_and_nothing_else(
    picture_id: int, tl0: int | None, tid: int | None, key: bool, by: tuple[int, int]
) -> None:
    """For VP8 with ids of 15 bits, and of 7 where they fit, and for VP9."""
    payloads = [(read_vp8, wire.vp8(key=key, picture_id=picture_id, tl0=tl0, tid=tid))]
    payloads.append((read_vp9, wire.vp9(key=key, picture_id=picture_id, tl0=tl0, flexible=tl0 is None)))
    if picture_id < 128:
        payloads.append((read_vp8, wire.vp8(key=key, picture_id=picture_id, tl0=tl0, tid=tid, short=True)))
    for reader, payload in payloads:
        said = reader(payload, 0, len(payload))
        moved = said.rewrite(payload[: said.size], *by) + payload[said.size :]
        again = reader(moved, 0, len(moved))
        mask = 0x7FFF if said.picture_id_bits == 15 else 0x7F
        assert again.picture_id == (said.picture_id + by[0]) & mask
        assert again.tl0 == (-1 if tl0 is None else (tl0 + by[1]) & 0xFF)
        assert (again.size, again.key_frame) == (said.size, said.key_frame)
        assert (again.temporal, again.sync) == (said.temporal, said.sync)
        back = again.rewrite(moved[: said.size], -by[0], -by[1]) + moved[said.size :]
        assert back == payload
