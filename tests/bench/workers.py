"""What a second worker of a host is worth: `python -m tests.bench.workers`.

The same rooms are served by `parley sfu --workers 1` and `--workers 2`, in turn within each round, in a
network namespace of the benchmark's own. The bots that are the load share the machine's cores with the
workers, so what is delivered says as much of them. What holds is the workers' processor time for each packet
that came to a bot, and what follows from it: `capacity` is packets for each second of a worker's processor
time, times the workers, or what they would forward if each had a core to itself. A packet costs the less the
more of them come at once, so capacities compare at equal load for each worker: one with some rooms, two with
twice as many.
"""

import asyncio
import dataclasses
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.bench import namespace, priority, report
from tests.bench.measure import no_garbage_collection
from tests.bench.parley import Parley
from tests.bench.scenario import Scenario
from tests.bench.subject import Population, SubjectFailed
from tests.load.light.dtls import PROFILES
from tests.load.light.pump import Pump
from tests.load.light.reader import StampingReader
from tests.load.participant import BotFailed

WORKERS = (1, 2)
_FLOWING_S = 40.0
_POLL_S = 0.25


@dataclass(frozen=True)
class Load:
    """How many rooms of how many people, who all send one picture to all others."""

    rooms: int
    people: int

    def __str__(self) -> str:
        return f"{self.rooms} rooms of {self.people}"

    @property
    def room(self) -> Scenario:
        """What happens in each."""
        return Scenario(name=f"meeting of {self.people}", participants=self.people)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What so many workers did with a load. Processor times are seconds of the window."""

    load: Load
    workers: int
    offered_per_s: float
    delivered_per_s: float
    lost: int
    window_s: float
    worker_cpu_s: list[float]
    generator_cpu_s: float
    generator_lag_s: float

    @property
    def us(self) -> float:
        """Processor time of the workers for each packet, in µs."""
        return sum(self.worker_cpu_s) / (self.delivered_per_s * self.window_s) * 1e6

    @property
    def capacity_per_s(self) -> float:
        """Packets a second if each worker had a core to itself."""
        return self.workers * 1e6 / self.us

    @property
    def left_s(self) -> float:
        """Processor time of the machine's cores that neither workers nor bots used."""
        cores = len(os.sched_getaffinity(0))
        return cores * self.window_s - sum(self.worker_cpu_s) - self.generator_cpu_s


@dataclass(frozen=True)
class _Reading:
    at: float
    cpu_s: list[float]
    own_cpu_s: float
    sent: int
    received: int
    gone: int


