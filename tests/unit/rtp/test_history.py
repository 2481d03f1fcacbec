"""A ring of the last packets, in which nothing old replaces anything new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.history import History
from sfu.rtp.packet import Packet
from sfu.rtp.sequence import Seq
from tests.unit.rtp import wire


def packet(seq: int) -> Packet:
    made = wire.packet(seq)
    made.seq = Seq(seq)
    return made


def test_the_last_packets_are_kept() -> None:
    history = History(8)
    packets = {seq: packet(seq) for seq in range(100, 120)}
    assert all(history.store(each) for each in packets.values())
    for seq in range(90, 120):
        assert history.get(Seq(seq)) is (packets[seq] if seq >= 112 else None)


def test_a_packet_is_kept_once() -> None:
    history, first = History(8), packet(5)
    assert history.store(first)
    assert not history.store(packet(5))
    assert history.get(Seq(5)) is first


def test_a_packet_older_than_the_ring_replaces_nothing() -> None:
    history = History(8)
    history.store(packet(20))
    assert not history.store(packet(12))
    assert history.get(Seq(12)) is None
    assert history.get(Seq(20)) is not None


@pytest.mark.parametrize("capacity", [3, 100])
def test_the_capacity_is_a_power_of_two(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        History(capacity)


@given(st.lists(st.integers(-40, 100)))
def test_what_is_stored_is_found_until_something_newer_takes_its_place(seqs: list[int]) -> None:
    history, kept = History(16), dict[int, Packet]()
    for seq in seqs:
        place = seq % 16
        new = packet(seq)
        fresh = place not in kept or kept[place].seq < seq
        assert history.store(new) is fresh
        if fresh:
            kept[place] = new
    for seq in range(-60, 120):
        held = kept.get(seq % 16)
        assert history.get(Seq(seq)) is (held if held is not None and held.seq == seq else None)
