"""Losses that come with congestion lower the rate; those of the path itself do not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.congestion.loss import (
    ARRIVING_SHARE,
    HIGH,
    INCREASE_PER_S,
    INTERVAL_S,
    KNOWN_AFTER,
    LEAST_PACKETS,
    LOW,
    PLAIN_LOST,
    PLAIN_SHARE,
    REMEMBERED,
    LossControl,
)

LEAST, MOST = 40e3, 50e6
PACKETS = 2 * LEAST_PACKETS
"""In an interval."""


class Told:
    """A loss control, told interval by interval what share was lost."""

    def __init__(self, start_bps: float = 1e6) -> None:
        self.control = LossControl(start_bps, LEAST, MOST)
        self.now = 0.0
        self.control.add(0, 0, start_bps, None, 0.0)

    def interval(self, share: float, arriving_bps: float | None = None) -> bool:
        self.now += INTERVAL_S
        control = self.control
        return control.add(PACKETS, round(share * PACKETS), control.bps, arriving_bps, self.now)


def test_without_loss_the_rate_climbs_by_the_clock() -> None:
    told = Told()
    for _ in range(10):
        assert not told.interval(0.0)
    assert told.control.bps == pytest.approx(1e6 * INCREASE_PER_S ** (10 * INTERVAL_S))
    assert (told.control.share, told.control.average, told.control.own) == (0, 0, 0)


@pytest.mark.parametrize(
    ("share", "change"), [(LOW / 2, 1), ((LOW + HIGH) / 2, 0), (HIGH * 1.5, -1), (0.9, -1)]
)
def test_little_loss_allows_more_and_much_commands_less(share: float, change: int) -> None:
    told = Told()
    lowered = told.interval(share)
    assert lowered is (change < 0)
    assert (told.control.bps > 1e6) - (told.control.bps < 1e6) == change


def test_more_loss_lowers_more() -> None:
    less, more = Told(), Told()
    less.interval(0.2)
    more.interval(0.5)
    assert more.control.bps < less.control.bps < 1e6


def test_an_interval_is_judged_when_it_is_over() -> None:
    control = LossControl(1e6, LEAST, MOST)
    control.add(0, 0, 1e6, None, 0.0)
    lost = PLAIN_LOST - 1
    assert not control.add(LEAST_PACKETS, lost, 1e6, None, INTERVAL_S / 2)
    assert control.share == 0
    assert control.add(0, 0, 1e6, None, INTERVAL_S)
    assert control.share == lost / LEAST_PACKETS


def test_few_packets_prove_nothing() -> None:
    control = LossControl(1e6, LEAST, MOST)
    control.add(0, 0, 1e6, None, 0.0)
    assert not control.add(LEAST_PACKETS - 1, PLAIN_LOST - 1, 1e6, None, 10 * INTERVAL_S)
    assert (control.bps, control.share) == (1e6, 0)


def test_plain_loss_is_not_waited_for() -> None:
    control = LossControl(1e6, LEAST, MOST)
    sent = int(PLAIN_LOST / PLAIN_SHARE)
    assert control.add(sent, PLAIN_LOST, 1e6, None, 0.0)
    assert control.bps < 1e6


@pytest.mark.parametrize(
    ("packets", "lost"),
    [(PLAIN_LOST - 1, PLAIN_LOST - 1), (int(PLAIN_LOST / PLAIN_SHARE) + 10, PLAIN_LOST)],
)
def test_a_few_lost_or_a_small_share_are_waited_for(packets: int, lost: int) -> None:
    control = LossControl(1e6, LEAST, MOST)
    assert not control.add(packets, lost, 1e6, None, 0.0)


@pytest.mark.parametrize("own", [0.1, 0.2, 0.4])
def test_what_a_path_loses_anyway_is_no_congestion(own: float) -> None:
    random, told = Random(1), Told()
    for _ in range(KNOWN_AFTER):
        told.interval(own)
    before = told.control.bps
    for _ in range(40):
        assert not told.interval(own + random.uniform(-0.01, 0.01))
    assert told.control.own == pytest.approx(own, abs=0.02)
    assert told.control.bps > before


def test_loss_beyond_the_paths_own_is_congestion() -> None:
    told = Told()
    for _ in range(REMEMBERED):
        told.interval(0.1)
    before = told.control.bps
    assert told.interval(0.1 + 2 * HIGH)
    assert told.control.bps < before


def test_a_path_that_became_better_is_known_as_such() -> None:
    told = Told()
    for _ in range(REMEMBERED):
        told.interval(0.2)
    for _ in range(REMEMBERED // 2 + 1):
        told.interval(0.0)
    assert told.control.own < 0.05
    assert told.interval(0.2)


def test_the_average_follows_slowly() -> None:
    told = Told()
    told.interval(0.4)
    assert 0 < told.control.average < told.control.share
    for _ in range(30):
        told.interval(0.4)
    assert told.control.average == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_decrease_leads_not_below_what_arrives(share: float) -> None:
    """What a policer lets through."""
    told = Told()
    assert told.interval(share, arriving_bps=900e3)
    assert told.control.bps == pytest.approx(
        max(ARRIVING_SHARE * 900e3, 1e6 * (1 - 0.5 * told.control.share))
    )


def test_a_decrease_never_raises_the_rate() -> None:
    told = Told()
    assert told.interval(0.5, arriving_bps=3e6)
    assert told.control.bps == 1e6


def test_a_decrease_begins_at_what_was_sent() -> None:
    """The delay allowed less than the losses do: it is that which was too much."""
    control = LossControl(5e6, LEAST, MOST)
    assert control.add(PACKETS, PACKETS // 2, 1e6, None, 1.0)
    assert control.bps < 1e6


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2000),
            st.floats(0, 1),
            st.floats(LEAST, MOST),
            st.one_of(st.none(), st.floats(0, 1e9)),
            st.floats(0, 100),
        )
    )
)
def test_it_stays_within_its_bounds(
    told: list[tuple[int, float, float, float | None, float]],
) -> None:
    control, now = LossControl(1e6, LEAST, MOST), 0.0
    for packets, share, sending_bps, arriving_bps, elapsed_s in told:
        now += elapsed_s
        before = control.bps
        lowered = control.add(packets, int(share * packets), sending_bps, arriving_bps, now)
        assert LEAST <= control.bps <= MOST
        assert 0 <= control.own <= 1
        assert 0 <= control.share <= 1
        assert control.bps <= before if lowered else control.bps >= before
