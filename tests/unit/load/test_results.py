"""What a run is told as: text, JSON, a page of plots; and what nobody's name may do to that page."""

import datetime
import json
import re
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree

import pytest

from tests.load import page, report
from tests.load.outcome import Outcome, Sample, Visit
from tests.load.participant import Tally
from tests.load.progress import Progress
from tests.load.scenario import Group, Scenario
from tests.load.scraping import Usage

EVIL = "</title></text><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
ENDED_AT = datetime.datetime(2026, 11, 23, 9, tzinfo=datetime.UTC)


def stay(room: str, bot: int, **more: object) -> Outcome:
    fine: dict[str, object] = {
        "connected_s": 0.1 * bot,
        "first_media_s": 0.2 * bot,
        "in_bps": 2e6,
        "out_bps": 1e6,
        "tally": Tally(expected=100, lost=1, nacks=2, freezes=1, frozen_s=0.5),
        "node": "node-1",
    }
    return Outcome(name=f"{room}, bot {bot}", room=room, **fine | more)  # type: ignore[arg-type]


def refused(room: str, bot: int, failure: str) -> Outcome:
    return Outcome(name=f"{room}, bot {bot}", room=room, failure=failure)


def sample(at_s: float, **servers: Usage) -> Sample:
    return Sample(at_s=at_s, bots=2, in_bps=4e6, out_bps=2e6, loss=0.01, freezes=1, servers=servers)


VISIT = Visit(
    outcomes=(
        stay("call 1", 1),
        stay("call 1", 2, failure="pictures missing: p1.2"),
        stay("call 2", 3, node="node-2"),
        refused("call 2", 4, "could not join: 429 rate_limited: Slow down. (POST /api/meetings/a/join)"),
        refused("call 2", 5, "could not join: 429 rate_limited: Slow down. (POST /api/meetings/b/join)"),
        refused("call 2", 6, "could not join: still securing after 10 s"),
    ),
    lag_s=0.025,
    samples=(
        sample(1.0, **{"node-1": Usage(cpu=0.25, packets_in_per_s=100, packets_out_per_s=300, peers=2)}),
        sample(2.0, **{"node-1": Usage(cpu=0.5), "control": Usage(cpu=0.1)}),
        sample(3.0),
    ),
)
EVIL_VISIT = Visit(
    outcomes=(stay(EVIL, 1, node=EVIL), refused(EVIL, 2, f"could not join: {EVIL}: {EVIL}")),
    lag_s=0.0,
    samples=(sample(1.0, **{EVIL: Usage(cpu=0.25)}), sample(2.0, **{EVIL: Usage(cpu=0.25)})),
)


