"""Charts as SVG: panels above one another that share a time axis. Colours are classes of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

WIDTH = 920
LEFT, RIGHT = 64, 12
GAP = 26
LEGEND = 15
LANE = 13
T = TypeVar("T")
Points = Sequence[tuple[float, float]]


def ticks(most: float, wanted: int) -> list[float]:
    """Return round numbers from 0 to `most`, at least as many above 0 as wanted."""
    steps = (factor * 10.0**power for power in range(9, -9, -1) for factor in (5, 2, 1))
    step = next(step for step in steps if most / step >= wanted)
    return [step * at for at in range(int(most / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Curve:
    """A line through points (seconds, value), or the area below it."""

    name: str
    colour: str
    points: Points
    area: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves over one value axis from 0 to `most`; what is above is cut off."""

    title: str
    curves: Sequence[Curve]
    most: float
    height: int = 130


@dataclass(frozen=True)
class Block:
    """A stretch of time in a lane."""

    since: float
    until: float
    colour: str
    title: str


@dataclass(frozen=True)
class Lanes:
    """One row for each name, with blocks in it; `legend` is (name, colour)."""

    title: str
    rows: Sequence[tuple[str, Sequence[Block]]]
    legend: Sequence[tuple[str, str]]


class Chart:
    """Draws panels and lanes from top to bottom, over so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._parts: list[str] = []
        self._y = 0.0

    def _x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at, 0.0), self._seconds) / self._seconds

    def _text(self, x: float, y: float, text: str, css: str = "", anchor: str = "start") -> None:
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def _rectangle(self, x: float, y: float, width: float, height: float, css: str, title: str = "") -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{css}">'
            f"<title>{escape(title)}</title></rect>"
        )

    def _head(self, title: str, legend: Sequence[tuple[str, str]]) -> None:
        self._y += GAP
        self._text(LEFT, self._y - 7, title, "name")
        x = LEFT + 8.0 * len(title) + 16
        for name, colour in legend:
            width = 30 + 6.4 * len(name)
            if x + width > WIDTH:
                x, self._y = LEFT, self._y + LEGEND
            self._rectangle(x, self._y - 15, 10, 8, f"fill {colour}")
            self._text(x + 14, self._y - 7, name, "legend")
            x += width

    def add(self, part: Panel | Lanes) -> None:
        if isinstance(part, Panel):
            self._add_panel(part)
        else:
            self._add_lanes(part)

    def _add_panel(self, panel: Panel) -> None:
        self._head(panel.title, [(curve.name, curve.colour) for curve in panel.curves if curve.name])
        top, bottom = self._y, self._y + panel.height
        for value in ticks(panel.most, 3):
            y = bottom - panel.height * value / panel.most
            self._parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" class="grid"/>')
            self._text(LEFT - 6, y + 4, f"{value:g}", "tick", "end")
        self._verticals(top, bottom)
        for curve in panel.curves:
            self._draw(curve, panel, bottom)
        self._y = bottom

    def _draw(self, curve: Curve, panel: Panel, bottom: float) -> None:
        if not curve.points:
            return
        spots = [
            f"{self._x(at):.1f} {bottom - panel.height * min(max(value, 0.0) / panel.most, 1.0):.1f}"
            for at, value in curve.points
        ]
        path = "M" + "L".join(spots)
        if curve.area:
            first, last = self._x(curve.points[0][0]), self._x(curve.points[-1][0])
            path += f"L{last:.1f} {bottom:.1f}L{first:.1f} {bottom:.1f}Z"
        self._parts.append(
            f'<path d="{path}" class="{"fill area" if curve.area else "line"} {curve.colour}"/>'
        )

    def _verticals(self, top: float, bottom: float) -> None:
        for at in ticks(self._seconds, 8):
            x = self._x(at)
            self._parts.append(f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" class="grid"/>')

    def _add_lanes(self, lanes: Lanes) -> None:
        self._head(lanes.title, lanes.legend)
        top = self._y
        for name, blocks in lanes.rows:
            self._text(LEFT - 6, self._y + LANE - 3, name, "tick", "end")
            self._rectangle(LEFT, self._y + 1, WIDTH - LEFT - RIGHT, LANE - 2, "lane")
            for block in blocks:
                x = self._x(block.since)
                width = max(0.7, self._x(block.until) - x)
                self._rectangle(x, self._y + 1, width, LANE - 2, f"fill {block.colour}", block.title)
            self._y += LANE
        self._verticals(top, self._y)

    def svg(self) -> str:
        """Return the chart, its time axis below."""
        for at in ticks(self._seconds, 8):
            self._text(self._x(at), self._y + 16, f"{at:g} s", "tick", "middle")
        height = self._y + 24
        return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(self._parts)}</svg>'


def stretches(points: Sequence[tuple[float, T]], longest_s: float) -> list[tuple[float, float, T]]:
    """Return (since, until, value) for each run of equal values; a longer gap ends a run."""
    runs: list[tuple[float, float, T]] = []
    ends = [at for at, _ in points[1:]] + [at for at, _ in points[-1:]]
    for (at, value), end in zip(points, ends, strict=True):
        until = min(end, at + longest_s)
        if runs and runs[-1][2] == value and at - runs[-1][1] < 1e-6:
            runs[-1] = (runs[-1][0], until, value)
        else:
            runs.append((at, until, value))
    return runs
