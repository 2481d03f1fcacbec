"""How fast packets arrive, by the receiver's clock alone."""

import pytest

from sfu.congestion.throughput import LEAST_MS, WINDOW_MS, Throughput


def arrive(throughput: Throughput, began_ms: float, milliseconds: float, bps: float) -> float:
    """Let feedback of 20 ms each come for a while; return when it ended."""
    steps = round(milliseconds / 20)
    for step in range(1, steps + 1):
        throughput.add(began_ms + 20 * step, int(bps * 0.02 / 8))
    return began_ms + 20 * steps


def test_nothing_is_said_before_enough_was_seen() -> None:
    throughput = Throughput()
    throughput.add(0.0, 1000)
    assert throughput.bps is None
    throughput.add(LEAST_MS - 1, 1000)
    assert throughput.bps is None
    throughput.add(LEAST_MS, 1000)
    assert throughput.bps == 2000 * 8000 / LEAST_MS


def test_it_is_that_of_the_last_moments() -> None:
    throughput = Throughput()
    now = arrive(throughput, 0.0, 3000, 2e6)
    assert throughput.bps == pytest.approx(2e6, rel=1e-3)
    arrive(throughput, now, WINDOW_MS + 40, 500e3)
    assert throughput.bps == pytest.approx(500e3, rel=1e-3)


@pytest.mark.parametrize("ahead_ms", [3 * WINDOW_MS, -50.0, -1e9])
def test_after_a_silence_or_on_another_clock_it_begins_anew(ahead_ms: float) -> None:
    throughput = Throughput()
    now = arrive(throughput, 1e9, 3000, 2e6)
    arrive(throughput, now + ahead_ms, WINDOW_MS, 500e3)
    assert throughput.bps == pytest.approx(500e3, rel=1e-3)