class Tags(HTMLParser):
    """Notes elements with their attributes, and complains of those that do not match."""

    VOID = frozenset({"meta"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def charts(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(each) for each in re.findall(r"<svg .*?</svg>", html, re.DOTALL)]


def texts(chart: ElementTree.Element) -> set[str]:
    return {each.text or "" for each in chart.iter("text")}


def test_the_document_has_scenario_summary_rooms_failures_samples_and_stays() -> None:
    told = json.loads(report.document(Scenario(groups=(Group(name="call", rooms=2),)), VISIT, ENDED_AT))
    assert (told["format"], told["ended_at"]) == ("parley.bots.v1", "2026-11-23T09:00:00Z")
    assert told["scenario"]["groups"][0]["rooms"] == 2
    assert (told["failed"], told["lag_s"]) == (True, 0.025)
    summary = told["summary"]
    assert (summary["stays"], summary["connected"], summary["failed"]) == (6, 3, 4)
    assert summary["nodes"] == ["node-1", "node-2"]
    assert (summary["join_p50_s"], summary["in_bps_each"], summary["loss"]) == (0.2, 2e6, 0.01)
    assert summary["counts"]["freezes"] == 3
    assert [(room["name"], room["nodes"], room["stays"], room["failed"]) for room in told["rooms"]] == [
        ("call 1", ["node-1"], 2, 1),
        ("call 2", ["node-2"], 4, 3),
    ]
    assert [(each["reason"], each["stays"]) for each in told["failures"]] == [
        ("could not join: 429 rate_limited", 2),
        ("pictures missing", 1),
        ("could not join: still securing after 10 s", 1),
    ]
    assert told["failures"][0]["first"].startswith("call 2, bot 4: could not join: 429 rate_limited: Slow")
    assert [each["at_s"] for each in told["samples"]] == [1, 2, 3]
    assert told["samples"][1]["servers"]["control"]["cpu"] == 0.1
    assert told["stays"][0]["tally"]["nacks"] == 2


def test_the_page_draws_all_there_is_and_needs_nothing_else() -> None:
    html = page.report(Scenario(title="Two calls"), VISIT)
    tags = Tags(html)
    assert {"script", "link", "img"}.isdisjoint(tag for tag, _ in tags.found)
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)", html)
    assert "prefers-color-scheme: dark" in html
    course, joining = charts(html)
    titles = {"Mbit/s of all bots", "Lost, %", "Freezes that began", "Servers: processor time, % of a core"}
    assert titles | {"node-1", "control"} <= texts(course)
    assert {"connected", "first media"} <= texts(joining)
    assert "first picture" not in texts(joining)
    points = [path.get("d", "") for path in course.iter("path") if "line" in path.get("class", "").split()]
    assert max(each.count("L") for each in points) == 2
    for said in ("3 of 6", "call 2", "node-2", "could not join: 429 rate_limited", "pictures missing: p1.2"):
        assert said in tags.text


def test_a_name_is_only_text_on_the_page() -> None:
    html = page.report(Scenario(title=EVIL), EVIL_VISIT)
    harmless = page.report(Scenario(title="x"), VISIT)
    tags = Tags(html)
    assert {tag for tag, _ in tags.found} <= {tag for tag, _ in Tags(harmless).found}
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    assert tags.text.count(EVIL) > 5
    assert any(EVIL in texts(chart) for chart in charts(html))
    policy = [attributes.get("content") for tag, attributes in tags.found if tag == "meta"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


@pytest.mark.parametrize("outcomes", [(), (refused("call 1", 1, "could not join: 503 no_node: None."),)])
def test_a_run_in_which_nobody_came_in_is_told_too(outcomes: tuple[Outcome, ...]) -> None:
    visit = Visit(outcomes, 0.0)
    assert "0 of" in Tags(page.report(Scenario(), visit)).text
    assert json.loads(report.document(Scenario(), visit, ENDED_AT))["summary"]["loss"] == 0
    assert f"0 of {len(outcomes)} connected" in report.text(visit)


def test_a_long_run_is_drawn_with_few_points() -> None:
    visit = Visit(
        tuple(stay("call 1", bot) for bot in range(1, 5001)),
        0.0,
        tuple(sample(at) for at in range(1, 40_001)),
    )
    html = page.report(Scenario(), visit)
    assert len(html) < 400_000
    _, joining = charts(html)
    (curve, _) = (path for path in joining.iter("path") if "line" in path.get("class", "").split())
    height = re.findall(r"([\d.]+)(?=L|$)", curve.get("d", ""))
    assert height[-1] == min(height, key=float), "it ends with all"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_two_lines_on_a_terminal_and_few_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal, file = Terminal(), StringIO()
    for out in (terminal, file):
        progress = Progress(out)
        for at_s in range(1, 12):
            progress.note(sample(at_s))
        progress.end()
    *shown, left = terminal.getvalue().split("\r\x1b[2K\x1b[1A\x1b[2K")
    assert (len(shown), left) == (11, "")
    assert all(len(line) < 40 for block in shown for line in block.split("\n"))
    assert [block.count("\n") for block in shown] == [1] * 11
    lines = file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "6", "11"]
    assert "2 bots, 0 failed" in lines[0]
    assert "in 4.0, out 2.0 Mbit/s; loss 1.00 %" in lines[0]
