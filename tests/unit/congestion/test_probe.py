"""A cluster shows what the path carries; what it cannot show is not believed, nor tried again at once."""

from collections.abc import Callable

import pytest

from sfu.congestion import probe
from sfu.congestion.probe import Cluster, Health, Prober, Refrain
from sfu.rtp.transport_cc import SentPackets
from tests.unit.congestion.path import Path

WELL = Health(decreased_at=float("-inf"), queue_ms=0.0, excess_loss=0.0)
TICK_S = 0.02
PADDING = 250
TRIP_S = 0.1
ESTIMATE = 1e6
PLENTY = 50e6


def nothing(_number: int) -> bool:
    return False


class Sender:
    """A node that sends media at some rate and fills up to what a prober asks for."""

    def __init__(self, path: Path, loses: Callable[[int], bool] = nothing) -> None:
        self.prober = Prober()
        self.sent = SentPackets()
        self.now = 10.0
        self.octets = 0
        self._path = path
        self._loses = loses

    def consider(self, wanted_bps: float = PLENTY, estimate_bps: float = ESTIMATE) -> Refrain | None:
        self.prober.consider(estimate_bps, wanted_bps, WELL, self.sent, self.now)
        return self.prober.refrain

    def play(self, own_loss: float = 0.0, media_bps: float = 400e3) -> float:
        """Send the cluster that was begun, and let feedback on it come; return what it showed."""
        cluster = self.prober.cluster
        assert cluster is not None
        arrivals: list[int] = []
        while True:
            due = int(media_bps * TICK_S / 8) + self.prober.octets_due(self.sent, TICK_S, self.now)
            if cluster.last:
                break
            while due > 0:
                due -= PADDING
                arrivals.append(self._send(PADDING))
            self.now += TICK_S
        arrivals = arrivals[: cluster.last - cluster.first + 1]
        self.now += TRIP_S
        words = self.sent.words(cluster.first, len(arrivals))
        half = len(arrivals) // 2
        self.prober.observe(cluster.first, words[:half], arrivals[:half], 0)
        assert self.prober.conclude(cluster.first + half - 1, own_loss, self.now) is None
        self.prober.observe(cluster.first + half, words[half:], arrivals[half:], 0)
        found = self.prober.conclude(cluster.last, own_loss, self.now)
        assert found is not None
        assert self.prober.cluster is None
        return found

    def _send(self, octets: int) -> int:
        number = self.sent.note(int(self.now * 1e6), octets)
        self.octets += octets
        return -1 if self._loses(number) else self._path.carry(octets, self.now)

    def begin(self, estimate_bps: float = ESTIMATE) -> Cluster:
        """Wait until a cluster may begin; return it."""
        for _ in range(20_000):
            if self.consider(estimate_bps=estimate_bps) is None:
                cluster = self.prober.cluster
                assert cluster is not None
                return cluster
            self.now += 0.01
        raise AssertionError("no probe began")


# --- what it shows --------------------------------------------------------------------------------


@pytest.mark.parametrize("bps", [1.2e6, 1.6e6, 2e6])
def test_a_filled_path_shows_its_rate(bps: float) -> None:
    sender = Sender(Path(bps))
    sender.begin()
    assert sender.play() == pytest.approx(probe.UTILISATION * bps, rel=0.1)
    assert sender.prober.saturated


def test_a_wider_path_shows_what_was_sent() -> None:
    sender = Sender(Path(100e6))
    cluster = sender.begin()
    assert sender.play() == pytest.approx(cluster.bps, rel=0.15)
    assert not sender.prober.saturated


@pytest.mark.parametrize("media_bps", [0.0, 200e3, 900e3])
def test_a_cluster_is_filled_up_to_its_rate(media_bps: float) -> None:
    sender = Sender(Path(100e6))
    cluster = sender.begin()
    sender.play(media_bps=media_bps)
    assert sender.octets * 8 / probe.DURATION_S == pytest.approx(cluster.bps, rel=0.5)


