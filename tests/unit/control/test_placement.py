from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.join.awaited import ON_THE_WAY, TICKETS_MAX, Awaited
from control.join.placement import AWAITED_SHARE, Bond, Candidate, Strategy, choose

LEAST, FILL = Strategy.LEAST_LOADED, Strategy.FILL_FIRST
NAMES, REGIONS = "abcd", ("", "eu", "us")
candidates = st.lists(
    st.builds(
        Candidate,
        id=st.sampled_from(NAMES),
        region=st.sampled_from(REGIONS),
        peers=st.integers(0, 5),
        fullness=st.floats(0, 1),
        full=st.booleans(),
        draining=st.booleans(),
        awaited=st.integers(0, 200),
    ),
    unique_by=lambda candidate: candidate.id,
)
bonds = st.none() | st.builds(Bond, node=st.sampled_from(NAMES), room_open=st.booleans())
strategies = st.sampled_from(Strategy)
regions = st.none() | st.sampled_from(REGIONS)

BUSY, IDLE = Candidate("busy", peers=9, fullness=0.6), Candidate("idle", peers=1, fullness=0.1)
LEAVING, FULL = Candidate("leaving", draining=True), Candidate("full", fullness=0.95, full=True)
BUSY_EU, FULL_EU = replace(BUSY, region="eu"), replace(FULL, region="eu")


@pytest.mark.parametrize(
    ("nodes", "bond", "chosen"),
    [
        ([], None, None),
        ([], Bond("busy", True), None),
        ([BUSY, IDLE, LEAVING, FULL], None, "idle"),
        ([LEAVING], None, None),
        ([FULL], None, None),
        ([LEAVING, FULL], None, None),
        ([BUSY, IDLE], Bond("busy", True), "busy"),
        ([BUSY, IDLE], Bond("busy", False), "busy"),
        ([BUSY, IDLE], Bond("gone", True), "idle"),
        ([BUSY, LEAVING], Bond("leaving", True), "leaving"),
        ([BUSY, LEAVING], Bond("leaving", False), "busy"),
        ([LEAVING], Bond("leaving", False), None),
        ([BUSY, FULL], Bond("full", True), "full"),
        ([BUSY, FULL], Bond("full", False), "busy"),
        ([FULL], Bond("full", False), None),
        ([Candidate("b"), Candidate("a")], None, "a"),
        ([Candidate("a", peers=2), Candidate("b", peers=1)], None, "b"),
        ([Candidate("a", awaited=1), Candidate("b", peers=1)], None, "b"),
    ],
)
def test_choices(nodes: list[Candidate], bond: Bond | None, chosen: str | None) -> None:
    assert choose(nodes, bond, LEAST) == chosen


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ([BUSY, IDLE], "busy"),
        ([BUSY, IDLE, FULL, LEAVING], "busy"),
        ([replace(BUSY, awaited=39), IDLE], "busy"),
        ([replace(BUSY, awaited=41), IDLE], "idle"),
        ([replace(BUSY, awaited=99), replace(IDLE, awaited=99)], "idle"),
        ([FULL], None),
    ],
)
def test_choices_of_who_fills_one_after_the_other(nodes: list[Candidate], chosen: str | None) -> None:
    assert choose(nodes, None, FILL) == chosen


@pytest.mark.parametrize(
    ("nodes", "region", "chosen"),
    [
        ([BUSY_EU, IDLE], "eu", "busy"),
        ([BUSY_EU, IDLE], "us", "idle"),
        ([BUSY_EU, IDLE], None, "idle"),
        ([FULL_EU, IDLE], "eu", "idle"),
        ([BUSY_EU, replace(IDLE, region="eu")], "eu", "idle"),
    ],
)
def test_choices_by_region(nodes: list[Candidate], region: str | None, chosen: str) -> None:
    assert choose(nodes, None, LEAST, region) == chosen


def test_who_is_bound_elsewhere_stays_there_whatever_the_region() -> None:
    assert choose([BUSY_EU, IDLE], Bond("idle", room_open=False), LEAST, "eu") == "idle"


