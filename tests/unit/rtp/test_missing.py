"""What did not arrive, and when it is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.missing import MAX_ASKED, MAX_MISSING, MAX_TRIES, MIN_RETRY_S, MissingPackets
from sfu.rtp.sequence import Seq


def seen(*seqs: int, now: float = 0.0) -> MissingPackets:
    missing = MissingPackets()
    for seq in seqs:
        assert missing.arrived(Seq(seq), now)
    return missing


def test_nothing_is_missing_before_the_first_packet_or_without_a_gap() -> None:
    assert MissingPackets().due(9.0, 0.1) == ([], False)
    assert seen(5, 6, 7).due(9.0, 0.1) == ([], False)


def test_a_gap_is_asked_for_at_once() -> None:
    missing = seen(5, 9, now=1.0)
    assert len(missing) == 3
    assert Seq(7) in missing
    assert Seq(9) not in missing
    assert missing.due(1.0, 0.1) == ([6, 7, 8], False)


def test_what_arrives_late_is_not_missing_any_more() -> None:
    missing = seen(5, 9, 7)
    assert missing.due(1.0, 0.1)[0] == [6, 8]
    assert missing.arrived(Seq(6), 1.05)
    assert missing.due(2.0, 0.1)[0] == [8]


def test_what_came_twice_or_too_early_changes_nothing() -> None:
    missing = seen(5, 7, 7, 5, 1)
    assert missing.due(1.0, 0.1)[0] == [6]


def test_it_is_asked_again_after_a_round_trip_but_not_sooner() -> None:
    missing = seen(5, 7)
    assert missing.due(0.0, 0.25)[0] == [6]
    assert missing.due(0.24, 0.25)[0] == []
    assert missing.due(0.25, 0.25)[0] == [6]


def test_short_round_trips_are_not_believed() -> None:
    missing = seen(5, 7)
    assert missing.due(0.0, 0.0)[0] == [6]
    assert missing.due(MIN_RETRY_S - 0.001, 0.0)[0] == []
    assert missing.due(MIN_RETRY_S, 0.0)[0] == [6]


def test_after_some_tries_it_is_given_up() -> None:
    missing = seen(5, 7)
    for attempt in range(MAX_TRIES):
        assert missing.due(float(attempt), 0.1) == ([6], False)
    assert missing.due(float(MAX_TRIES), 0.1) == ([], True)
    assert missing.due(99.0, 0.1) == ([], False)
    assert (len(missing), missing.given_up) == (0, 1)


def test_a_gap_too_long_is_not_asked_for() -> None:
    missing = seen(0, MAX_MISSING + 1)
    assert len(missing) == MAX_MISSING
    assert not missing.arrived(Seq(MAX_MISSING + 3), 0.0)
    assert (len(missing), missing.given_up) == (0, MAX_MISSING + 1)
    assert missing.due(1.0, 0.1) == ([], False)
    assert missing.arrived(Seq(MAX_MISSING + 5), 0.0)
    assert missing.due(1.0, 0.1)[0] == [MAX_MISSING + 4]


def test_one_request_names_a_bounded_number_and_the_next_tick_the_rest() -> None:
    missing = seen(0, MAX_ASKED + 11)
    first, _ = missing.due(1.0, 0.1)
    second, _ = missing.due(1.02, 0.1)
    assert first == list(range(1, MAX_ASKED + 1))
    assert second == list(range(MAX_ASKED + 1, MAX_ASKED + 11))


@given(st.lists(st.tuples(st.integers(-20, 200), st.floats(0.0, 0.5)), max_size=60))
def test_whatever_arrives(steps: list[tuple[int, float]]) -> None:
    """Only what did not arrive is asked for, boundedly often, and never more is kept than may be."""
    missing, arrived, asked, now, seq = MissingPackets(), set[int](), dict[int, int](), 0.0, 1000
    for move, pause in steps:
        seq += move
        now += pause
        missing.arrived(Seq(seq), now)
        arrived.add(seq)
        wanted, _ = missing.due(now, 0.05)
        assert len(missing) <= MAX_MISSING
        assert not arrived.intersection(wanted)
        assert min(arrived) < min(wanted, default=seq) or not wanted
        for each in wanted:
            asked[each] = asked.get(each, 0) + 1
    assert max(asked.values(), default=0) <= MAX_TRIES
