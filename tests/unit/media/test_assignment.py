"""As few slots change as possible, and the most important tracks have one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.media.assignment import assign


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        ({}, ["a"], {}),
        ({"1": None}, [], {"1": None}),
        ({"1": None, "2": None}, ["a"], {"1": "a", "2": None}),
        ({"1": None, "2": None}, ["a", "b", "c"], {"1": "a", "2": "b"}),
        ({"1": "a", "2": "b"}, ["b", "a"], {"1": "a", "2": "b"}),
        ({"1": "a", "2": "b"}, ["b", "c"], {"1": "c", "2": "b"}),
        ({"1": "a", "2": "b"}, ["c", "a", "b"], {"1": "a", "2": "c"}),
        ({"1": "a", "2": None}, ["a", "a", "b"], {"1": "a", "2": "b"}),
        ({"1": "a", "2": "b"}, [], {"1": None, "2": None}),
    ],
)
def test_examples(current: dict[str, str | None], wanted: list[str], expected: dict[str, str | None]) -> None:
    assert assign(current, wanted) == expected


tracks = st.sampled_from("abcdefgh")


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, str | None], list[str]]:
    held = draw(st.lists(tracks | st.none(), max_size=6))
    taken = [track if track not in held[:at] else None for at, track in enumerate(held)]
    return {str(at): track for at, track in enumerate(taken)}, draw(st.lists(tracks, max_size=10))


@given(situations())
def test_whatever_is_wanted(situation: tuple[dict[str, str | None], list[str]]) -> None:
    current, wanted = situation
    result = assign(current, wanted)
    chosen = list(dict.fromkeys(wanted))[: len(current)]
    assert list(result) == list(current)
    assert sorted(filter(None, result.values())) == sorted(chosen)
    for slot, track in current.items():
        if track in chosen:
            assert result[slot] == track
    assert assign(result, wanted) == result
