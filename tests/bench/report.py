"""From runs to ratios, verdicts, a table and a JSON file."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.delay import Delay
from tests.bench.measure import Run
from tests.bench.peers import JoinTime, PeerMemory

KERNEL = "kernel, sendto"
PARLEY = "parley"
CONTROLLED = "parley, transport-cc"
JANUS = "janus"
_STREAM = ("1 to 100", PARLEY)
_MEETING = ("meeting of 16", PARLEY)
_STREAM_CONTROLLED = ("1 to 100", CONTROLLED)
_MEETING_CONTROLLED = ("meeting of 16", CONTROLLED)


@dataclass(frozen=True)
class Target:
    """Something the node must keep to, as a ratio or a size, and what was measured (None: nothing was)."""

    name: str
    limit: float
    value: float | None

    @property
    def met(self) -> bool:
        """Whether it was kept. What could not be measured was not."""
        return self.value is not None and self.value <= self.limit


@dataclass(frozen=True)
class Results:
    """All that one benchmark measured. `runs` are in the order they ran, round by round."""

    rounds: tuple[tuple[Run, ...], ...]
    delays: tuple[Delay, ...]
    memory: tuple[PeerMemory, ...]
    joins: JoinTime | None

    def figures(self, scenario: str, subject: str) -> list[float]:
        """Return the valid figures, in µs for each packet, in the order of the rounds."""
        runs = (run for round_ in self.rounds for run in round_)
        return [
            run.us for run in runs if (run.scenario, run.subject) == (scenario, subject) and not run.failure
        ]

    def ratio(self, ours: tuple[str, str], theirs: tuple[str, str]) -> float | None:
        """Return the median over the rounds of ours by theirs, each (scenario, subject) of the same round.

        The machine's speed changes with its neighbours; within a round it is about the same for both.
        """
        pairs = [(_figure(round_, *ours), _figure(round_, *theirs)) for round_ in self.rounds]
        ratios = [mine / other for mine, other in pairs if mine is not None and other is not None]
        return statistics.median(ratios) if ratios else None

    @property
    def working(self) -> bool:
        """Whether media came through every subject in every scenario, at whatever cost."""
        runs = [run for round_ in self.rounds for run in round_]
        tried = {(run.scenario, run.subject) for run in runs}
        return tried == {(run.scenario, run.subject) for run in runs if run.packets}

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return what the node is held to, of what was to be measured."""
        return tuple(self._targets())

    def _targets(self) -> Iterator[Target]:
        runs = [run for round_ in self.rounds for run in round_]
        tried = {(run.scenario, run.subject) for run in runs}
        for name, limit, ours, theirs in (
            ("1 to 100, against Janus", 0.35, _STREAM, ("1 to 100", JANUS)),
            ("1 to 100, against the kernel", 2.7, _STREAM, ("1 to 100", KERNEL)),
            ("meeting of 16, against 1 to 100", 1.0, _MEETING, _STREAM),
            ("1 to 100, with congestion control, against without", 1.25, _STREAM_CONTROLLED, _STREAM),
            ("meeting of 16, with congestion control, against without", 1.25, _MEETING_CONTROLLED, _MEETING),
        ):
            if {ours, theirs} <= tried:
                yield Target(name, limit, self.ratio(ours, theirs))
        for memory in self.memory:
            if not memory.sending:
                yield Target("KiB for each peer after the first", 250, memory.uss / 1024)
        yield Target("packets lost", 0, float(sum(run.lost for run in runs if run.subject == PARLEY)))


def _figure(round_: Sequence[Run], scenario: str, subject: str) -> float | None:
    for run in round_:
        if (run.scenario, run.subject) == (scenario, subject) and not run.failure:
            return run.us
    return None


def table(results: Results) -> str:
    """Return the results as text."""
    return "\n".join(
        (
            "Server CPU for each forwarded packet, µs, min / median",
            *_costs(results),
            "",
            *_peers(results),
            "",
            *(_verdict(target) for target in results.targets),
        )
    )


def _costs(results: Results) -> Iterator[str]:
    runs = [run for round_ in results.rounds for run in round_]
    subjects = tuple(dict.fromkeys(run.subject for run in runs))
    scenarios = tuple(dict.fromkeys(run.scenario for run in runs))
    width = max(len(name) for name in (*scenarios, "scenario"))
    columns = [max(len(subject), 13) for subject in subjects]
    yield _row("scenario", subjects, width, columns)
    for scenario in scenarios:
        cells = [_spread(results.figures(scenario, subject)) for subject in subjects]
        yield _row(scenario, cells, width, columns)
    for run in runs:
        if run.failure:
            yield f"failed: {run.scenario}, {run.subject}: {run.failure}"


def _row(name: str, cells: Iterable[str], width: int, columns: Iterable[int]) -> str:
    return "  ".join((name.ljust(width), *(cell.rjust(w) for cell, w in zip(cells, columns, strict=True))))


def _spread(figures: Sequence[float]) -> str:
    return f"{min(figures):.1f} / {statistics.median(figures):.1f}" if figures else "-"


def _peers(results: Results) -> Iterator[str]:
    for delay in results.delays:
        yield (
            f"forward delay, {delay.scenario}: p50 {delay.p50_ms:.2f} ms, p99 {delay.p99_ms:.2f} ms"
            f" (without the node p50 {delay.direct_p50_ms:.2f} ms)"
        )
    for memory in results.memory:
        doing = "sending three layers and audio" if memory.sending else "connected"
        yield (
            f"memory of a peer {doing}, after the first, of {memory.peers}:"
            f" {memory.uss / 1024:.0f} KiB unshared, {memory.rss / 1024:.0f} KiB resident"
        )
    if results.joins is not None:
        joins = results.joins
        yield (
            f"join, of {joins.joins}: connected p50 {joins.connected_p50_ms:.0f} ms,"
            f" p95 {joins.connected_p95_ms:.0f} ms; first media p50 {joins.first_media_p50_ms:.0f} ms,"
            f" p95 {joins.first_media_p95_ms:.0f} ms"
        )


def _verdict(target: Target) -> str:
    if target.value is None:
        return f"FAIL: {target.name}: no valid measurement (limit {target.limit:g})"
    return f"{'pass' if target.met else 'FAIL'}: {target.name}: {target.value:.2f} (limit {target.limit:g})"


def write(results: Results, path: Path) -> None:
    """Write everything, and what it was measured on, as JSON."""
    document: dict[str, Any] = {
        "machine": machine(),
        "runs": [
            asdict(run) | {"round": number} for number, round_ in enumerate(results.rounds) for run in round_
        ],
        "delay": [asdict(delay) for delay in results.delays],
        "memory": [asdict(memory) for memory in results.memory],
        "joins": asdict(results.joins) if results.joins else None,
        "targets": [asdict(target) | {"met": target.met} for target in results.targets],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Return what was measured on, as JSON has it."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "commit": commit.stdout.strip(),
    }
