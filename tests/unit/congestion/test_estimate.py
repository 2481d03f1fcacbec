"""One receiver's estimate: what can be believed moves it, what cannot changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.congestion.delay import Usage
from sfu.congestion.estimate import REMB_LIFE_S, SILENCE_S, TICKS_WRAP, Estimate, Settings
from sfu.congestion.loss import INTERVAL_S, LEAST_PACKETS
from sfu.rtp.transport_cc import TICKS_PER_S, Feedback, SentPackets, read, write
from tests.unit.congestion.path import FEEDBACK_S, PACKET, Path

SETTINGS = Settings(start_bps=1e6, least_bps=40e3, most_bps=20e6)
TICK_S = 0.25


def nothing(_number: int) -> bool:
    return False


@dataclass
class Link:
    """A node that sends evenly over a path, and what its receiver feeds back, a moment later."""

    path: Path
    loses: Callable[[int], bool] = nothing
    estimate: Estimate = field(default_factory=lambda: Estimate(SETTINGS, SentPackets()))
    now: float = 10.0
    hears: bool = True
    rates: list[float] = field(default_factory=list)
    last: Feedback | None = None
    _number: int = 0
    _ticked_at: float = 0.0

    def send(self, bps: float, seconds: float, wanted_bps: float = 0.0) -> None:
        """Send at a rate, and hear of it."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self._batch(bps)
            if self.now - self._ticked_at >= TICK_S:
                self._ticked_at = self.now
                self.estimate.tick(wanted_bps, self.now)
            self.rates.append(self.estimate.bps)

    def _batch(self, bps: float) -> None:
        sent = self.estimate.sent
        assert sent is not None
        count = max(1, round(bps * FEEDBACK_S / 8 / PACKET))
        first, arrivals = sent.last + 1, []
        for at in range(count):
            now = self.now + at * FEEDBACK_S / count
            number = sent.note(int(now * 1e6), PACKET)
            arrival = self.path.carry(PACKET, now)
            arrivals.append(-1 if self.loses(number) else arrival)
        self.now += FEEDBACK_S
        if self.hears and max(arrivals) >= 0:
            self._number += 1
            self.last = read(write(Feedback(first, self._number, arrivals)))
            assert self.last is not None
            self.estimate.hear(self.last, self.now)


def known(estimate: Estimate) -> tuple[object, ...]:
    """Return all that an estimate says."""
    detector, loss = estimate.detector, estimate.loss
    return (
        (estimate.bps, estimate.budget_bps, estimate.is_draining, estimate.overuses),
        (detector.usage, detector.queue_ms, detector.delay_ms, detector.busy_bps),
        (loss.bps, loss.share, loss.average, loss.own, estimate.rate.bps),
        (estimate.throughput.bps, estimate.prober.cluster, estimate.prober.probes),
    )


# --- what the path tells --------------------------------------------------------------------------


def test_it_begins_where_it_is_told_to() -> None:
    estimate = Estimate(SETTINGS, SentPackets())
    assert (estimate.bps, estimate.budget_bps, estimate.is_draining) == (1e6, 1e6, False)


def test_a_path_that_carries_more_than_is_sent_lets_it_climb() -> None:
    link = Link(Path(10e6))
    link.send(1.2e6, 10)
    assert link.estimate.bps > 1.2e6
    assert link.estimate.overuses == 0


def test_what_is_not_seen_to_arrive_is_not_climbed_to() -> None:
    link = Link(Path(10e6))
    link.send(200e3, 60)
    assert link.estimate.bps < 1.01e6


def test_an_overused_path_brings_it_down_to_what_is_carried() -> None:
    link = Link(Path(500e3))
    link.send(1e6, 2)
    assert link.estimate.overuses > 0
    assert link.estimate.bps < 600e3


def test_it_is_told_sooner_of_a_path_that_collapses_than_a_trend_would() -> None:
    link = Link(Path(3e6))
    link.send(1e6, 5)
    before, collapsed_at = link.estimate.rate.bps, link.now
    link.path.bps = 100e3
    while link.estimate.rate.bps >= before:
        link.send(1e6, FEEDBACK_S)
        assert link.now - collapsed_at < 0.5
    assert link.estimate.detector.usage is not Usage.OVERUSED


