"""The modelled network does what its parameters say."""

from itertools import groupby
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scenario.world import World
from tests.simulation.link import (
    OVERHEAD,
    Bottleneck,
    BurstLoss,
    Flow,
    Pipe,
    Policer,
    RandomLoss,
    Rate,
    Reordering,
    WiFi,
)


def test_a_rate_that_changes_while_bits_pass() -> None:
    rate = Rate([(0, 1000), (10, 100), (20, 1000)])
    assert rate.at(-5) == rate.at(9.9) == 1000
    assert rate.at(10) == 100
    assert rate.finish(9, 500) == pytest.approx(9.5)
    assert rate.finish(9, 1500) == pytest.approx(15)
    assert rate.finish(9, 2500) == pytest.approx(20.5)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 1500)), max_size=60))
def test_a_bottleneck_keeps_its_rate_and_its_order(arrivals: list[tuple[float, int]]) -> None:
    bottleneck = Bottleneck(Rate([(0, 80_000)]), 5000)
    now, before = 0.0, 0.0
    for wait, octets in arrivals:
        now += wait
        left = bottleneck.admit(octets, now)
        if left is not None:
            assert left >= max(now, before) + octets / 10_000 - 1e-9
            assert left - now <= 5000 / 10_000 + 1e-9
            before = left


def test_what_the_queue_does_not_hold_is_dropped() -> None:
    bottleneck = Bottleneck(Rate([(0, 8000)]), 3000)
    assert [bottleneck.admit(1000, 0.0) for _ in range(5)] == [1.0, 2.0, 3.0, None, None]
    assert bottleneck.dropped == 2
    assert bottleneck.queue_s(0.5) == pytest.approx(2.5)
    assert bottleneck.admit(1000, 1.5) == pytest.approx(4.0)


def test_a_policer_lets_its_rate_through_and_a_burst() -> None:
    policer = Policer(80_000, 5000)
    passed = sum(1000 for at in range(1000) if policer.passes(1000, at / 100))
    assert passed == pytest.approx(10 * 10_000 + 5000, rel=0.02)


def test_bursts_are_as_long_and_as_many_as_asked_for() -> None:
    losses = BurstLoss(0.05, 5, Random(1))
    lost = [losses.loses() for _ in range(200_000)]
    bursts = [len(list(run)) for bad, run in groupby(lost) if bad]
    assert sum(lost) / len(lost) == pytest.approx(0.05, rel=0.1)
    assert sum(bursts) / len(bursts) == pytest.approx(5, rel=0.1)


def test_random_loss() -> None:
    losses = RandomLoss(0.1, Random(1))
    assert sum(losses.loses() for _ in range(50_000)) / 50_000 == pytest.approx(0.1, rel=0.1)


def test_wifi_bunches_packets_and_keeps_their_order() -> None:
    wifi = WiFi(Random(1), wait_s=0.005, outage_s=0.08, outages_per_s=0.3)
    times = [at * 0.002 for at in range(10_000)]
    released = [wifi.release(at) for at in times]
    assert released == sorted(released)
    assert len(set(released)) < len(released) / 2
    late = [out - at for at, out in zip(times, released, strict=True)]
    assert min(late) >= 0
    assert 0.03 < max(late) < 0.15


def test_reordering_reorders() -> None:
    reordering = Reordering(Random(1), deviation_s=0.005)
    released = [reordering.release(at * 0.001) for at in range(1000)]
    assert released != sorted(released)
    assert all(out >= at * 0.001 for at, out in enumerate(released))


def test_a_pipe_delays_and_counts() -> None:
    world = World()
    bottleneck = Bottleneck(Rate([(0, 80_000)]), 10_000)
    pipe = Pipe(world, bottleneck, delay_s=0.1)
    arrived: list[float] = []
    began = world.now
    pipe.carry(bytes(1000 - OVERHEAD), lambda _packet: arrived.append(world.now - began))
    world.run(1)
    assert arrived == [pytest.approx(0.2)]
    assert pipe.carried == 1000


def test_a_flow_goes_on_and_off() -> None:
    world = World()
    bottleneck = Bottleneck(Rate([(0, 1e6)]), 100_000)
    Flow(world, bottleneck, 2e6, [world.now + 1, world.now + 1.2])
    world.run(0.9)
    assert bottleneck.queue_s(world.now) == 0
    world.run(0.3)
    assert bottleneck.queue_s(world.now) == pytest.approx(0.2, abs=0.03)
    world.run(1)
    assert bottleneck.queue_s(world.now) == 0
