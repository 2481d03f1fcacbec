"""How full a node is, and whom it turns away for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.node.capacity import RELIEF, Capacity, Strain

CAPACITY = Capacity(peers=100, cpu=0.95, lag_s=0.015, reserve=0.1)

shares = st.floats(0, 3)
seconds = st.floats(0.02, 60)
measures = st.lists(st.tuples(shares, shares, seconds), max_size=40)
capacities = st.builds(
    Capacity,
    peers=st.integers(1, 5000),
    cpu=st.floats(0.001, 4),
    lag_s=st.floats(0.001, 1),
    reserve=st.floats(0, 0.9),
)


def strain_of(capacity: Capacity, history: list[tuple[float, float, float]]) -> Strain:
    """The strain after measures of CPU and lag, each a share of what is borne, and how long it was so."""
    strain = Strain()
    for cpu, lag, over_s in history:
        strain = capacity.strained(strain, cpu * capacity.cpu, lag * capacity.lag_s, over_s)
    return strain


def steady(cpu: float = 0.0, lag_s: float = 0.0, before: Strain | None = None) -> Strain:
    return CAPACITY.strained(before or Strain(), cpu, lag_s, 600)


@pytest.mark.parametrize(
    ("strain", "peers", "takes_room", "takes_peer"),
    [
        (steady(), 0, True, True),
        (steady(), 89, True, True),
        (steady(), 90, False, True),
        (steady(), 99, False, True),
        (steady(), 100, False, False),
        (steady(cpu=0.85), 10, True, True),
        (steady(cpu=0.86), 10, False, True),
        (steady(cpu=0.95), 10, False, False),
        (steady(lag_s=0.013), 10, True, True),
        (steady(lag_s=0.0136), 10, False, True),
        (steady(lag_s=0.0151), 10, False, False),
        (steady(cpu=0.2, lag_s=0.02), 1, False, False),
        (steady(cpu=2.0, lag_s=2.0), 0, True, True),
    ],
)
def test_who_is_let_in(strain: Strain, peers: int, takes_room: bool, takes_peer: bool) -> None:
    assert CAPACITY.takes_room(strain, peers) == takes_room
    assert CAPACITY.takes_peer(strain, peers) == takes_peer


def test_a_moments_burst_turns_nobody_away() -> None:
    strain = CAPACITY.strained(steady(cpu=0.4), 1.0, 0.02, 0.5)
    assert CAPACITY.takes_room(strain, 10)


def test_whoever_was_turned_away_is_let_in_again_some_way_below() -> None:
    over = steady(cpu=0.95)
    between = steady(cpu=0.95 * 0.95, before=over)
    assert (between.bars_rooms, between.bars_peers) == (True, True)
    below = steady(cpu=0.95 * 0.85, before=between)
    assert (below.bars_rooms, below.bars_peers) == (True, False)
    assert steady(cpu=0.95 * 0.79, before=below) == steady(cpu=0.95 * 0.79)


@given(capacities, measures, st.integers(0, 6000))
def test_fullness_is_a_share_and_at_its_end_nobody_enters(
    capacity: Capacity, history: list[tuple[float, float, float]], peers: int
) -> None:
    strain = strain_of(capacity, history)
    fullness = capacity.fullness(strain, peers)
    assert 0 <= fullness <= 1
    assert peers or (fullness == 0 and capacity.takes_room(strain, peers))
    if fullness == 1:
        assert not capacity.takes_peer(strain, peers)


@given(capacities, measures, st.integers(0, 6000))
def test_where_a_room_may_open_a_peer_may_enter(
    capacity: Capacity, history: list[tuple[float, float, float]], peers: int
) -> None:
    strain = strain_of(capacity, history)
    if capacity.takes_room(strain, peers):
        assert capacity.takes_peer(strain, peers)


@given(capacities, measures, st.integers(0, 6000), st.integers(0, 100))
def test_more_peers_are_never_less_full(
    capacity: Capacity, history: list[tuple[float, float, float]], peers: int, more: int
) -> None:
    strain = strain_of(capacity, history)
    assert capacity.fullness(strain, peers + more) >= capacity.fullness(strain, peers)
    assert capacity.takes_peer(strain, peers) or not capacity.takes_peer(strain, peers + more)


@given(st.lists(st.floats(-RELIEF / 2.01, RELIEF / 2.01), min_size=1, max_size=60), st.floats(0.1, 5))
def test_noise_around_the_limit_does_not_open_and_close_the_door(noise: list[float], over_s: float) -> None:
    middle = 1 - CAPACITY.reserve
    states = []
    strain = Strain(middle - RELIEF)
    for each in noise:
        strain = CAPACITY.strained(strain, (middle + each) * CAPACITY.cpu, 0, over_s)
        states.append(strain.bars_rooms)
    assert states == sorted(states)  # once closed, it stays so
