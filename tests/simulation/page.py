"""The page that `python -m tests.simulation` writes: for each scenario what happened, and the verdicts."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import fmean

from tests.simulation import measures
from tests.simulation.drawing import Block, Chart, Curve, Lanes, Panel, stretches
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


STYLE = Path(__file__).with_name("page.css")


def page(played: Sequence[tuple[Scenario, Meeting]]) -> str:
    """Return the whole page, which needs nothing else."""
    judged = [(scenario, meeting, scenario.judge(meeting)) for scenario, meeting in played]
    body = "".join(_section(*each) for each in judged)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Bad networks, simulated</title>'
        f"<style>{STYLE.read_text()}</style></head><body><h1>Bad networks, simulated</h1>"
        "<p>The node's own room, estimate and allocation on a virtual clock, between modelled clients and "
        "networks. Every run is the same run.</p>"
        f"{_summary([(scenario, verdicts) for scenario, _, verdicts in judged])}{body}</body></html>"
    )


def _summary(judged: Sequence[tuple[Scenario, Sequence[Verdict]]]) -> str:
    rows = []
    for scenario, verdicts in judged:
        kept = sum(verdict.kept for verdict in verdicts)
        css = "good" if kept == len(verdicts) else "bad"
        broken = "; ".join(verdict.target.text for verdict in verdicts if not verdict.kept)
        rows.append(
            f'<tr><td><a href="#{scenario.name}">{escape(scenario.title)}</a></td>'
            f'<td class="number {css}">{kept} of {len(verdicts)}</td>'
            f'<td class="bad">{escape(broken)}</td></tr>'
        )
    return (
        '<section><table><tr><th>Scenario</th><th class="number">Targets kept</th><th>Not kept</th></tr>'
        f"{''.join(rows)}</table></section>"
    )


def _section(scenario: Scenario, meeting: Meeting, verdicts: Sequence[Verdict]) -> str:
    seats = meeting.seats
    drawn = [0, len(seats) - 1][: min(MOST_SEATS, len(seats))]
    charts = "".join(_charts(scenario, seats[at], at + 1, len(seats)) for at in drawn)
    rows = "".join(
        f'<tr><td>{escape(each.target.text)}</td><td class="number">{escape(each.bound)}</td>'
        f'<td class="number {"good" if each.kept else "bad"}">{escape(each.found)}</td>'
        f'<td class="{"good" if each.kept else "bad"}">{"kept" if each.kept else "not kept"}</td></tr>'
        for each in verdicts
    )
    return (
        f'<section id="{scenario.name}"><h2>{escape(scenario.title)}</h2><p>{escape(scenario.story)}</p>'
        '<table><tr><th>Target</th><th class="number">Bound</th><th class="number">Found</th><th></th></tr>'
        f"{rows}</table>{charts}</section>"
    )


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
