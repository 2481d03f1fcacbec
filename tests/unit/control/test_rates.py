from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.rates.local import LocalBuckets
from control.rates.port import Rate
from control.refusals import Reason, Refused


class Hands:
    def __init__(self) -> None:
        self.now = datetime(2031, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def taken(buckets: LocalBuckets, key: str = "a") -> bool:
    try:
        buckets.take(key).send(None)
    except StopIteration:  # done, and nothing was waited for
        return True
    except Refused as refused:
        assert refused.reason is Reason.RATE_LIMITED
        return False
    raise AssertionError("it waits")


@given(
    count=st.integers(1, 20),
    period_s=st.floats(0.5, 100),
    waits_s=st.lists(st.floats(0, 30), max_size=80),
)
def test_never_more_than_the_rate_allows(count: int, period_s: float, waits_s: list[float]) -> None:
    clock = Hands()
    buckets = LocalBuckets(Rate(count, period_s), clock)
    began, moments = clock.now, []
    for wait_s in waits_s:
        clock.now += timedelta(seconds=wait_s)
        if taken(buckets):
            moments.append((clock.now - began).total_seconds())
    for first, start_s in enumerate(moments):
        for last in range(first, len(moments)):
            allowed = count + (moments[last] - start_s) * count / period_s
            assert last - first + 1 <= allowed + 1e-6


@given(count=st.integers(1, 20), period_s=st.floats(0.5, 100))
def test_waiting_as_told_is_enough_and_no_longer_than_needed(count: int, period_s: float) -> None:
    clock = Hands()
    buckets = LocalBuckets(Rate(count, period_s), clock)
    assert [taken(buckets) for _ in range(count)] == [True] * count
    with pytest.raises(Refused) as caught:
        buckets.require("a")
    wait_s = caught.value.retry_after_s
    assert wait_s == pytest.approx(period_s / count)
    clock.now += timedelta(seconds=wait_s * 0.9)
    assert not taken(buckets)
    clock.now += timedelta(seconds=wait_s * 0.1 + 1e-5)
    assert taken(buckets)


def test_each_key_has_its_own_bucket() -> None:
    buckets = LocalBuckets(Rate(1, 60), Hands())
    assert (taken(buckets, "a"), taken(buckets, "b"), taken(buckets, "a")) == (True, True, False)


def test_requiring_takes_nothing() -> None:
    buckets = LocalBuckets(Rate(1, 60), Hands())
    for _ in range(3):
        buckets.require("a")
    assert taken(buckets)
    with pytest.raises(Refused):
        buckets.require("a")


def test_a_clock_set_back_gives_and_takes_nothing() -> None:
    clock = Hands()
    buckets = LocalBuckets(Rate(2, 60), clock)
    assert taken(buckets)
    clock.now -= timedelta(days=1)
    assert [taken(buckets), taken(buckets)] == [True, False]


def test_memory_is_bounded_and_the_longest_unseen_goes_first() -> None:
    buckets = LocalBuckets(Rate(1, 60), Hands(), keys_max=3)
    assert all(taken(buckets, key) for key in "abc")
    assert taken(buckets, "d")  # pushes out a
    assert [taken(buckets, key) for key in "dcb"] == [False, False, False]
    assert taken(buckets, "a")


@pytest.mark.parametrize(("text", "rate"), [("30/60", Rate(30, 60)), ("1/0.5", Rate(1, 0.5))])
def test_rates_are_written_as_count_and_seconds(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
    assert str(rate) == text


@pytest.mark.parametrize(
    "text", ["", "30", "30/", "/60", "0/60", "-1/60", "30/0", "30/-1", "30/nan", "30/inf", "a/b"]
)
def test_other_writings_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Rate.parse(text)
