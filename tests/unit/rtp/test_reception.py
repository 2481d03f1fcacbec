"""What a receiver report says: RFC 3550 §6.4.1, appendices A.3 and A.8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.reception import Reception
from sfu.rtp.sequence import Seq


def receive(reception: Reception, *seqs: int) -> None:
    for seq in seqs:
        reception.arrived(Seq(seq), 0, 100, 0.0)


def test_before_the_first_packet() -> None:
    reception = Reception(90_000)
    assert (reception.expected, reception.lost, reception.take_fraction_lost()) == (0, 0, 0)


def test_losses_are_counted_per_interval_and_in_all() -> None:
    reception = Reception(90_000)
    receive(reception, 10, 11, 12, 14)
    assert reception.lost == 1
    assert reception.take_fraction_lost() == 256 // 5
    receive(reception, 15, 16)
    assert reception.take_fraction_lost() == 0
    receive(reception, 20)
    assert reception.take_fraction_lost() == 3 * 256 // 4
    assert (reception.lost, reception.received, reception.octets) == (4, 7, 700)


def test_an_interval_without_packets_lost_nothing() -> None:
    reception = Reception(90_000)
    receive(reception, 10)
    reception.take_fraction_lost()
    assert reception.take_fraction_lost() == 0


def test_late_packets_make_up_for_losses() -> None:
    reception = Reception(90_000)
    receive(reception, 10, 13)
    assert reception.lost == 2
    receive(reception, 11, 12)
    assert (reception.lost, reception.highest) == (0, 13)


def test_repeated_packets_can_make_losses_negative_but_no_fraction() -> None:
    reception = Reception(90_000)
    receive(reception, 10, 10, 10)
    assert reception.lost == -2
    assert reception.take_fraction_lost() == 0


@pytest.mark.parametrize(("jump", "lost"), [(2**23, 2**23 - 1), (2**23 - 1, 2**23 - 2), (2**30, 2**23 - 1)])
def test_losses_stay_within_24_bits(jump: int, lost: int) -> None:
    reception = Reception(90_000)
    receive(reception, 0, jump)
    assert reception.lost == lost


def test_jitter_of_a_steady_stream_is_nothing() -> None:
    reception = Reception(48_000)
    for step in range(100):
        reception.arrived(Seq(step), 0xFFFF_FF00 + 960 * step & 0xFFFF_FFFF, 100, 10 + step / 50)
    assert reception.jitter == pytest.approx(0, abs=1)


def test_jitter_follows_the_formula() -> None:
    """J += (|D| - J) / 16, D being the change in transit time, in clock ticks."""
    reception, expected = Reception(90_000), 0.0
    before = 0.0
    for step, delay in enumerate([0.0, 0.01, 0.0, 0.03, 0.03, 0.001]):
        reception.arrived(Seq(step), 9000 * step, 100, step / 10 + delay)
        if step:
            expected += (abs(delay - before) * 90_000 - expected) / 16
        before = delay
    assert reception.jitter == pytest.approx(expected, abs=1)


def test_late_packets_do_not_count_for_jitter() -> None:
    reception = Reception(90_000)
    reception.arrived(Seq(2), 9000, 100, 1.0)
    reception.arrived(Seq(1), 0, 100, 50.0)
    assert reception.jitter == 0


@given(st.lists(st.integers(0, 400), max_size=100), st.integers(1, 10))
def test_fractions_are_eight_bits_and_counts_agree(seqs: list[int], every: int) -> None:
    reception = Reception(90_000)
    for index, seq in enumerate(seqs):
        receive(reception, seq)
        if index % every == 0:
            assert 0 <= reception.take_fraction_lost() <= 255
    assert reception.lost == reception.expected - len(seqs)
