"""Sixteen bits on the wire, a count without end behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.sequence import Seq, Unwrapper, nearest, timestamp_distance

steps = st.lists(st.integers(-0x8000, 0x7FFF), max_size=50)


@given(st.integers(0, 0xFFFF), steps)
def test_numbers_are_unwrapped_if_each_is_near_the_one_before(first: int, moves: list[int]) -> None:
    unwrapper, expected = Unwrapper(), 0x10000 + first
    assert unwrapper.unwrap(first) == expected
    for move in moves:
        expected += move
        assert unwrapper.unwrap(expected & 0xFFFF) == expected


@pytest.mark.parametrize(
    ("wire", "unwrapped"),
    [
        ([0xFFFE, 0xFFFF, 0, 1], [0x1FFFE, 0x1FFFF, 0x20000, 0x20001]),
        ([1, 0xFFFF, 0, 2], [0x10001, 0xFFFF, 0x10000, 0x10002]),
        ([0, 0x7FFF, 0xFFFE, 0x7FFE], [0x10000, 0x17FFF, 0x1FFFE, 0x17FFE]),
        ([0, 0x8000], [0x10000, 0x8000]),
    ],
)
def test_wraps_and_reordering(wire: list[int], unwrapped: list[int]) -> None:
    unwrapper = Unwrapper()
    assert [unwrapper.unwrap(seq) for seq in wire] == unwrapped


@given(st.integers(0, 0xFFFF), st.integers(0, 2**40))
def test_nearest_has_the_bits_and_is_near(seq: int, reference: int) -> None:
    found = nearest(seq, Seq(reference))
    assert found & 0xFFFF == seq
    assert -0x8000 <= found - reference < 0x8000


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_timestamps_are_as_far_apart_as_they_were_moved(start: int, move: int) -> None:
    assert timestamp_distance((start + move) & 0xFFFF_FFFF, start) == move
