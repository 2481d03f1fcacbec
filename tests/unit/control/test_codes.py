import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.meetings.codes import ALPHABET, LENGTH, canonical, new_code, shard_of
from control.shards.ids import SHARDS_MAX


def test_codes_hold_sixty_bits_of_unmistakable_signs() -> None:
    assert LENGTH * math.log2(len(set(ALPHABET))) >= 60
    assert not set(ALPHABET) & set("lo01")
    assert ALPHABET.lower() == ALPHABET


def test_codes_differ_and_use_all_signs() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert set("".join(codes)) == set(ALPHABET) | {"-"}


@given(st.data())
def test_every_spelling_of_a_code_is_the_code(data: st.DataObject) -> None:
    code = new_code()
    signs = [data.draw(st.sampled_from([sign, sign.upper()])) for sign in code.replace("-", "")]
    gaps = [data.draw(st.sampled_from(["", "-", " ", "--"])) for _ in signs]
    assert canonical("".join(sign + gap for sign, gap in zip(signs, gaps, strict=True))) == code


@given(st.integers(1, SHARDS_MAX - 1))
def test_a_code_tells_the_database(shard: int) -> None:
    code = new_code(shard)
    assert canonical(code) == code
    assert shard_of(code) == shard


@given(st.text(max_size=40))
def test_whatever_is_asked_for_is_a_code_or_none(text: str) -> None:
    code = canonical(text)
    assert code is None or canonical(code) == code


@pytest.mark.parametrize(
    "text", ["", "abcd-efgh", "abcd-efgh-jkmnp", "abcd-efgh-jkm0", "abcd-efgh-jkm\u0131"]
)
def test_what_cannot_be_a_code(text: str) -> None:
    assert canonical(text) is None
