"""Layers that nobody needs are paused, and neither forgotten nor measured meanwhile."""

import pytest

from sfu.media.layer import ALIVE_S, LEAST_MEASURED_S, RATE_SAMPLES, RESUME_S
from sfu.media.track import ALL_RANKS, PAUSE_AFTER_S
from tests.unit.media.stage import Publisher
from tests.unit.rtp import wire

SAMPLE_S = 0.25


class Source:
    """A publisher of three layers that sends what it is told to, measured as a room does."""

    def __init__(self) -> None:
        self.publisher = Publisher(rids=("q", "h", "f"))
        self.track = self.publisher.track
        self.now = 10.0
        self._seq = 0

    def run(self, seconds: float, octets: tuple[int, ...] = (100, 400, 1500)) -> None:
        """Let every layer that is sent send so many octets in each quarter of a second."""
        for _ in range(round(seconds / SAMPLE_S)):
            self._seq += 1
            for rank, size in enumerate(octets):
                if size and rank in self.track.sending:
                    payload = wire.vp8(key=False, body=b"")
                    payload += bytes(size - len(payload))
                    self.publisher.send(self._seq, now=self.now, layer=rank, payload=payload)
            self.track.measure(self.now)
            self.now += SAMPLE_S

    def need(self, *ranks: int) -> bool:
        return self.track.need(ranks, self.now)

    def ranks(self) -> list[int]:
        return sorted({option.rank for option in self.track.options(self.now)})

    def rate(self, rank: int) -> float:
        return [option.bps for option in self.track.options(self.now) if option.rank == rank][-1]


def paused(*needed: int) -> Source:
    """Return a source of which only these ranks have been needed for long enough."""
    source = Source()
    source.run(3.0)
    source.need(0, 1, 2)
    for _ in range(round(PAUSE_AFTER_S / SAMPLE_S) + 1):
        source.run(SAMPLE_S)
        source.need(*needed)
    return source


# --- what is needed -------------------------------------------------------------------------------


def test_a_track_begins_with_every_layer_sent() -> None:
    source = Source()
    assert source.track.sending == ALL_RANKS
    assert not source.need()
    assert not any(layer.is_paused for layer in source.track.layers)


def test_a_layer_is_paused_only_after_a_grace() -> None:
    source = Source()
    source.need(0, 1, 2)
    began = source.now
    while not source.need(0):
        assert source.now - began < PAUSE_AFTER_S
        source.now += 0.05
    assert source.now - began == pytest.approx(PAUSE_AFTER_S, abs=0.06)
    assert source.track.sending == {0}


def test_a_new_track_has_the_same_grace() -> None:
    source = Source()
    assert not source.need()
    source.now += PAUSE_AFTER_S - 0.01
    assert not source.need()
    source.now += 0.02
    assert source.need()
    assert source.track.sending == frozenset()


def test_who_needs_it_again_within_the_grace_changes_nothing() -> None:
    source = Source()
    for _ in range(20):
        assert not source.need(0, 1, 2)
        source.now += PAUSE_AFTER_S - 0.1
        assert not source.need(0)
        assert not source.need(2)
        assert not source.need(1)


def test_a_paused_layer_is_resumed_at_once() -> None:
    source = paused(0)
    assert source.track.sending == {0}
    assert source.need(0, 2)
    assert source.track.sending == {0, 2}


def test_a_change_is_told_once() -> None:
    source = paused(0)
    assert not source.need(0)
    source.now += 60
    assert not source.need(0)
    assert source.need(1)
    assert not source.need(1)


def test_a_track_without_simulcast_is_paused_as_well() -> None:
    track = Publisher().track
    assert not track.need([0], 1.0)
    assert track.need([], 1.0 + PAUSE_AFTER_S)
    assert track.sending == frozenset()
    assert track.need([0], 9.0)
    assert track.sending == {0}


def test_ranks_that_the_track_does_not_have_are_nobodys_concern() -> None:
    source = paused(0)
    assert not source.need(0, 5)
    assert source.track.sending == {0}


# --- options --------------------------------------------------------------------------------------


def test_a_paused_layer_is_an_option_as_before() -> None:
    """It would come if it were given: with the rate last measured, not with none."""
    source = paused(0)
    before = source.rate(2)
    source.run(60)
    assert source.ranks() == [0, 1, 2]
    assert source.rate(2) == before == 1500 * 8 / SAMPLE_S


def test_a_layer_that_is_silent_though_it_was_asked_for_is_none() -> None:
    source = Source()
    source.run(3.0)
    source.run(ALIVE_S + 1, octets=(100, 400, 0))
    assert source.ranks() == [0, 1]


def test_a_resumed_layer_is_an_option_until_it_ought_to_have_come() -> None:
    source = paused(0)
    source.need(0, 2)
    source.run(RESUME_S - SAMPLE_S, octets=(100, 0, 0))
    assert source.ranks() == [0, 1, 2]
    source.run(1.0, octets=(100, 0, 0))
    assert source.ranks() == [0, 1]
    source.run(SAMPLE_S)
    assert source.ranks() == [0, 1, 2]


def test_a_layer_that_fell_silent_is_not_expected_because_another_one_is() -> None:
    source = paused(0, 1)
    source.run(ALIVE_S - 2 * SAMPLE_S, octets=(100, 0, 0))
    source.need(0, 1, 2)
    source.run(4 * SAMPLE_S, octets=(100, 0, 1500))
    assert source.ranks() == [0, 2]


# --- rates ----------------------------------------------------------------------------------------


def test_rates_are_those_of_the_last_samples() -> None:
    source = Source()
    source.run(5.0)
    assert [source.rate(rank) for rank in range(3)] == [octets * 8 / SAMPLE_S for octets in (100, 400, 1500)]
    source.run(RATE_SAMPLES * SAMPLE_S, octets=(50, 200, 700))
    assert [source.rate(rank) for rank in range(3)] == [octets * 8 / SAMPLE_S for octets in (50, 200, 700)]


def test_a_pause_is_no_part_of_a_rate() -> None:
    source = paused(0)
    source.run(10)
    source.need(0, 2)
    source.run(LEAST_MEASURED_S + 2 * SAMPLE_S, octets=(100, 0, 900))
    assert source.rate(2) == 900 * 8 / SAMPLE_S


def test_an_outage_is_no_part_of_a_rate() -> None:
    """A camera that was off for some seconds: its rate is not that of the time it was on and off."""
    source = Source()
    source.run(3.0)
    source.run(ALIVE_S + 2.0, octets=(0, 0, 0))
    before = source.publisher.layers[1].known_bps
    source.run(LEAST_MEASURED_S + 2 * SAMPLE_S)
    assert before is not None
    assert source.rate(1) == 400 * 8 / SAMPLE_S


def test_a_layer_not_measured_yet_has_no_known_rate() -> None:
    layer = Publisher().layer
    assert layer.known_bps is None
    assert len(layer.rates(0, 180)) == 1


@pytest.mark.parametrize(
    ("height", "rank"),
    [(0, 0), (150, 0), (180, 0), (200, 0), (250, 1), (400, 1), (500, 2), (720, 2), (2000, 2)],
)
def test_the_rank_for_a_tile_counts_layers_that_are_not_sent(height: int, rank: int) -> None:
    source = paused(0)
    assert source.track.rank_for(height) == rank


def test_the_rank_for_a_tile_counts_layers_that_never_came() -> None:
    track = Publisher(rids=("q",)).track
    track.top_rank = 2
    assert [track.rank_for(height) for height in (180, 360, 720)] == [0, 1, 2]