async def measure(load: Load, workers: int, *, settle_s: float, window_s: float) -> Run:
    """Return what so many workers do with the load. Raises `SubjectFailed` or `BotFailed`."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with Pump(StampingReader()) as pump:
            host = Parley(PROFILES["gcm"], workers=workers)
            try:
                await host.start(Path(folder))
                rooms = [await host.populate(load.room, pump, number) for number in range(load.rooms)]
                await _flowing(rooms, load)
                await asyncio.sleep(settle_s)
                return await _window(host, rooms, pump, load, workers, window_s)
            finally:
                await host.stop()


async def _flowing(rooms: Sequence[Population], load: Load) -> None:
    """Wait until every stream has reached every receiver: the machine may be too busy for all at once."""
    deadline = time.monotonic() + _FLOWING_S
    wanted = load.rooms * load.room.deliveries
    while (flowing := sum(room.flowing() for room in rooms)) < wanted:
        if time.monotonic() > deadline:
            raise SubjectFailed(f"only {flowing} of {wanted} streams arrive")
        await asyncio.sleep(_POLL_S)


async def _window(
    host: Parley, rooms: Sequence[Population], pump: Pump, load: Load, workers: int, window_s: float
) -> Run:
    with no_garbage_collection():
        pump.worst_lag_s = 0.0
        pump.poll()
        before = _read(host, rooms)
        await asyncio.sleep(window_s)
        pump.poll()
        after = _read(host, rooms)
    elapsed = after.at - before.at
    each = load.room.deliveries // load.room.participants
    return Run(
        load=load,
        workers=workers,
        offered_per_s=(after.sent - before.sent) * each / elapsed,
        delivered_per_s=(after.received - before.received) / elapsed,
        lost=after.gone - before.gone,
        window_s=elapsed,
        worker_cpu_s=[now - then for now, then in zip(after.cpu_s, before.cpu_s, strict=True)],
        generator_cpu_s=after.own_cpu_s - before.own_cpu_s,
        generator_lag_s=pump.worst_lag_s,
    )


def _read(host: Parley, rooms: Sequence[Population]) -> _Reading:
    return _Reading(
        at=time.monotonic(),
        cpu_s=host.cpu_s(),
        own_cpu_s=time.process_time(),
        sent=sum(room.sent() for room in rooms),
        received=sum(room.received() for room in rooms),
        gone=sum(room.gone() for room in rooms),
    )


def table(rounds: Sequence[Sequence[Run]]) -> str:
    """Return the medians of all rounds as text, and the ratios, each of runs of one round."""
    return "\n".join(_lines(rounds))


def _lines(rounds: Sequence[Sequence[Run]]) -> Iterator[str]:
    yield _row("", ("offered/s", "delivered/s", "lost", "µs/packet", "capacity/s", "workers", "bots", "left"))
    loads = list(dict.fromkeys(run.load for run in rounds[0]))
    for load in loads:
        for workers in WORKERS:
            yield _row(f"{load}, {workers} worker(s)", _cells([_of(runs, load, workers) for runs in rounds]))
        pairs = [(_of(runs, load, 1), _of(runs, load, 2)) for runs in rounds]
        yield _row("  2 workers to 1", _ratios(pairs))
    for load in loads:
        twice = Load(2 * load.rooms, load.people)
        if twice in loads:
            pairs = [(_of(runs, load, 1), _of(runs, twice, 2)) for runs in rounds]
            yield _row(f"2 with {twice.rooms} rooms to 1 with {load.rooms}", _ratios(pairs))
    yield "Medians. Workers and bots: cores of this machine that they keep busy; left: that neither does."


def _of(runs: Sequence[Run], load: Load, workers: int) -> Run:
    return next(run for run in runs if (run.load, run.workers) == (load, workers))


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<32}" + "".join(f"{cell:>13}" for cell in cells)


def _cells(runs: Sequence[Run]) -> Iterator[str]:
    yield f"{statistics.median(run.offered_per_s for run in runs):.0f}"
    yield f"{statistics.median(run.delivered_per_s for run in runs):.0f}"
    yield f"{statistics.median(run.lost for run in runs):.0f}"
    yield f"{statistics.median(run.us for run in runs):.2f}"
    yield f"{statistics.median(run.capacity_per_s for run in runs):.0f}"
    yield f"{statistics.median(sum(run.worker_cpu_s) / run.window_s for run in runs):.2f}"
    yield f"{statistics.median(run.generator_cpu_s / run.window_s for run in runs):.2f}"
    yield f"{statistics.median(run.left_s / run.window_s for run in runs):.2f}"


def _ratios(pairs: Sequence[tuple[Run, Run]]) -> Iterator[str]:
    """Yield the cells of what two workers delivered, cost and could bear, by what one did."""

    def median(ratio: Callable[[Run, Run], float]) -> str:
        return f"{statistics.median(ratio(one, two) for one, two in pairs):.2f}"

    yield ""
    yield median(lambda one, two: two.delivered_per_s / one.delivered_per_s)
    yield ""
    yield median(lambda one, two: two.us / one.us)
    yield median(lambda one, two: two.capacity_per_s / one.capacity_per_s)


def write(rounds: Sequence[Sequence[Run]], path: Path) -> None:
    """Write all runs, and what they were measured on, as JSON."""
    runs = [_described(run) | {"round": number} for number, round_ in enumerate(rounds) for run in round_]
    path.write_text(json.dumps({"machine": report.machine(), "runs": runs}, indent=2) + "\n")


def _described(run: Run) -> dict[str, Any]:
    figures = {"us": run.us, "capacity_per_s": run.capacity_per_s, "left_s": run.left_s}
    return dataclasses.asdict(run) | figures


async def run(loads: Sequence[Load], rounds: int, settle_s: float, window_s: float) -> list[list[Run]]:
    """Run all, round by round."""
    done: list[list[Run]] = []
    for _ in range(rounds):
        runs = []
        for load in loads:
            for workers in WORKERS:
                runs.append(await measure(load, workers, settle_s=settle_s, window_s=window_s))
                click.echo(f"{load}, {workers} worker(s): {runs[-1].us:.2f} µs", err=True)
        done.append(runs)
    return done


@click.command()
@click.option("--people", default=8, show_default=True, help="In each room; all see each other.")
@click.option("--rooms", default=(4, 8), show_default=True, multiple=True, help="Rooms; one load each time.")
@click.option("--rounds", default=3, show_default=True, help="How often everything is measured.")
@click.option("--settle", default=2.0, show_default=True, help="Seconds before each measurement.")
@click.option("--window", default=8.0, show_default=True, help="Seconds of each measurement.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Where to write runs.")
def main(
    people: int, rooms: tuple[int, ...], rounds: int, settle: float, window: float, file: Path | None
) -> None:
    """Measure what one worker and two make of the same rooms, and print both and their ratio."""
    namespace.enter("tests.bench.workers", sys.argv[1:])
    loads = [Load(count, people) for count in rooms]
    try:
        with priority.first():
            done = asyncio.run(run(loads, rounds, settle, window))
    except (SubjectFailed, BotFailed) as error:
        raise click.ClickException(f"more than this machine bears: {error}") from error
    click.echo(table(done))
    if file is not None:
        write(done, file)


if __name__ == "__main__":
    main()
