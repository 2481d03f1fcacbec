"""What a run came to: as text, and as JSON."""

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.load.outcome import Summary, Visit
from tests.load.scenario import Scenario

FORMAT = "parley.bots.v1"


def text(visit: Visit) -> str:
    """Return the report: one line for each thing, one for each bot that failed."""
    summary = Summary.of(visit.outcomes)
    return "\n".join((*_joins(summary), *_media(summary, visit), *_failures(visit)))


def _joins(summary: Summary) -> Iterator[str]:
    yield f"bots          {summary.connected} of {summary.stays} connected"
    yield f"nodes         {', '.join(summary.nodes)}"
    yield f"join          {_spread(summary.join_p50_s, summary.join_p95_s)}"
    yield f"first media   {_spread(summary.first_media_p50_s, summary.first_media_p95_s)}"
    if summary.first_picture_p50_s is not None and summary.first_picture_p95_s is not None:
        yield f"first picture {_spread(summary.first_picture_p50_s, summary.first_picture_p95_s)}"


def _spread(p50_s: float, p95_s: float) -> str:
    return f"p50 {p50_s * 1000:.0f} ms, p95 {p95_s * 1000:.0f} ms"


def _media(summary: Summary, visit: Visit) -> Iterator[str]:
    counts = summary.counts
    if summary.connected:
        most_in_bps = max((each.in_bps for each in visit.samples), default=0.0)
        most_out_bps = max((each.out_bps for each in visit.samples), default=0.0)
        yield f"bitrate in    {_rates(summary.in_bps_each, most_in_bps)}"
        yield f"bitrate out   {_rates(summary.out_bps_each, most_out_bps)}"
        yield f"loss          {counts.lost} of {counts.expected} packets ({100 * summary.loss:.3f} %)"
        yield f"nacks         {counts.nacks}, {counts.recovered} packets came late or repaired"
        yield f"frames        {counts.frames}, {counts.key_frames} key frames"
        yield f"freezes       {counts.freezes}, {counts.frozen_s:.1f} s in sum"
    yield f"bots' own lag {visit.lag_s * 1000:.0f} ms at worst"


def _rates(each_bps: float, most_bps: float) -> str:
    return f"{each_bps / 1e3:.0f} kbit/s each, {most_bps / 1e6:.2f} Mbit/s of all at most"


def _failures(visit: Visit) -> Iterator[str]:
    for each in visit.outcomes:
        if each.failure:
            yield f"FAILED        {each.name}: {each.failure}"


def document(scenario: Scenario, visit: Visit, ended_at: datetime.datetime) -> bytes:
    """Return the scenario, what came of it, and all samples and stays, as JSON."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "ended_at": ended_at,
        "scenario": scenario,
        "failed": visit.failed,
        "lag_s": visit.lag_s,
        "summary": Summary.of(visit.outcomes),
        "rooms": [{"name": name, **_fields(Summary.of(stays))} for name, stays in visit.rooms.items()],
        "failures": [
            {"reason": reason, "stays": len(stays), "first": f"{stays[0].name}: {stays[0].failure}"}
            for reason, stays in visit.failures.items()
        ],
        "samples": visit.samples,
        "stays": visit.outcomes,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _fields(summary: Summary) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(summary)
    return fields
