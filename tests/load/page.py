"""What a run came to, as a page of plots and tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.drawing.chart import Chart, Curve, Panel, Points
from tests.drawing.page import Cell, page, table
from tests.load.outcome import Outcome, Sample, Summary, Visit
from tests.load.scenario import Scenario
from tests.load.scraping import Usage

COLOURS = tuple(f"series-{number}" for number in range(1, 9))
MOST_POINTS = 600
"""Longer runs are drawn by means of neighbouring samples."""
MOST_ROWS = 500


@dataclass(frozen=True)
class Line:
    """One curve of the bots' course."""

    value: Callable[[Sample], float]
    colour: str
    name: str = ""


COURSE: dict[str, Sequence[Line]] = {
    "Bots in rooms": (Line(lambda each: each.bots, "received"),),
    "Mbit/s of all bots": (
        Line(lambda each: each.in_bps / 1e6, "received", "received"),
        Line(lambda each: each.out_bps / 1e6, "sent", "sent"),
    ),
    "Lost, %": (Line(lambda each: 100 * each.loss, "trouble"),),
    "NACKs in a second": (Line(lambda each: each.nacks_per_s, "queue"),),
    "Freezes that began": (Line(lambda each: each.freezes, "trouble"),),
    "How late the bots' own process was, ms": (Line(lambda each: 1000 * each.lag_s, "link"),),
}
SERVERS: dict[str, Callable[[Usage], float | None]] = {
    "Servers: processor time, % of a core": lambda usage: usage.cpu and 100 * usage.cpu,
    "Servers: packets received in a second": lambda usage: usage.packets_in_per_s,
    "Servers: packets sent in a second": lambda usage: usage.packets_out_per_s,
    "Servers: peers": lambda usage: usage.peers,
}


def report(scenario: Scenario, visit: Visit) -> str:
    """Return the page, which needs nothing else."""
    lead = (
        f"{len(visit.rooms)} rooms, {len(visit.outcomes)} stays of bots, {len(visit.samples)} samples. "
        f"The bots' own process was {visit.lag_s * 1000:.0f} ms late at worst."
    )
    body = _section("Summary", _summary(Summary.of(visit.outcomes)))
    if visit.failures:
        body += _section("Failures", _failures(visit))
    if visit.samples:
        body += _section("As it went", _course(visit.samples))
    body += _section("Joining", _joining(visit.outcomes)) + _section("Rooms", _rooms(visit))
    return page(scenario.title, lead, body)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _summary(summary: Summary) -> str:
    counts = summary.counts
    rows = (
        ("Connected", f"{summary.connected} of {summary.stays}"),
        ("Failed", f"{summary.failed}"),
        ("Nodes", ", ".join(summary.nodes)),
        ("Join, p50 and p95", f"{_ms(summary.join_p50_s)}, {_ms(summary.join_p95_s)}"),
        ("First media, p50 and p95", f"{_ms(summary.first_media_p50_s)}, {_ms(summary.first_media_p95_s)}"),
        ("Received and sent by each", f"{_kbps(summary.in_bps_each)}, {_kbps(summary.out_bps_each)}"),
        ("Lost", f"{counts.lost} of {counts.expected} packets ({summary.loss:.3%})"),
        ("NACKs", f"{counts.nacks}, {counts.recovered} packets came late or repaired"),
        ("Freezes", f"{counts.freezes}, {counts.frozen_s:.1f} s in sum"),
    )
    return table((), [(Cell(name), Cell(value, "number")) for name, value in rows])


def _failures(visit: Visit) -> str:
    heads = (Cell("Reason"), Cell("Stays", "number"), Cell("The first"))
    rows = [
        (Cell(reason, "bad"), Cell(f"{len(stays)}", "number"), Cell(f"{stays[0].name}: {stays[0].failure}"))
        for reason, stays in visit.failures.items()
    ]
    return table(heads, rows[:MOST_ROWS]) + _more(len(rows))


