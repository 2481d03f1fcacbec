"""A growing queue is seen, and told from jitter, bursts and another route."""

from itertools import accumulate
from random import Random
from statistics import linear_regression

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.congestion.delay import (
    BASE_WINDOW_MS,
    GAIN,
    MAX_WEIGHT,
    MS_PER_TICK,
    REBASE_AFTER,
    STANDING_MS,
    THRESHOLD_MS,
    THRESHOLD_RANGE_MS,
    WINDOW,
    DelayDetector,
    Usage,
    _TrendLine,
)
from tests.unit.congestion.path import CLOCK_S, PACKET, Path, batches, bursts, steady, ticks, watch, word

TICK_MS = MS_PER_TICK


def usages(said: list[tuple[float, Usage]]) -> set[Usage]:
    return {usage for _, usage in said}


def delayed(detector: DelayDetector, delay_s: float, began: float, seconds: float) -> None:
    """Let packets arrive that all took as long."""
    for batch in batches(list(steady(400e3, began, seconds))):
        detector.observe([word(at) for at in batch], [ticks(at + delay_s + CLOCK_S) for at in batch], 0)


# --- the trend ------------------------------------------------------------------------------------


def test_a_path_that_carries_all_is_not_overused() -> None:
    said = watch(DelayDetector(), Path(1e6), steady(900e3, 1.0, 20))
    assert usages(said) == {Usage.NORMAL}


@pytest.mark.parametrize("excess", [1.2, 1.5, 3.0])
def test_a_queue_that_grows_is_seen_soon(excess: float) -> None:
    detector, path = DelayDetector(), Path(1e6)
    watch(detector, path, steady(900e3, 1.0, 5))
    said = watch(detector, path, steady(excess * 1e6, 6.0, 1.5))
    seen_at = next(at for at, usage in said if usage is Usage.OVERUSED)
    assert seen_at < 7.0


def test_a_queue_that_empties_is_seen() -> None:
    detector, path = DelayDetector(), Path(1e6)
    watch(detector, path, steady(1.4e6, 1.0, 1.0))
    assert Usage.UNDERUSED in usages(watch(detector, path, steady(400e3, 2.0, 1.0)))


def test_a_queue_that_stands_still_is_no_overuse() -> None:
    detector, path = DelayDetector(), Path(1e6)
    watch(detector, path, steady(1.5e6, 1.0, 0.4))
    watch(detector, path, steady(1e6, 1.4, 2.0))
    assert detector.queue_ms > STANDING_MS
    assert detector.usage is Usage.NORMAL


def test_a_queue_that_empties_again_and_again_is_no_overuse() -> None:
    """Each second a burst at twice the rate, for a fifth of a second: the trend rises, nothing stands."""
    detector, path = DelayDetector(), Path(2e6)
    watch(detector, path, steady(400e3, 1.0, 3.0))
    said = []
    for at in range(20):
        began = 4.0 + at
        times = [*steady(1e6, began, 0.3), *steady(4e6, began + 0.3, 0.14), *steady(1e6, began + 0.46, 0.5)]
        arrivals = [path.carry(1000, each) for each in times]
        detector.observe([word(each) for each in times], arrivals, 0)
        said.append((began, detector.usage))
    assert detector.queue_ms <= STANDING_MS
    assert Usage.OVERUSED not in usages(said)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_is_no_overuse(seed: int) -> None:
    random, detector, said = Random(seed), DelayDetector(), []
    arrived = 0.0
    for batch in batches(list(steady(500e3, 1.0, 60))):
        arrivals = []
        for at in batch:
            arrived = max(arrived, at + 0.03 + abs(random.gauss(0, 0.004)))
            arrivals.append(ticks(arrived))
        detector.observe([word(at) for at in batch], arrivals, 0)
        said.append((batch[-1], detector.usage))
    assert Usage.OVERUSED not in usages(said)


# --- groups ---------------------------------------------------------------------------------------