def test_the_first_packets_of_the_feedback_that_are_no_part_of_it_do_not_count() -> None:
    sender = Sender(Path(1.5e6))
    for _ in range(5):
        sender.sent.note(0, 1)
    cluster = sender.begin()
    before = sender.sent.words(cluster.first - 5, 5)
    sender.prober.observe(cluster.first - 5, before, [1, 2, 3, 4, 5], 0)
    assert sender.play() == pytest.approx(probe.UTILISATION * 1.5e6, rel=0.1)


@pytest.mark.parametrize("loses", [lambda number: number % 4 == 0, lambda number: number > 12])
def test_a_cluster_that_lost_packets_shows_nothing(loses: Callable[[int], bool]) -> None:
    sender = Sender(Path(100e6), loses)
    sender.begin()
    assert sender.play() == 0


def test_what_the_path_loses_anyway_is_allowed_for() -> None:
    sender = Sender(Path(100e6), lambda number: number % 5 == 0)
    cluster = sender.begin()
    assert sender.play(own_loss=0.2) > 0.7 * cluster.bps


def test_a_cluster_that_is_not_heard_of_shows_nothing() -> None:
    sender = Sender(Path(100e6))
    sender.begin()
    assert sender.prober.conclude(sender.sent.last, 0.0, sender.now + probe.PATIENCE_S - 0.01) is None
    assert sender.prober.conclude(sender.sent.last, 0.0, sender.now + probe.PATIENCE_S) == 0
    assert sender.prober.cluster is None


def test_without_a_cluster_there_is_nothing_to_send_or_to_conclude() -> None:
    sender = Sender(Path(1e6))
    assert sender.prober.octets_due(sender.sent, TICK_S, sender.now) == 0
    assert sender.prober.conclude(9, 0.0, sender.now) is None


def test_all_at_one_instant_shows_nothing() -> None:
    sender = Sender(Path(1e6))
    cluster = sender.begin()
    for _ in range(20):
        sender.sent.note(int(sender.now * 1e6), 1000)
    cluster.last = sender.sent.last
    sender.prober.observe(cluster.first, sender.sent.words(cluster.first, 20), [500] * 20, 0)
    assert sender.prober.conclude(cluster.last, 0.0, sender.now) == 0


# --- whether and when -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted_bps", "health", "refrain"),
    [
        (ESTIMATE, WELL, Refrain.SATISFIED),
        (ESTIMATE + 1, WELL, None),
        (PLENTY, Health(10.0 - probe.AFTER_DECREASE_S + 0.01, 0, 0), Refrain.CONGESTED),
        (PLENTY, Health(10.0 - probe.AFTER_DECREASE_S - 0.01, 0, 0), None),
        (PLENTY, Health(float("-inf"), probe.QUEUE_LIMIT_MS + 1, 0), Refrain.CONGESTED),
        (PLENTY, Health(float("-inf"), 0, probe.EXCESS_LOSS_LIMIT + 0.01), Refrain.CONGESTED),
    ],
)
def test_it_probes_if_more_is_wanted_and_nothing_speaks_against_it(
    wanted_bps: float, health: Health, refrain: Refrain | None
) -> None:
    prober = Prober()
    prober.consider(ESTIMATE, wanted_bps, health, SentPackets(), 10.0)
    assert prober.refrain is refrain
    assert (prober.cluster is not None) is (refrain is None)


def test_there_is_one_cluster_at_a_time() -> None:
    sender = Sender(Path(1e6))
    assert sender.consider() is None
    assert sender.consider() is Refrain.WAITING
    assert sender.prober.probes == 1


def test_no_more_is_probed_for_than_is_wanted() -> None:
    sender = Sender(Path(1e6))
    sender.consider(wanted_bps=1.3 * ESTIMATE)
    assert sender.prober.cluster is not None
    assert sender.prober.cluster.bps == 1.3 * ESTIMATE


def test_steps_are_large_while_they_succeed_and_small_after_one_that_filled_the_path() -> None:
    sender = Sender(Path(100e6))
    assert sender.begin().bps == probe.FIRST_STEP * ESTIMATE
    sender.play()
    assert sender.begin().bps == probe.STEP * ESTIMATE
    sender.play()
    sender._path = Path(1.1e6)
    sender.begin()
    sender.play()
    assert sender.prober.saturated
    assert sender.begin().bps == probe.SMALL_STEP * ESTIMATE


