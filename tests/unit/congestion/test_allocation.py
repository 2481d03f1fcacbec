"""Sharing out: the base for everybody, then the most for the money; nothing flaps; reasons are true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.congestion.allocation import WEIGHTS, Demand, Grant, Option, Reason, allocate, path

Q, H, F = Option(0, 7, 150e3, 180), Option(1, 7, 500e3, 360), Option(2, 7, 1500e3, 720)
CAMERA = (Q, H, F)


def demand(slot: str = "v", height: float = 720, priority: str = "grid", **how: object) -> Demand:
    options = how.pop("options", CAMERA)
    return Demand(slot, options, height, priority, **how)  # type: ignore[arg-type]


def ranks(grants: tuple[Grant, ...]) -> list[int | None]:
    return [None if grant.option is None else grant.option.rank for grant in grants]


@pytest.mark.parametrize(
    ("budget_bps", "height", "rank", "reason"),
    [
        (0, 720, None, Reason.NO_BANDWIDTH),
        (150e3, 720, None, Reason.NO_BANDWIDTH),
        (170e3, 720, 0, Reason.BANDWIDTH),
        (560e3, 720, 1, Reason.BANDWIDTH),
        (1.7e6, 720, 2, Reason.FULL),
        (9e6, 300, 1, Reason.FULL),
        (9e6, 150, 0, Reason.FULL),
        (9e6, 1080, 2, Reason.SOURCE),
    ],
)
def test_one_tile(budget_bps: float, height: float, rank: int | None, reason: Reason) -> None:
    (grant,) = allocate(budget_bps, [demand(height=height)])
    assert (ranks((grant,)), grant.reason) == ([rank], reason)


def test_what_nobody_sends_is_not_granted() -> None:
    (grant,) = allocate(1e6, [demand(options=())])
    assert (grant.option, grant.wanted, grant.reason) == (None, None, Reason.NOT_SENT)


def test_everybody_is_seen_before_anybody_is_sharp() -> None:
    tiles = [demand("speaker", priority="speaker"), *(demand(f"g{at}") for at in range(5))]
    assert ranks(allocate(6 * 165e3 + 100e3, tiles)) == [0] * 6


def test_the_important_tile_is_sharp_first() -> None:
    tiles = [demand("pinned", priority="pinned"), demand("other", priority="thumbnail")]
    assert ranks(allocate(1.9e6, tiles)) == [2, 0]


def test_alike_tiles_are_served_alike() -> None:
    assert ranks(allocate(4 * 560e3, [demand(f"g{at}") for at in range(4)])) == [1] * 4


def test_the_least_important_goes_without() -> None:
    tiles = [demand("a", priority="pinned"), demand("b", priority="thumbnail")]
    grants = allocate(250e3, tiles)
    assert ranks(grants) == [0, None]
    assert grants[1].reason is Reason.NO_BANDWIDTH


def test_what_plays_may_stay_where_it_could_not_have_climbed() -> None:
    assert ranks(allocate(510e3, [demand()])) == [0]
    assert ranks(allocate(510e3, [demand(current=H)])) == [1]
    assert ranks(allocate(490e3, [demand(current=H)])) == [0]


def test_a_screen_is_sharp_before_it_is_smooth() -> None:
    options = tuple(
        Option(rank, temporal, bps, height, frames)
        for rank, height, full in ((0, 360, 400e3), (1, 1080, 2e6))
        for temporal, bps, frames in ((0, full * 0.5, 0.25), (1, full * 0.7, 0.5), (7, full, 1.0))
    )
    screen = demand(height=1080, priority="screen", options=options)
    assert [(option.rank, option.temporal) for option in path(screen)] == [(0, 0), (1, 0), (1, 1), (1, 7)]
    (grant,) = allocate(1.2e6, [screen])
    assert grant.option is not None
    assert (grant.option.rank, grant.option.temporal) == (1, 0)


def test_a_layer_that_costs_more_and_shows_less_is_skipped() -> None:
    starved = (Option(0, 7, 300e3, 180), Option(1, 7, 200e3, 360))
    assert path(demand(options=starved)) == starved[1:]


def test_a_larger_picture_that_is_worth_less_takes_no_step_away() -> None:
    """A quarter of its frames happens to cost what all frames of the smaller one do."""
    smooth, choppy, best = Option(1, 7, 507e3, 270), Option(2, 0, 504e3, 540, 0.25), Option(2, 7, 1.3e6, 540)
    assert path(demand(height=336, options=(smooth, choppy, best))) == (smooth, best)


options = st.lists(
    st.builds(Option, st.integers(0, 2), st.integers(0, 2), st.floats(1e4, 5e6), st.floats(90, 1080)),
    max_size=6,
).map(lambda found: tuple(sorted(found, key=lambda option: (option.rank, option.temporal))))
demands = st.lists(
    st.builds(Demand, st.uuids().map(str), options, st.floats(1, 2000), st.sampled_from(sorted(WEIGHTS))),
    max_size=12,
)


@given(st.floats(0, 2e7), demands)
def test_the_budget_is_kept_and_every_demand_answered(budget_bps: float, tiles: list[Demand]) -> None:
    grants = allocate(budget_bps, tiles)
    assert [grant.slot for grant in grants] == [tile.slot for tile in tiles]
    assert sum(grant.option.bps for grant in grants if grant.option) <= budget_bps + 1
    for grant, tile in zip(grants, tiles, strict=True):
        assert grant.option is None or grant.option in tile.options


@given(demands, st.floats(1e5, 1e7))
def test_what_was_granted_is_granted_again(tiles: list[Demand], budget_bps: float) -> None:
    """Nothing flaps: with the same budget, what plays stays or climbs by no more than the margin allows."""
    first = allocate(budget_bps, tiles)
    playing = [
        Demand(tile.slot, tile.options, tile.height, tile.priority, grant.option)
        for tile, grant in zip(tiles, first, strict=True)
    ]
    second = allocate(budget_bps, playing)
    for before, after in zip(first, second, strict=True):
        assert before.option is None or after.option is not None