def test_packets_sent_at_once_are_one_group() -> None:
    """A frame takes most of its interval to pass the bottleneck; the next one finds it empty."""
    said = watch(DelayDetector(), Path(1e6), bursts(850e3, 1.0, 20, 1 / 10))
    assert usages(said) == {Usage.NORMAL}


def test_packets_that_the_network_bunched_up_are_one_group() -> None:
    """Held for 60 ms and let go one soon after the other, over and over: no queue that grows or empties.

    The path was shorter once, so that a queue seems to stand.
    """
    detector, said = DelayDetector(), []
    delayed(detector, 0.0, 0.5, 0.5)
    for at in range(150):
        times = list(steady(800e3, 1.0 + 0.06 * at, 0.06))
        arrivals = [ticks(times[-1] + 0.02 + 0.002 * order + CLOCK_S) for order, _ in enumerate(times)]
        detector.observe([word(each) for each in times], arrivals, 0)
        said.append((times[-1], detector.usage))
    assert detector.queue_ms > STANDING_MS
    assert Usage.OVERUSED not in usages(said)


def test_where_all_was_quiet_a_slow_growth_is_seen() -> None:
    """The threshold follows the path's jitter: here it is at its least."""
    least_ms = (THRESHOLD_RANGE_MS[0] + THRESHOLD_MS) / 2
    excess = 1 / (1 - least_ms / (GAIN * MAX_WEIGHT))
    detector, path = DelayDetector(), Path(1e6)
    watch(detector, path, steady(500e3, 1.0, 20.0))
    assert Usage.OVERUSED in usages(watch(detector, path, steady(excess * 1e6, 21.0, 4.0)))


def test_how_packets_are_spread_over_feedbacks_does_not_matter_to_the_trend() -> None:
    times = list(steady(1.5e6, 1.0, 0.5))
    whole, pieces = DelayDetector(), DelayDetector()
    path = Path(1e6)
    arrivals = [path.carry(1000, at) for at in times]
    whole.observe([word(at) for at in times], arrivals, 0)
    for at, arrival in zip(times, arrivals, strict=True):
        pieces.observe([word(at)], [arrival], 0)
    assert whole.delay_ms == pieces.delay_ms
    assert (whole.usage, pieces.usage) == (Usage.NORMAL, Usage.OVERUSED), "only one saw a standing queue"


def test_a_shift_moves_all_arrivals() -> None:
    here, there, path = DelayDetector(), DelayDetector(), Path(1e6)
    for batch in batches(list(steady(1.5e6, 1.0, 1.0))):
        words, arrivals = [word(at) for at in batch], [path.carry(1000, at) for at in batch]
        here.observe(words, arrivals, 0)
        there.observe(words, [each + 123 for each in arrivals], -123)
        assert (here.usage, here.queue_ms, here.delay_ms) == (there.usage, there.queue_ms, there.delay_ms)


# --- the queue ------------------------------------------------------------------------------------


def test_the_queue_is_that_of_the_luckiest_packet_and_the_delay_that_of_the_last() -> None:
    detector = DelayDetector()
    detector.observe([word(1.0)], [ticks(1.03)], 0)
    assert (detector.queue_ms, detector.delay_ms) == (0, 0)
    detector.observe(
        [word(1.1), word(1.15), word(1.2)], [ticks(1.1 + 0.08), ticks(1.15 + 0.07), ticks(1.2 + 0.13)], 0
    )
    assert detector.queue_ms == pytest.approx(40, abs=TICK_MS)
    assert detector.delay_ms == pytest.approx(100, abs=TICK_MS)


def test_the_queue_of_a_bottleneck_is_measured() -> None:
    detector, path = DelayDetector(), Path(1e6)
    watch(detector, path, steady(500e3, 1.0, 2.0))
    watch(detector, path, steady(1.5e6, 3.0, 0.4))
    assert detector.delay_ms == pytest.approx(200, abs=15)


def test_a_longer_route_is_no_queue_for_ever() -> None:
    detector = DelayDetector()
    delayed(detector, 0.03, 1.0, 5.0)
    delayed(detector, 0.08, 6.0, 1.0)
    assert detector.queue_ms == pytest.approx(50, abs=TICK_MS)
    delayed(detector, 0.08, 7.0, 2 * BASE_WINDOW_MS / 1000 + 1)
    assert detector.queue_ms == pytest.approx(0, abs=TICK_MS)