@given(candidates, bonds, strategies, regions)
def test_an_open_room_is_never_split(
    nodes: list[Candidate], bond: Bond | None, strategy: Strategy, region: str | None
) -> None:
    chosen = choose(nodes, bond, strategy, region)
    if bond is not None and bond.room_open and bond.node in {node.id for node in nodes}:
        assert chosen == bond.node


@given(candidates, bonds, strategies, regions)
def test_a_node_that_is_full_or_drains_takes_no_new_room(
    nodes: list[Candidate], bond: Bond | None, strategy: Strategy, region: str | None
) -> None:
    chosen = choose(nodes, bond, strategy, region)
    for node in nodes:
        if node.id == chosen and (node.full or node.draining):
            assert bond == Bond(node.id, room_open=True)


@given(candidates, bonds, strategies, regions, st.randoms())
def test_the_order_of_the_nodes_does_not_matter(
    nodes: list[Candidate], bond: Bond | None, strategy: Strategy, region: str | None, random
) -> None:
    shuffled = random.sample(nodes, len(nodes))
    assert choose(nodes, bond, strategy, region) == choose(shuffled, bond, strategy, region)


@given(candidates, strategies, regions)
def test_somebody_takes_it_if_anybody_can_and_near_if_possible(
    nodes: list[Candidate], strategy: Strategy, region: str | None
) -> None:
    willing = {node.id: node.region for node in nodes if not (node.full or node.draining)}
    chosen = choose(nodes, None, strategy, region)
    assert (chosen is None) == (not willing)
    if region in willing.values():
        assert chosen is not None
        assert willing[chosen] == region


@given(candidates)
def test_the_least_loaded_is_the_emptiest_and_the_first_to_fill_the_fullest(nodes: list[Candidate]) -> None:
    loads = {node.id: node.load for node in nodes if not (node.full or node.draining)}
    if not loads:
        return
    assert loads[choose(nodes, None, LEAST)] == min(loads.values())
    roomy = [load for load in loads.values() if load < 1]
    assert loads[choose(nodes, None, FILL)] == (max(roomy) if roomy else min(loads.values()))


@given(st.lists(st.floats(0, 0.3), min_size=2, max_size=6), st.integers(20, 80))
def test_rooms_between_two_reports_spread(fullness: list[float], rooms: int) -> None:
    """As many to each as brings all to about the same: no herd to the one that was emptiest."""
    nodes = [Candidate(str(number), fullness=share) for number, share in enumerate(fullness)]
    given = place_all(nodes, LEAST, rooms)
    loads = [node.fullness + AWAITED_SHARE * given[node.id] for node in nodes]
    taken = [load for node, load in zip(nodes, loads, strict=True) if given[node.id]]
    assert max(taken) - min(loads) <= AWAITED_SHARE * 1.001


def test_filling_one_after_the_other_does_not_overfill_between_two_reports() -> None:
    nodes = [Candidate("a", fullness=0.5), Candidate("b", fullness=0.3), Candidate("c")]
    assert place_all(nodes, FILL, 100) == Counter(a=50, b=50)


def place_all(nodes: list[Candidate], strategy: Strategy, rooms: int) -> Counter[str]:
    """Place rooms one after the other, and no node reports meanwhile."""
    given: Counter[str] = Counter()
    for _ in range(rooms):
        seen = [replace(node, awaited=given[node.id]) for node in nodes]
        given[choose(seen, None, strategy) or ""] += 1
    return given


class Watch:
    now = datetime(2031, 5, 4, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_who_is_awaited_has_come_or_not_after_a_while() -> None:
    watch = Watch()
    awaited = Awaited(watch)
    awaited.add("a")
    awaited.add("b")
    watch.now += ON_THE_WAY / 2
    awaited.add("a")
    assert awaited.counted() == {"a": 2, "b": 1}
    watch.now += ON_THE_WAY / 2
    assert awaited.counted() == {"a": 1}
    watch.now += ON_THE_WAY
    assert awaited.counted() == {}


def test_only_so_many_are_awaited() -> None:
    awaited = Awaited(Watch())
    for number in range(TICKETS_MAX + 10):
        awaited.add("a" if number < 10 else "b")
    assert awaited.counted() == {"b": TICKETS_MAX}