def test_while_a_queue_is_left_less_is_sent_than_is_carried() -> None:
    link = Link(Path(500e3))
    link.send(300e3, 3)
    link.send(1.5e6, 0.5)
    draining = link.estimate.is_draining
    assert draining
    assert 0 < link.estimate.budget_bps < link.estimate.bps
    link.path._free_at = 0.0
    link.send(200e3, 1)
    draining = link.estimate.is_draining
    assert not draining
    assert link.estimate.budget_bps == link.estimate.bps


def test_losses_bring_it_down() -> None:
    link = Link(Path(10e6))
    link.send(1e6, 5)
    before = link.estimate.bps
    link.loses = lambda number: number % 2 == 0
    link.send(1e6, 2)
    assert link.estimate.bps < before
    assert link.estimate.detector.queue_ms < 20


def test_a_probe_finds_what_the_path_carries() -> None:
    link = Link(Path(2e6))
    link.send(500e3, 1)
    estimate, sent = link.estimate, link.estimate.sent
    assert sent is not None
    estimate.tick(20e6, link.now)
    first, arrivals, tick_s = sent.last + 1, [], 0.02
    while due := estimate.padding_due(tick_s, link.now):
        for _ in range(-(-due // 250)):
            sent.note(int(link.now * 1e6), 250)
            arrivals.append(link.path.carry(250, link.now))
        link.now += tick_s
    estimate.hear(Feedback(first, 1, arrivals), link.now + 0.1)
    assert estimate.prober.cluster is None
    assert estimate.bps == pytest.approx(2e6, rel=0.15)


# --- silence --------------------------------------------------------------------------------------


def test_unheard_of_it_is_halved_again_and_again() -> None:
    link = Link(Path(10e6))
    link.send(1e6, 2)
    before = link.estimate.rate.bps
    link.hears = False
    link.send(1e6, SILENCE_S + 2 * TICK_S)
    assert link.estimate.rate.bps == pytest.approx(before / 2)
    link.send(1e6, SILENCE_S + TICK_S)
    assert link.estimate.rate.bps == pytest.approx(before / 4)
    link.send(1e6, 60)
    assert link.estimate.bps == SETTINGS.least_bps


def test_what_was_heard_before_breaks_no_silence() -> None:
    link = Link(Path(10e6))
    link.send(1e6, 2)
    before = link.estimate.rate.bps
    link.hears = False
    for _ in range(10):
        link.send(1e6, SILENCE_S / 4)
        assert link.last is not None
        link.estimate.hear(link.last, link.now)
    assert link.estimate.rate.bps < before


def test_who_sends_nothing_need_not_hear_anything() -> None:
    link = Link(Path(10e6))
    link.send(1e6, 2)
    before = link.estimate.bps
    for _ in range(100):
        link.now += TICK_S
        link.estimate.tick(0.0, link.now)
    assert link.estimate.bps == before


def test_before_the_first_word_nothing_is_doubted() -> None:
    link = Link(Path(10e6), hears=False)
    link.send(1e6, 10, wanted_bps=20e6)
    assert link.estimate.bps == 1e6


# --- what cannot be believed ----------------------------------------------------------------------


def well() -> Link:
    """Return a link that has been going for long enough for numbers not to be kept."""
    link = Link(Path(3e6))
    link.send(1.5e6, 30)
    assert link.estimate.sent is not None
    assert link.estimate.sent.last > SentPackets.KEPT
    return link


def last(link: Link) -> int:
    assert link.estimate.sent is not None
    return link.estimate.sent.last


def arrival(link: Link) -> int:
    return int((link.now + link.path.clock_s) * TICKS_PER_S)


@pytest.mark.parametrize("ahead", [1, 2, 100, 20_000])
@pytest.mark.parametrize("count", [1, 5, 400])
def test_numbers_never_sent_change_nothing(ahead: int, count: int) -> None:
    link = well()
    before = known(link.estimate)
    link.estimate.hear(Feedback(last(link) + ahead & 0xFFFF, 9, [arrival(link)] * count), link.now)
    assert known(link.estimate) == before


def test_numbers_of_which_the_last_was_never_sent_change_nothing() -> None:
    link = well()
    before = known(link.estimate)
    link.estimate.hear(Feedback(last(link) - 3 & 0xFFFF, 9, [arrival(link)] * 5), link.now)
    assert known(link.estimate) == before


@pytest.mark.parametrize("behind", [SentPackets.KEPT, SentPackets.KEPT + 500])
def test_numbers_too_old_to_be_kept_change_nothing(behind: int) -> None:
    link = well()
    before = known(link.estimate)
    link.estimate.hear(Feedback(last(link) - behind & 0xFFFF, 9, [arrival(link)]), link.now)
    assert known(link.estimate) == before


def test_what_is_said_twice_counts_once() -> None:
    once, twice = Link(Path(800e3)), Link(Path(800e3))
    for _ in range(200):
        for link in (once, twice):
            link.send(900e3, FEEDBACK_S)
        assert twice.last is not None
        twice.estimate.hear(twice.last, twice.now)
        assert known(once.estimate) == known(twice.estimate)


def test_what_overlaps_counts_as_if_it_did_not() -> None:
    """Late arrivals among what was reported matter no more."""
    plain, overlapping = Link(Path(800e3)), Link(Path(800e3), hears=False)
    for _ in range(100):
        plain.send(900e3, FEEDBACK_S)
        before = overlapping.last
        overlapping.send(900e3, FEEDBACK_S)
        assert plain.last is not None
        told = [] if before is None else list(before.arrivals)
        overlapping.last = plain.last
        whole = Feedback(plain.last.first - len(told) & 0xFFFF, 0, [*told, *plain.last.arrivals])
        overlapping.estimate.hear(whole, overlapping.now)
        assert known(plain.estimate) == known(overlapping.estimate)


def test_what_comes_after_something_newer_changes_nothing() -> None:
    link = Link(Path(3e6))
    link.send(1e6, 5)
    former = link.last
    link.send(1e6, FEEDBACK_S)
    before = known(link.estimate)
    assert former is not None
    link.estimate.hear(former, link.now)
    assert known(link.estimate) == before


def test_numbers_wrap_unnoticed() -> None:
    link, later = Link(Path(3e6)), Link(Path(3e6))
    assert later.estimate.sent is not None
    later.estimate.sent.last = 0x10000 * 3 - 500
    for each in (link, later):
        each.send(2e6, 10)
    assert later.estimate.sent.last > 0x10000 * 3
    assert later.rates == link.rates


def test_the_receivers_clock_wraps_unnoticed() -> None:
    here = Link(Path(1e6))
    wraps_s = TICKS_WRAP / TICKS_PER_S
    there = Link(Path(1e6, clock_s=wraps_s - 15))
    for link in (here, there):
        link.send(900e3, 10)
        link.send(1.3e6, 1)
    assert there.rates == pytest.approx(here.rates, rel=1e-3)
    assert there.estimate.detector.queue_ms == pytest.approx(here.estimate.detector.queue_ms, abs=1)


def test_where_nothing_arrived_only_losses_are_learned() -> None:
    link = Link(Path(3e6))
    link.send(1e6, 5)
    sent, estimate = link.estimate.sent, link.estimate
    assert sent is not None
    before = estimate.detector.usage, estimate.detector.delay_ms, estimate.throughput.bps
    first = sent.last + 1
    for _ in range(LEAST_PACKETS):
        sent.note(int(link.now * 1e6), PACKET)
    estimate.hear(Feedback(first, 0, [-1] * LEAST_PACKETS), link.now + INTERVAL_S)
    assert (estimate.detector.usage, estimate.detector.delay_ms, estimate.throughput.bps) == before
    assert estimate.loss.share > 0


numbers = st.integers(0, 0xFFFF)
arrivals = st.lists(st.one_of(st.just(-1), st.integers(0, TICKS_WRAP - 1)), min_size=1, max_size=80)
near = st.lists(st.one_of(st.just(-1), st.integers(40_000, 44_000)), min_size=1, max_size=80)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 300), st.integers(1, 0xFFFF)),
        st.tuples(st.just("hear"), numbers, st.one_of(arrivals, near)),
        st.tuples(st.just("hear of the last"), st.integers(0, 90), st.one_of(arrivals, near)),
        st.tuples(st.just("read"), numbers, st.binary(min_size=10, max_size=60)),
        st.tuples(st.just("remb"), st.integers(0, 1 << 60), st.none()),
        st.tuples(st.just("pass"), st.floats(0, 30), st.floats(0, 1e9)),
    ),
    max_size=60,
)