def test_after_a_success_it_goes_on_soon() -> None:
    sender = Sender(Path(100e6))
    sender.begin()
    sender.play()
    concluded_at = sender.now
    sender.begin()
    assert sender.now - concluded_at == pytest.approx(probe.AFTER_SUCCESS_S, abs=0.02)


def test_failures_are_waited_out_longer_each_time_until_one_succeeds() -> None:
    sender = Sender(Path(100e6), lambda number: number % 2 == 0)
    waits = []
    for _ in range(8):
        sender.begin()
        sender.play()
        concluded_at = sender.now
        sender.begin()
        waits.append(round(sender.now - concluded_at, 2))
        sender.prober.postpone(sender.now - probe.AFTER_DECREASE_S)
    assert waits[0] > probe.FIRST_WAIT_S
    assert waits == sorted(waits)
    assert waits[0] < waits[1] < waits[2]
    assert waits[-1] == pytest.approx(probe.MOST_WAIT_S, abs=0.02)
    sender._loses = nothing
    sender.begin()
    sender.play()
    concluded_at = sender.now
    sender.begin()
    assert sender.now - concluded_at < probe.FIRST_WAIT_S


def test_a_newcomer_claims_all_it_found_and_who_has_something_little_more() -> None:
    """Others may have had to give way to the cluster."""
    sender = Sender(Path(2e6))
    sender.begin()
    assert sender.play() == pytest.approx(probe.UTILISATION * 2e6, rel=0.1)
    sender = Sender(Path(100e6))
    sender.begin()
    sender.play()
    sender._path = Path(1.7e6)
    sender.begin()
    assert sender.play() == ESTIMATE + probe.CLAIM_BPS
    assert sender.prober.saturated


def test_what_is_in_flight_when_the_path_turns_out_full_proves_nothing() -> None:
    sender = Sender(Path(1e6))
    sender.begin()
    sender.prober.postpone(sender.now)
    assert sender.prober.cluster is None
    postponed_at = sender.now
    sender.begin()
    assert sender.now - postponed_at == pytest.approx(probe.AFTER_DECREASE_S, abs=0.02)


# --- policers -------------------------------------------------------------------------------------


def test_after_a_policer_it_does_not_try_again_for_a_while() -> None:
    sender = Sender(Path(100e6))
    sender.prober.beware(ESTIMATE, sender.now)
    assert sender.consider(estimate_bps=probe.WARY_STEP * ESTIMATE) is Refrain.SATISFIED
    sender.now += probe.WARY_S - 0.01
    assert sender.consider(estimate_bps=probe.WARY_STEP * ESTIMATE) is Refrain.SATISFIED
    sender.now += 0.02
    assert sender.consider(estimate_bps=probe.WARY_STEP * ESTIMATE) is None


def test_below_the_ceiling_it_may_climb_back() -> None:
    sender = Sender(Path(100e6))
    sender.prober.beware(ESTIMATE, sender.now)
    assert sender.consider(estimate_bps=0.8 * ESTIMATE) is None
    assert sender.prober.cluster is not None
    assert sender.prober.cluster.bps <= probe.WARY_STEP * ESTIMATE * (1 + 1e-9)


def wary_s(sender: Sender) -> float:
    """Let a policer be met; return for how long it is not tried again."""
    met_at = sender.now
    sender.prober.beware(ESTIMATE, met_at)
    sender.begin(probe.WARY_STEP * ESTIMATE)
    sender.prober.postpone(sender.now - probe.AFTER_DECREASE_S)
    return round(sender.now - met_at, 2)


def test_each_time_it_is_wary_for_longer_until_it_went_well_for_long() -> None:
    sender = Sender(Path(100e6))
    waits = [wary_s(sender) for _ in range(6)]
    assert waits == sorted(waits)
    assert waits[0] < waits[1] < waits[2]
    assert waits[-1] == pytest.approx(probe.MOST_WARY_S, abs=0.1)
    sender.now += 2 * probe.MOST_WARY_S
    assert wary_s(sender) == pytest.approx(probe.WARY_S, abs=0.1)
