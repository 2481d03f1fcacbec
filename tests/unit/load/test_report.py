"""The reports of bots and benchmark: what fails, fails."""

from tests.bench.measure import Run
from tests.bench.peers import PeerMemory
from tests.bench.report import Results, table
from tests.load import report
from tests.load.outcome import Outcome, Visit, quantile
from tests.load.participant import Tally


def run(scenario: str, subject: str, us: float, failure: str = "", lost: int = 0) -> Run:
    return Run(
        scenario=scenario,
        subject=subject,
        us=us,
        packets=100,
        expected=100,
        lost=lost,
        harmed=0,
        window_s=1.0,
        server_cpu_s=us * 100 / 1e6,
        generator_cpu_s=0.1,
        generator_lag_s=0.001,
        failure=failure,
    )


def results(*rounds: tuple[Run, ...], memory: tuple[PeerMemory, ...] = ()) -> Results:
    return Results(rounds, (), memory, None)


def verdicts(measured: Results) -> dict[str, bool]:
    return {target.name: target.met for target in measured.targets}


def test_ratios_are_taken_within_a_round_and_the_median_counts() -> None:
    measured = results(
        (run("1 to 100", "parley", 10), run("1 to 100", "janus", 50), run("1 to 100", "kernel, sendto", 5)),
        (run("1 to 100", "parley", 30), run("1 to 100", "janus", 100), run("1 to 100", "kernel, sendto", 10)),
        (run("1 to 100", "parley", 99, failure="late"), run("1 to 100", "janus", 100)),
    )
    assert measured.ratio(("1 to 100", "parley"), ("1 to 100", "janus")) == 0.25
    assert verdicts(measured)["1 to 100, against Janus"] is True
    assert verdicts(measured)["1 to 100, against the kernel"] is True
    assert "failed: 1 to 100, parley: late" in table(measured)


def test_what_misses_its_limit_fails() -> None:
    measured = results(
        (
            run("1 to 100", "parley", 20, lost=1),
            run("1 to 100", "janus", 50),
            run("1 to 100", "kernel, sendto", 5),
            run("meeting of 16", "parley", 21),
            run("1 to 100", "parley, transport-cc", 26),
            run("meeting of 16", "parley, transport-cc", 27),
        ),
        memory=(PeerMemory(peers=2, sending=False, rss=1, uss=300 * 1024),),
    )
    assert set(verdicts(measured).values()) == {False}
    assert table(measured).count("FAIL") == 7


def test_what_was_meant_to_be_measured_and_was_not_is_no_pass() -> None:
    measured = results((run("1 to 100", "parley", 20, failure="late"), run("1 to 100", "kernel, sendto", 5)))
    assert verdicts(measured)["1 to 100, against the kernel"] is False
    assert "1 to 100, against Janus" not in verdicts(measured)


def test_a_bot_that_fails_fails_the_visit() -> None:
    tally = Tally(expected=10, lost=1)
    good = Outcome(name="good", connected_s=0.1, first_media_s=0.2, in_bps=4000.0, tally=tally)
    bad = Outcome(name="bad", failure="could not join: 410")
    assert not Visit((good,), 0.0).failed
    visit = Visit((good, bad), 0.05)
    assert visit.failed
    text = report.text(visit)
    assert "1 of 2 connected" in text
    assert "p50 100 ms" in text
    assert "4 kbit/s each" in text
    assert "1 of 10 packets (10.000 %)" in text
    assert "FAILED        bad: could not join: 410" in text


def test_congestion_control_is_held_against_doing_without() -> None:
    measured = results(
        (run("meeting of 16", "parley", 20), run("meeting of 16", "parley, transport-cc", 25)),
        (run("meeting of 16", "parley", 20), run("meeting of 16", "parley, transport-cc", 1, failure="late")),
    )
    assert verdicts(measured)["meeting of 16, with congestion control, against without"] is True
    assert "1 to 100, with congestion control, against without" not in verdicts(measured)


def test_quantiles() -> None:
    assert [quantile([3, 1, 2], share) for share in (0, 0.5, 0.95)] == [1, 2, 3]
    assert quantile([], 0.5) == 0
