"""Redundant audio: what is packed is unpacked, what is malformed is nothing, what does not fit left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.red import MAX_BLOCK, MAX_BLOCKS, MAX_OFFSET, pack, unpack

payload_types = st.integers(0, 127)
blocks = st.lists(
    st.tuples(
        st.integers(0, MAX_OFFSET), st.binary(max_size=80) | st.binary(min_size=1000, max_size=MAX_BLOCK)
    ),
    max_size=MAX_BLOCKS,
)


@given(payload_types, blocks, st.binary(max_size=100))
def test_what_is_packed_is_unpacked(
    payload_type: int, earlier: list[tuple[int, bytes]], primary: bytes
) -> None:
    found = list(unpack(pack(payload_type, earlier, primary)))
    assert found == [
        *((payload_type, ticks, block) for ticks, block in earlier),
        (payload_type, 0, primary),
    ]


@given(
    payload_types,
    st.lists(st.tuples(st.integers(-(1 << 31), 1 << 31), st.binary(max_size=10)), max_size=MAX_BLOCKS),
    st.binary(max_size=20),
)
def test_blocks_of_any_time_can_be_packed(
    payload_type: int, earlier: list[tuple[int, bytes]], primary: bytes
) -> None:
    """A publisher's timestamps may go backwards; what cannot be expressed is left out."""
    *found, last = unpack(pack(payload_type, earlier, primary))
    assert found == [(payload_type, ticks, block) for ticks, block in earlier if 0 <= ticks <= MAX_OFFSET]
    assert last == (payload_type, 0, primary)


@pytest.mark.parametrize(
    ("ticks", "size", "fits"),
    [
        (MAX_OFFSET, MAX_BLOCK, True),
        (MAX_OFFSET + 1, 1, False),
        (1, MAX_BLOCK + 1, False),
    ],
)
def test_what_does_not_fit_is_left_out(ticks: int, size: int, fits: bool) -> None:
    found = list(unpack(pack(111, [(ticks, bytes(size)), (960, b"kept")], b"primary")))
    assert len(found) == 2 + fits
    assert found[-2:] == [(111, 960, b"kept"), (111, 0, b"primary")]


# RFC 2198 §3: four bytes of head for each block, one for the primary, then the blocks.
def test_as_on_the_wire() -> None:
    wire = bytes.fromhex("ef 0f00 03 6f aabbcc 0102".replace(" ", ""))
    assert pack(111, [(960, b"\xaa\xbb\xcc")], b"\1\2") == wire
    assert list(unpack(wire)) == [(111, 960, b"\xaa\xbb\xcc"), (111, 0, b"\1\2")]


def test_blocks_may_be_of_several_types() -> None:
    wire = bytes.fromhex("8d0f0001 6f aa bb".replace(" ", ""))
    assert list(unpack(wire)) == [(13, 960, b"\xaa"), (111, 0, b"\xbb")]


@given(st.binary(max_size=120))
def test_any_bytes_are_taken_apart_or_nothing(payload: bytes) -> None:
    found = list(unpack(payload))
    assert sum(len(block) for _, _, block in found) <= len(payload)
    if found:
        assert len(found) <= MAX_BLOCKS + 1
        assert found[-1][1] == 0
        assert all(0 <= payload_type <= 127 for payload_type, _, _ in found)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "ef",  # a head is cut short
        "ef0f0003",  # no primary
        "ef0f0003 6f aabb",  # a block is cut short
        "ef0f0003 ef0f00",  # a second head is cut short
        "80000000" * (MAX_BLOCKS + 1) + "6f",  # too many
    ],
)
def test_malformed(payload: str) -> None:
    assert list(unpack(bytes.fromhex(payload.replace(" ", "")))) == []


@given(blocks, st.binary(max_size=20), st.data())
def test_what_is_cut_short_gives_no_shorter_blocks(
    earlier: list[tuple[int, bytes]], primary: bytes, data: st.DataObject
) -> None:
    whole = pack(111, earlier, primary)
    cut = data.draw(st.integers(0, len(whole)))
    found = list(unpack(whole[:cut]))
    assert found in (
        [],
        [*((111, *each) for each in earlier), (111, 0, whole[len(whole) - len(primary) : cut])],
    )
