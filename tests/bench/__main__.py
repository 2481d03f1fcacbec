"""`python -m tests.bench`: run it all, print the table, write the JSON file, judge."""

import asyncio
import dataclasses
import datetime
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from tests.bench import namespace, priority, report, scenario
from tests.bench.delay import measure_delay
from tests.bench.janus import Janus, installed
from tests.bench.kernel import Floor
from tests.bench.measure import Run, measure
from tests.bench.parley import Parley
from tests.bench.peers import measure_joins, measure_memory
from tests.bench.report import Results
from tests.bench.scenario import Scenario
from tests.bench.subject import Subject
from tests.load.light.dtls import PROFILES

RESULTS = Path(__file__).parent / "results"
_GCM, _SHA1 = PROFILES["gcm"], PROFILES["sha1"]
_CONTROLLED = (scenario.STREAM_50, scenario.STREAM_100, scenario.MEETING_16)
"""Where congestion control is measured beside doing without."""


@dataclass(frozen=True)
class Plan:
    """How much is run."""

    scenarios: tuple[Scenario, ...] = scenario.ALL
    rounds: int = 3
    attempts: int = 3
    settle_s: float = 3.0
    window_s: float = 8.0
    delays: tuple[Scenario, ...] = (scenario.STREAM_50, scenario.MEETING_16)
    peers: int = 50
    sending_peers: int = 10
    joins: int = 20


QUICK = Plan(
    scenarios=(scenario.STREAM_10,),
    rounds=1,
    attempts=1,
    settle_s=0.5,
    window_s=2.0,
    delays=(scenario.STREAM_10,),
    peers=5,
    sending_peers=2,
    joins=2,
)


def subjects(room: Scenario, *, janus: bool) -> Iterator[Callable[[], Subject]]:
    """Yield what makes a server for each run of a scenario, in the order they run."""
    yield Floor
    yield lambda: Parley(_GCM, loudest=room.loudest)
    if janus and room is not scenario.AUDIO_LOUDEST:
        yield lambda: Janus(_GCM)
    if room in _CONTROLLED:
        yield lambda: Parley(_GCM, report.CONTROLLED, loudest=room.loudest, congestion_control=True)
    if room is scenario.STREAM_100:
        yield lambda: Floor("sendmmsg")
        yield lambda: Parley(_SHA1, "parley, SHA1")
        if janus:
            yield lambda: Janus(_SHA1, "janus, SHA1")


async def run(plan: Plan, *, janus: bool) -> Results:
    """Run all that is planned."""
    rounds = []
    for number in range(plan.rounds):
        runs: list[Run] = []
        for room in plan.scenarios:
            for make in subjects(room, janus=janus):
                runs.extend(await _attempts(make, room, plan))
        rounds.append(tuple(runs))
        click.echo(f"round {number + 1} of {plan.rounds} done", err=True)
    delays = [await measure_delay(_GCM, room, plan.window_s) for room in plan.delays]
    silent = await measure_memory(_GCM, plan.peers, sending=False, settle_s=plan.settle_s)
    sending = await measure_memory(_GCM, plan.sending_peers, sending=True, settle_s=plan.settle_s)
    joins = await measure_joins(_GCM, plan.joins)
    return Results(tuple(rounds), tuple(delays), (silent, sending), joins)


async def _attempts(make: Callable[[], Subject], room: Scenario, plan: Plan) -> list[Run]:
    """Run until a run is valid, a few times at most; return all, the failed ones too."""
    runs: list[Run] = []
    while len(runs) < plan.attempts:
        latest = await measure(make(), room, settle_s=plan.settle_s, window_s=plan.window_s)
        runs.append(latest)
        figure = latest.failure or f"{latest.us:.1f} µs"
        click.echo(f"{latest.scenario}, {latest.subject}: {figure}", err=True)
        if not latest.failure:
            break
    return runs


@click.command()
@click.option("--quick", is_flag=True, help="A smoke run: small, and without a verdict on speed.")
@click.option("--rounds", type=int, help="How often everything is measured.")
@click.option("--window", type=float, help="Seconds of each measurement.")
@click.option("--only", help="Only scenarios whose name contains this.")
@click.option(
    "--janus/--no-janus", default=True, show_default=True, help="Measure Janus too, if it is installed."
)
@click.option("--output", type=Path, default=RESULTS, help="Folder for the JSON file.")
def main(
    quick: bool, rounds: int | None, window: float | None, only: str | None, janus: bool, output: Path
) -> None:
    """Measure the node beside the kernel alone and Janus; exit with 1 if it does not keep to its targets."""
    namespace.enter("tests.bench", sys.argv[1:])
    base = QUICK if quick else Plan()
    plan = dataclasses.replace(
        base,
        rounds=rounds or base.rounds,
        window_s=window or base.window_s,
        scenarios=tuple(room for room in base.scenarios if (only or "") in room.name),
    )
    if janus and not installed():
        click.echo("Janus is not installed (Debian package janus): measuring without it.", err=True)
        janus = False
    with priority.first():
        results = asyncio.run(run(plan, janus=janus))
    click.echo(report.table(results))
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    report.write(results, output / f"{stamp}.json")
    click.echo(f"written to {output / f'{stamp}.json'}")
    good = results.working if quick else all(target.met for target in results.targets)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
