import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.join.placement import Bond, Candidate, choose

NAMES = "abcd"
candidates = st.lists(
    st.builds(Candidate, id=st.sampled_from(NAMES), peers=st.integers(0, 5), draining=st.booleans()),
    unique_by=lambda candidate: candidate.id,
)
bonds = st.none() | st.builds(Bond, node=st.sampled_from(NAMES), room_open=st.booleans())

BUSY, IDLE, LEAVING = Candidate("busy", 9, False), Candidate("idle", 1, False), Candidate("leaving", 0, True)


@pytest.mark.parametrize(
    ("nodes", "bond", "chosen"),
    [
        ([], None, None),
        ([], Bond("busy", True), None),
        ([BUSY, IDLE, LEAVING], None, "idle"),
        ([LEAVING], None, None),
        ([BUSY, IDLE], Bond("busy", True), "busy"),
        ([BUSY, IDLE], Bond("busy", False), "busy"),
        ([BUSY, IDLE], Bond("gone", True), "idle"),
        ([BUSY, LEAVING], Bond("leaving", True), "leaving"),
        ([BUSY, LEAVING], Bond("leaving", False), "busy"),
        ([LEAVING], Bond("leaving", False), None),
        ([Candidate("b", 1, False), Candidate("a", 1, False)], None, "a"),
    ],
)
def test_choices(nodes: list[Candidate], bond: Bond | None, chosen: str | None) -> None:
    assert choose(nodes, bond) == chosen


@given(candidates, bonds)
def test_an_open_room_is_never_split(nodes: list[Candidate], bond: Bond | None) -> None:
    chosen = choose(nodes, bond)
    if bond is not None and bond.room_open and bond.node in {node.id for node in nodes}:
        assert chosen == bond.node


@given(candidates, bonds)
def test_a_draining_node_takes_no_new_room(nodes: list[Candidate], bond: Bond | None) -> None:
    chosen = choose(nodes, bond)
    for node in nodes:
        if node.id == chosen and node.draining:
            assert bond == Bond(node.id, room_open=True)


@given(candidates, bonds, st.randoms())
def test_the_order_of_the_nodes_does_not_matter(nodes: list[Candidate], bond: Bond | None, random) -> None:
    shuffled = random.sample(nodes, len(nodes))
    assert choose(nodes, bond) == choose(shuffled, bond)


@given(candidates)
def test_somebody_takes_it_if_anybody_can(nodes: list[Candidate]) -> None:
    willing = [node.peers for node in nodes if not node.draining]
    chosen = choose(nodes, None)
    assert (chosen is None) == (not willing)
    assert chosen is None or min(willing) in [node.peers for node in nodes if node.id == chosen]
