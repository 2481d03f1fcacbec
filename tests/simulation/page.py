"""The page that `python -m tests.simulation` writes: for each scenario what happened, and the verdicts."""

from collections.abc import Sequence
from html import escape
from statistics import fmean

from tests.drawing.chart import Block, Chart, Curve, Lanes, Panel, stretches
from tests.drawing.page import Cell, page, table
from tests.simulation import measures
from tests.simulation.measures import TOP
from tests.simulation.meeting import Meeting, Seat
from tests.simulation.scenarios import Scenario
from tests.simulation.sounds import SLOT_S
from tests.simulation.targets import Verdict

RANKS = (("q", "layer-q"), ("h", "layer-h"), ("f", "layer-f"))
MOST_SEATS = 2
"""Charts are drawn for so many receivers of a scenario, the first and the last."""
SMOOTH = 4
"""Samples over which what was sent and received is averaged."""
FRAMES_BIN_S = 0.5
HOLD_S = 0.5
"""A frame is taken to be on screen this long if none follows."""


LEAD = (
    "The node's own room, estimate and allocation on a virtual clock, between modelled clients and networks. "
    "Every run is the same run."
)


def report(played: Sequence[tuple[Scenario, Meeting]]) -> str:
    """Return the whole page, which needs nothing else."""
    judged = [(scenario, meeting, scenario.judge(meeting)) for scenario, meeting in played]
    body = "".join(_section(*each) for each in judged)
    summary = _summary([(scenario, verdicts) for scenario, _, verdicts in judged])
    return page("Bad networks, simulated", LEAD, summary + body)


def _summary(judged: Sequence[tuple[Scenario, Sequence[Verdict]]]) -> str:
    rows = []
    for scenario, verdicts in judged:
        kept = sum(verdict.kept for verdict in verdicts)
        broken = "; ".join(verdict.target.text for verdict in verdicts if not verdict.kept)
        rows.append(
            (
                Cell(scenario.title, leads_to=scenario.name),
                Cell(f"{kept} of {len(verdicts)}", f"number {_css(kept == len(verdicts))}"),
                Cell(broken, "bad"),
            )
        )
    heads = (Cell("Scenario"), Cell("Targets kept", "number"), Cell("Not kept"))
    return f"<section>{table(heads, rows)}</section>"


def _section(scenario: Scenario, meeting: Meeting, verdicts: Sequence[Verdict]) -> str:
    seats = meeting.seats
    drawn = [0, len(seats) - 1][: min(MOST_SEATS, len(seats))]
    charts = "".join(_charts(scenario, seats[at], at + 1, len(seats)) for at in drawn)
    rows = [
        (
            Cell(each.target.text),
            Cell(each.bound, "number"),
            Cell(each.found, f"number {_css(each.kept)}"),
            Cell("kept" if each.kept else "not kept", _css(each.kept)),
        )
        for each in verdicts
    ]
    heads = (Cell("Target"), Cell("Bound", "number"), Cell("Found", "number"), Cell(""))
    return (
        f'<section id="{scenario.name}"><h2>{escape(scenario.title)}</h2><p>{escape(scenario.story)}</p>'
        f"{table(heads, rows)}{charts}</section>"
    )


def _css(kept: bool) -> str:
    return "good" if kept else "bad"


def _charts(scenario: Scenario, seat: Seat, number: int, count: int) -> str:
    title = f"<h3>Receiver {number} of {count}</h3>" if count > 1 else ""
    chart = Chart(scenario.seconds)
    for part in (
        _rates(seat),
        _given(seat),
        _layers(seat),
        _frames(seat, scenario.seconds),
        _queue(seat),
        _trouble(seat),
    ):
        chart.add(part)
    return title + chart.svg()


def _rates(seat: Seat) -> Panel:
    def curve(name: str, css: str, *, area: bool = False) -> Curve:
        values = [getattr(each, f"{css}_bps") / 1e6 for each in seat.samples]
        smooth = SMOOTH if css in ("sent", "received") else 1
        means = [fmean(values[max(0, at + 1 - smooth) : at + 1]) for at in range(len(values))]
        times = (each.at for each in seat.samples)
        return Curve(name, css, list(zip(times, means, strict=True)), area=area)

    link = max(each.link_bps for each in seat.samples)
    of_interest = max(max(each.estimate_bps, each.received_bps) for each in seat.samples)
    return Panel(
        "Mbit/s",
        (
            curve("link", "link", area=True),
            curve("sent, with repairs and padding", "sent"),
            curve("received", "received"),
            curve("estimate", "estimate"),
            curve("budget", "budget"),
        ),
        most=1.1 * min(link, 1.5 * of_interest) / 1e6,
        height=150,
    )


def _given(seat: Seat) -> Lanes:
    mids = sorted({mid for each in seat.samples for mid in each.granted})
    rows = []
    for mid in mids:
        points = [(each.at, each.granted.get(mid)) for each in seat.samples]
        blocks = [
            Block(
                since,
                until,
                RANKS[given[0]][1] + (" thin" if given[1] < TOP else ""),
                f"{RANKS[given[0]][0]} up to temporal layer {min(given[1], TOP)}",
            )
            for since, until, given in stretches(points, HOLD_S)
            if given is not None
        ]
        rows.append((mid, blocks))
    return Lanes("Layer given", rows, (*RANKS, ("with fewer frames", "layer-f thin")))


def _layers(seat: Seat) -> Lanes:
    rows = []
    for picture in seat.pictures:
        points = [(frame.at - seat.began, frame.rank) for frame in picture.shown]
        blocks = [
            Block(since, until, RANKS[rank][1], f"{RANKS[rank][0]}, {since:.1f} to {until:.1f} s")
            for since, until, rank in stretches(points, HOLD_S)
        ]
        rows.append((picture.mid, blocks))
    return Lanes("Layer on screen", rows, ())


def _frames(seat: Seat, seconds: float) -> Panel:
    bins = int(seconds / FRAMES_BIN_S)
    points = [
        (at * FRAMES_BIN_S, measures.frames_per_s(seat, at * FRAMES_BIN_S, (at + 1) * FRAMES_BIN_S))
        for at in range(bins)
    ]
    return Panel("Frames per second", (Curve("average picture", "received", points),), most=33, height=50)


def _queue(seat: Seat) -> Panel:
    points = [(at, queue * 1000) for at, queue in seat.queues]
    seen = [(each.at, each.seen_queue_ms) for each in seat.samples]
    most = max(100.0, 1.1 * max(value for _, value in points))
    return Panel(
        "Queue, ms",
        (
            Curve("before the link", "queue", points, area=True),
            Curve("as the node sees it", "estimate", seen),
        ),
        most=most,
        height=80,
    )


def _trouble(seat: Seat) -> Lanes:
    rows = [
        (
            picture.mid,
            [
                Block(at, at + gap, "trouble", f"frozen for {gap * 1000:.0f} ms")
                for at, gap in measures.freezes(seat, picture)
            ],
        )
        for picture in seat.pictures
    ]
    concealed = [
        Block(at - seat.began, at - seat.began + SLOT_S, "trouble", "concealed")
        for sound in seat.receiver.sounds.values()
        for at, hidden, _ in sound.slots
        if hidden
    ]
    return Lanes("Freezes, and concealed sound", [*rows, ("sound", concealed)], ())