def test_a_queue_is_remembered_as_one_for_a_whole_window() -> None:
    detector = DelayDetector()
    delayed(detector, 0.03, 1.0, 5.0)
    delayed(detector, 0.08, 6.0, BASE_WINDOW_MS / 1000 - 1)
    assert detector.queue_ms == pytest.approx(50, abs=TICK_MS)


def test_a_shorter_route_is_the_base_at_once() -> None:
    detector = DelayDetector()
    delayed(detector, 0.08, 1.0, 5.0)
    delayed(detector, 0.03, 6.0, 0.1)
    delayed(detector, 0.08, 6.1, 0.1)
    assert detector.queue_ms == pytest.approx(50, abs=TICK_MS)


# --- the rate of the path -------------------------------------------------------------------------


@pytest.mark.parametrize("bps", [300e3, 1e6, 4e6])
@pytest.mark.parametrize("excess", [1.3, 3.0])
def test_packets_that_queue_arrive_as_fast_as_the_path_carries_them(bps: float, excess: float) -> None:
    detector, path = DelayDetector(), Path(bps)
    watch(detector, path, steady(bps / 2, 1.0, 2.0))
    watch(detector, path, steady(excess * bps, 3.0, 0.6))
    assert detector.busy_bps == pytest.approx(bps, rel=0.05)


def test_frames_show_the_rate_of_a_path_that_is_mostly_idle() -> None:
    detector, path = DelayDetector(), Path(2e6)
    watch(detector, path, bursts(500e3, 1.0, 5.0, 1 / 5))
    assert detector.busy_bps == pytest.approx(2e6, rel=0.1)


def test_a_path_that_was_never_busy_has_no_rate() -> None:
    detector = DelayDetector()
    watch(detector, Path(10e6), steady(500e3, 1.0, 5.0))
    assert detector.busy_bps is None


def test_what_comes_late_but_all_at_once_stood_in_no_queue_of_the_paths() -> None:
    """A machine was busy; then it took in as fast as it could what had been waiting for it."""
    detector, path = DelayDetector(), Path(10e6)
    watch(detector, path, steady(500e3, 1.0, 2.0))
    for began in (3.0, 3.2, 3.4):
        times = list(steady(500e3, began, 0.15))
        arrivals = [path.carry(PACKET, at) for at in times]
        detector.observe([word(at) for at in times], [arrivals[-1]] * len(times), 0)
    assert detector.busy_bps is None


# --- any numbers ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 1 << 47), st.integers(0, 65_535), st.integers(-1, 1 << 33))))
def test_any_packets_are_taken(packets: list[tuple[int, int, int]]) -> None:
    detector = DelayDetector()
    words = [micros << 16 | octets for micros, octets, _ in packets]
    detector.observe(words, [arrival for _, _, arrival in packets], 0)
    assert detector.queue_ms >= 0
    assert detector.delay_ms >= detector.queue_ms
    assert detector.busy_bps is None or detector.busy_bps >= 0


def test_the_trend_does_not_drift() -> None:
    """An hour of packets, 20 ms apart: the slope is still that of the last ones, to the last digits."""
    random, line = Random(1), _TrendLine()
    xs = list(accumulate((random.uniform(15, 25) for _ in range(180_000)), initial=1e9))
    ys = list(accumulate((random.gauss(0, 2) for _ in range(180_000)), initial=5e4))
    for at, (x, y) in enumerate(zip(xs, ys, strict=True)):
        slope = line.add(x, y)
        if at < WINDOW - 1:
            assert slope == 0
        elif at < 3 * WINDOW or at % REBASE_AFTER < 2 or at % 9973 == 0:
            window = slice(at + 1 - WINDOW, at + 1)
            expected = linear_regression([each - x for each in xs[window]], ys[window]).slope
            assert slope == pytest.approx(expected, abs=1e-9)
