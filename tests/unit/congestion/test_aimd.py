"""The rate climbs by the same step for all, and falls once for each overuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.congestion.aimd import (
    DECREASE,
    HEADROOM,
    HEADROOM_BPS,
    PACKET_BITS,
    RESPONSE_S,
    SETTLE_S,
    RateControl,
)
from sfu.congestion.delay import Usage

LEAST, MOST = 40e3, 50e6
RTT_S = 0.1
STEP_S = 0.05
CLIMB_BPS = PACKET_BITS / (RTT_S + RESPONSE_S)
"""In a second."""


def control(start_bps: float = 1e6) -> RateControl:
    rate = RateControl(start_bps, LEAST, MOST)
    rate.update(Usage.NORMAL, None, RTT_S, 0.0)
    return rate


def go_on(rate: RateControl, began: float, seconds: float, arriving_bps: float | None = None) -> None:
    """Let the detector find nothing for a while."""
    for step in range(round(seconds / STEP_S)):
        rate.update(Usage.NORMAL, arriving_bps, RTT_S, began + (step + 1) * STEP_S)


def overuse(rate: RateControl, now: float) -> None:
    rate.update(Usage.OVERUSED, rate.bps, RTT_S, now)


@pytest.mark.parametrize("bps", [100e3, 1e6, 10e6])
def test_all_climb_by_the_same_step(bps: float) -> None:
    rate = control(bps)
    go_on(rate, 0.0, 1.0)
    assert rate.bps - bps == pytest.approx(CLIMB_BPS, rel=0.01)


def test_how_often_it_is_told_does_not_matter() -> None:
    often, seldom = control(), control()
    go_on(often, 0.0, 1.0)
    seldom.update(Usage.NORMAL, None, RTT_S, 1.0)
    assert often.bps == pytest.approx(seldom.bps)


def test_a_silence_is_no_licence() -> None:
    rate = control()
    rate.update(Usage.NORMAL, None, RTT_S, 60.0)
    assert rate.bps - 1e6 == pytest.approx(CLIMB_BPS)


def test_a_longer_round_trip_climbs_more_slowly() -> None:
    near, far = control(), control()
    near.update(Usage.NORMAL, None, 0.02, 0.5)
    far.update(Usage.NORMAL, None, 0.5, 0.5)
    assert 1e6 < far.bps < near.bps


def test_it_does_not_climb_beyond_what_arrives() -> None:
    rate = control(500e3)
    go_on(rate, 0.0, 60.0, arriving_bps=500e3)
    assert rate.bps == pytest.approx(HEADROOM * 500e3 + HEADROOM_BPS)


def test_little_that_arrives_takes_nothing_away() -> None:
    """Somebody who sends little does not lose what the path was shown to carry."""
    rate = control(1e6)
    go_on(rate, 0.0, 60.0, arriving_bps=100e3)
    assert rate.bps == 1e6


def test_overuse_takes_a_share() -> None:
    rate = control()
    overuse(rate, 1.0)
    assert rate.bps == DECREASE * 1e6
    assert rate.decreased_at == 1.0


def test_a_decrease_has_time_to_show_its_effect() -> None:
    rate = control()
    overuse(rate, 1.0)
    overuse(rate, 1.0 + RTT_S + SETTLE_S - 0.01)
    assert rate.bps == DECREASE * 1e6
    overuse(rate, 1.01 + RTT_S + SETTLE_S)
    assert rate.bps == pytest.approx(DECREASE**2 * 1e6)


def test_those_who_share_a_path_come_to_share_it_alike() -> None:
    poor, rich = control(200e3), control(1.8e6)
    for at in range(1, 4000):
        now = at * STEP_S
        usage = Usage.OVERUSED if poor.bps + rich.bps > 2e6 else Usage.NORMAL
        for rate in (poor, rich):
            rate.update(usage, None, RTT_S, now)
    assert poor.bps == pytest.approx(rich.bps, rel=0.1)


def test_a_fall_never_raises_the_rate() -> None:
    rate = control()
    rate.fall(3e6, 1.0)
    assert (rate.bps, rate.decreased_at) == (1e6, 1.0)
    rate.fall(300e3, 2.0)
    assert (rate.bps, rate.decreased_at) == (300e3, 2.0)


@pytest.mark.parametrize("usage", [Usage.UNDERUSED, Usage.OVERUSED])
def test_it_climbs_only_while_the_path_is_normal(usage: Usage) -> None:
    rate = control()
    overuse(rate, 1.0)
    rate.update(usage, 2e6, RTT_S, 1.05)
    assert rate.bps == DECREASE * 1e6


def test_the_first_normal_word_after_an_overuse_does_not_count() -> None:
    rate = control()
    overuse(rate, 1.0)
    rate.update(Usage.NORMAL, 2e6, RTT_S, 1.5)
    assert rate.bps == DECREASE * 1e6
    rate.update(Usage.NORMAL, 2e6, RTT_S, 2.0)
    assert rate.bps > DECREASE * 1e6


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Usage),
            st.one_of(st.none(), st.floats(0, 1e9)),
            st.floats(0, 10),
            st.floats(0, 100),
        )
    )
)
def test_it_stays_within_its_bounds(words: list[tuple[Usage, float | None, float, float]]) -> None:
    rate, now = RateControl(1e6, LEAST, MOST), 0.0
    for usage, arriving_bps, rtt_s, elapsed_s in words:
        now += elapsed_s
        before = rate.bps
        rate.update(usage, arriving_bps, rtt_s, now)
        assert LEAST <= rate.bps <= MOST
        if usage is not Usage.NORMAL:
            assert rate.bps <= before
