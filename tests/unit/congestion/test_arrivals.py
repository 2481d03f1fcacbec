"""What came is said once, as it came; what did not is said to be missing; and never without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.congestion.arrivals import MAX_SPAN_S, MAX_WAITING, REORDER, Arrivals
from sfu.rtp.transport_cc import ARRIVALS_PER_FEEDBACK, MAX_STATUSES, TICKS_PER_S, Feedback, read, write

NOW = 100.0


def told(arrivals: Arrivals) -> dict[int, int]:
    """Return number → ticks of what is said now; -1: it did not come."""
    said = {}
    for feedback in arrivals.feedback():
        assert len(feedback.arrivals) <= ARRIVALS_PER_FEEDBACK
        for at, ticks in enumerate(feedback.arrivals):
            said[feedback.first + at & 0xFFFF] = ticks
    return said


def came(arrivals: Arrivals, *numbers: int, now: float = NOW) -> None:
    for at, number in enumerate(numbers):
        arrivals.arrived(number & 0xFFFF, now + at / TICKS_PER_S)


def test_what_came_is_said_once() -> None:
    arrivals = Arrivals()
    assert told(arrivals) == {}
    came(arrivals, 7, 8, 9)
    assert len(arrivals) == 3
    assert told(arrivals) == {7: 400_000, 8: 400_001, 9: 400_002}
    assert (told(arrivals), len(arrivals)) == ({}, 0)


def test_a_gap_is_said_though_it_lies_between_two_feedbacks() -> None:
    arrivals = Arrivals()
    came(arrivals, 7, 9)
    assert told(arrivals) == {7: 400_000, 8: -1, 9: 400_001}
    came(arrivals, 12)
    assert told(arrivals) == {10: -1, 11: -1, 12: 400_000}


def test_a_late_one_is_said_when_it_comes() -> None:
    arrivals = Arrivals()
    came(arrivals, 7, 9)
    told(arrivals)
    came(arrivals, 8, 10)
    assert told(arrivals) == {8: 400_000, 9: -1, 10: 400_001}


def test_what_was_said_is_not_said_again_after_a_late_one() -> None:
    arrivals = Arrivals()
    came(arrivals, 7, 9, 10)
    told(arrivals)
    came(arrivals, 8)
    assert told(arrivals) == {8: 400_000}
    came(arrivals, 11)
    assert told(arrivals) == {11: 400_000}


def test_one_that_comes_twice_is_said_to_have_come_first() -> None:
    arrivals = Arrivals()
    came(arrivals, 7, 7, 8)
    assert told(arrivals) == {7: 400_000, 8: 400_002}


def test_numbers_wrap() -> None:
    arrivals = Arrivals()
    came(arrivals, 0xFFFE, 0xFFFF, 1)
    assert told(arrivals) == {0xFFFE: 400_000, 0xFFFF: 400_001, 0: -1, 1: 400_002}


def test_feedback_is_numbered() -> None:
    arrivals, numbers = Arrivals(), []
    for number in range(300):
        came(arrivals, number)
        numbers += [feedback.number for feedback in arrivals.feedback()]
    assert numbers == [number & 0xFF for number in range(300)]


def test_numbers_that_begin_anew_are_taken_up() -> None:
    """As after a new link: what is said goes on from there, without a gap of tens of thousands."""
    arrivals = Arrivals()
    came(arrivals, *range(20_000, 20_050))
    told(arrivals)
    came(arrivals, 0, 1, 3)
    assert told(arrivals) == {0: 400_000, 1: 400_001, 2: -1, 3: 400_002}
    came(arrivals, 4)
    assert told(arrivals) == {4: 400_000}


def test_numbers_that_begin_anew_before_the_former_ones_were_said() -> None:
    arrivals = Arrivals()
    came(arrivals, *range(20_000, 20_050))
    came(arrivals, 0, 1)
    assert told(arrivals) == {0: 400_000, 1: 400_001}


@pytest.mark.parametrize("ahead", [REORDER, 10_000, 30_000])
def test_a_jump_ahead_is_no_list_of_losses(ahead: int) -> None:
    arrivals = Arrivals()
    came(arrivals, 7)
    told(arrivals)
    came(arrivals, 8 + ahead)
    assert told(arrivals) == {8 + ahead: 400_000}


def test_what_waits_is_bounded() -> None:
    arrivals = Arrivals()
    came(arrivals, *range(2 * MAX_WAITING - 10))
    assert len(arrivals) <= MAX_WAITING
    assert len(told(arrivals)) <= MAX_WAITING


def test_what_is_said_is_bounded_however_far_the_numbers_jump() -> None:
    arrivals = Arrivals()
    came(arrivals, *(0x7FFF * at for at in range(MAX_WAITING)))
    said = sum(len(feedback.arrivals) for feedback in arrivals.feedback())
    assert said <= 2 * MAX_STATUSES


def test_what_is_too_old_for_one_feedback_is_left_out() -> None:
    arrivals = Arrivals()
    came(arrivals, 7, now=NOW)
    came(arrivals, 8, now=NOW + 1)
    came(arrivals, 9, now=NOW + 1 + MAX_SPAN_S - 0.01)
    said = told(arrivals)
    assert 7 not in said or said[7] == -1
    assert said[8] > 0
    assert said[9] > 0


def test_what_waited_for_very_long_can_still_be_said() -> None:
    """As when no track of the publisher was known for long."""
    arrivals = Arrivals()
    came(arrivals, 7, now=NOW)
    came(arrivals, 8, now=NOW + 20)
    (feedback,) = arrivals.feedback()
    found = read(write(feedback))
    assert found is not None
    assert found.arrivals[-1] == (NOW + 20) * TICKS_PER_S


steps = st.tuples(st.integers(-REORDER // 2, 60), st.floats(0, 0.5), st.booleans())


@given(st.integers(0, 0xFFFF), st.floats(0, 1e7), st.lists(steps, max_size=120))
def test_all_that_came_is_said_once_and_can_be_written(
    first: int, now: float, walk: list[tuple[int, float, bool]]
) -> None:
    """In whatever order, as long as feedback is sent in time: every arrival, exactly as it was."""
    arrivals, highest, since = Arrivals(), first + 0x10000, now
    expected: dict[int, int] = {}
    said: dict[int, int] = {}
    for step, elapsed_s, due in walk:
        now += elapsed_s
        number = highest + step
        highest = max(highest, number)
        if number not in expected:
            arrivals.arrived(number & 0xFFFF, now)
            expected[number] = int(now * TICKS_PER_S)
        if due or now - since > MAX_SPAN_S - 1:
            since = now
            listen(arrivals, said)
    listen(arrivals, said)
    assert said == {number & 0xFFFF: ticks % (1 << 32) for number, ticks in expected.items()}


def listen(arrivals: Arrivals, said: dict[int, int]) -> None:
    for feedback in arrivals.feedback():
        found = read(write(feedback))
        assert found is not None
        assert found.number == feedback.number
        for at, ticks in enumerate(found.arrivals):
            number = found.first + at & 0xFFFF
            if ticks >= 0:
                assert number not in said, "said twice"
                said[number] = ticks % (1 << 32)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 3), st.booleans()), max_size=60))
def test_any_numbers_can_be_said(walk: list[tuple[int, float, bool]]) -> None:
    arrivals, now = Arrivals(), NOW
    for number, elapsed_s, due in walk:
        now += elapsed_s
        arrivals.arrived(number, now)
        feedbacks: list[Feedback] = list(arrivals.feedback()) if due else []
        assert sum(len(feedback.arrivals) for feedback in feedbacks) <= 2 * MAX_STATUSES
        for feedback in feedbacks:
            assert read(write(feedback)) is not None