@given(acts)
def test_any_feedback_is_taken(script: list[tuple[str, float, object]]) -> None:
    """Whatever a client says, and whenever: no error, and rates within their bounds."""
    estimate, now = Estimate(SETTINGS, SentPackets()), 10.0
    for act, value, rest in script:
        now += 0.01
        _act(estimate, act, value, rest, now)
        if act == "pass":
            now += value
        assert SETTINGS.least_bps <= estimate.rate.bps <= SETTINGS.most_bps
        assert SETTINGS.least_bps <= estimate.loss.bps <= SETTINGS.most_bps
        assert 0 <= estimate.budget_bps <= estimate.bps <= SETTINGS.most_bps


def _act(estimate: Estimate, act: str, value: float, rest: object, now: float) -> None:
    sent = estimate.sent
    assert sent is not None
    if act == "send":
        assert isinstance(rest, int)
        for at in range(int(value)):
            sent.note(int((now + at * 1e-5) * 1e6), rest)
    elif act == "hear":
        assert isinstance(rest, list)
        estimate.hear(Feedback(int(value), 0, rest), now)
    elif act == "hear of the last":
        assert isinstance(rest, list)
        estimate.hear(Feedback(sent.last - int(value) & 0xFFFF, 0, rest[: int(value) + 1]), now)
    elif act == "read":
        assert isinstance(rest, bytes)
        found = read(int(value).to_bytes(2, "big") + b"\0\x05" + rest)
        if found is not None:
            estimate.hear(found, now)
    elif act == "remb":
        estimate.hear_remb(value, now)
    else:
        assert isinstance(rest, float)
        estimate.tick(rest, now + value)
        assert estimate.padding_due(0.02, now + value) >= 0