def _rooms(visit: Visit) -> str:
    names = ("Stays", "Failed", "Join p95", "Received by each", "Sent by each", "Lost", "Freezes")
    heads = (Cell("Room"), Cell("Node"), *(Cell(name, "number") for name in names))
    rows = [_room(name, Summary.of(stays)) for name, stays in list(visit.rooms.items())[:MOST_ROWS]]
    return table(heads, rows) + _more(len(visit.rooms))


def _room(name: str, summary: Summary) -> Sequence[Cell]:
    return (
        Cell(name),
        Cell(", ".join(summary.nodes)),
        Cell(f"{summary.stays}", "number"),
        Cell(f"{summary.failed}", "number bad" if summary.failed else "number"),
        Cell(_ms(summary.join_p95_s), "number"),
        Cell(_kbps(summary.in_bps_each), "number"),
        Cell(_kbps(summary.out_bps_each), "number"),
        Cell(f"{summary.loss:.3%}", "number"),
        Cell(f"{summary.counts.freezes}", "number"),
    )


def _more(rows: int) -> str:
    return f"<p>{rows - MOST_ROWS} more are in the JSON.</p>" if rows > MOST_ROWS else ""


def _course(samples: Sequence[Sample]) -> str:
    chart = Chart(samples[-1].at_s)
    for title, lines in COURSE.items():
        curves = [Curve(line.name, line.colour, _points(samples, line.value)) for line in lines]
        chart.add(_panel(title, curves))
    for panel in _servers(samples):
        chart.add(panel)
    return chart.svg()


def _servers(samples: Sequence[Sample]) -> Iterator[Panel]:
    """Yield a panel for each thing that at least one server tells."""
    names = sorted({name for each in samples for name in each.servers})
    for title, value in SERVERS.items():
        curves = [
            Curve(name, COLOURS[number % len(COLOURS)], points)
            for number, name in enumerate(names)
            if (points := _told(samples, name, value))
        ]
        if curves:
            yield _panel(title, curves)


def _points(samples: Sequence[Sample], value: Callable[[Sample], float]) -> Points:
    return _thinned([(each.at_s, value(each)) for each in samples])


def _told(samples: Sequence[Sample], name: str, value: Callable[[Usage], float | None]) -> Points:
    """Return what one server told."""
    told = [(each.at_s, value(each.servers[name])) for each in samples if name in each.servers]
    return _thinned([(at_s, number) for at_s, number in told if number is not None])


def _thinned(points: Points) -> Points:
    step = 1 + len(points) // MOST_POINTS
    groups = [points[first : first + step] for first in range(0, len(points), step)]
    return [(group[-1][0], fmean(value for _, value in group)) for group in groups]


def _panel(title: str, curves: Sequence[Curve]) -> Panel:
    most = max((value for curve in curves for _, value in curve.points), default=0.0)
    return Panel(title, curves, most=1.1 * most or 1.0, height=80)


def _joining(outcomes: Sequence[Outcome]) -> str:
    """Return how many had come so far after so many seconds: connected, with media, with a picture."""
    times = {
        ("connected", "series-1"): [each.connected_s for each in outcomes],
        ("first media", "series-2"): [each.first_media_s for each in outcomes],
        ("first picture", "series-3"): [each.first_picture_s for each in outcomes],
    }
    curves = [
        Curve(name, colour, _shares([each for each in values if each is not None], len(outcomes)))
        for (name, colour), values in times.items()
        if any(each is not None for each in values)
    ]
    if not curves:
        return "<p>Nobody came in.</p>"
    chart = Chart(max(at_s for curve in curves for at_s, _ in curve.points))
    chart.add(Panel("Share of all stays, % after so many seconds", curves, most=100, height=150))
    return chart.svg()


def _shares(times_s: Sequence[float], of: int) -> Points:
    """Return the steps of the distribution."""
    ordered = sorted(times_s)
    stride = 1 + len(ordered) // MOST_POINTS
    steps = [(0.0, 0.0)]
    for number in [*range(stride, len(ordered), stride), len(ordered)]:
        at_s = ordered[number - 1]
        steps += [(at_s, steps[-1][1]), (at_s, 100 * number / of)]
    return steps


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _kbps(bps: float) -> str:
    return f"{bps / 1000:.0f} kbit/s"