# --- clients without transport-cc -----------------------------------------------------------------


def test_without_feedback_all_is_allowed_until_somebody_objects() -> None:
    estimate = Estimate(SETTINGS, None)
    assert estimate.bps == SETTINGS.most_bps
    assert estimate.padding_due(0.02, 1.0) == 0
    estimate.tick(SETTINGS.most_bps, 1.0)
    assert estimate.prober.probes == 0


def test_the_receivers_own_estimate_is_a_cap_while_it_is_fresh() -> None:
    estimate = Estimate(SETTINGS, None)
    estimate.hear_remb(700e3, 1.0)
    assert (estimate.bps, estimate.budget_bps) == (700e3, 700e3)
    estimate.tick(0.0, 1.0 + REMB_LIFE_S)
    assert estimate.bps == 700e3
    estimate.hear_remb(900e3, 1.0 + REMB_LIFE_S)
    estimate.tick(0.0, 1.0 + 2 * REMB_LIFE_S)
    assert estimate.bps == 900e3
    estimate.tick(0.0, 1.1 + 2 * REMB_LIFE_S)
    assert estimate.bps == SETTINGS.most_bps


def test_a_cap_lifts_nothing() -> None:
    estimate = Estimate(SETTINGS, SentPackets())
    estimate.hear_remb(1e9, 1.0)
    assert estimate.bps == SETTINGS.start_bps


def test_receiver_reports_bring_it_down() -> None:
    estimate = Estimate(SETTINGS, None)
    estimate.hear_loss(200, 0, 1.0)
    for second in range(2, 6):
        before = estimate.bps
        estimate.hear_loss(200, 100, float(second))
        if second == 2:
            assert estimate.bps < before
    assert estimate.loss.average > 0


def test_receiver_reports_of_a_client_with_feedback_are_not_needed() -> None:
    estimate = Estimate(SETTINGS, SentPackets())
    for second in range(5):
        estimate.hear_loss(1000, 900, float(second))
    assert (estimate.bps, estimate.loss.share) == (1e6, 0)


def test_feedback_of_a_client_that_was_never_numbered_changes_nothing() -> None:
    estimate = Estimate(SETTINGS, None)
    before = known(estimate)
    estimate.hear(Feedback(1, 0, [5, 6, -1]), 1.0)
    assert known(estimate) == before
