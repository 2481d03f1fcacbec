"""What became of a bot, and of all of them: the numbers, and whether anything is wrong."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.load.participant import NOTHING, Tally, total
from tests.load.scraping import Usage

COULD_NOT_JOIN = "could not join"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One stay of a bot. Times in seconds from asking for a ticket; None: it did not come to that.

    Bitrates are over its time there, without that in which those of the beginning came; the tally is over
    all of it. A failure is `reason: details`.
    """

    name: str
    room: str = ""
    node: str = ""
    failure: str = ""
    connected_s: float | None = None
    first_media_s: float | None = None
    first_picture_s: float | None = None
    in_bps: float = 0.0
    out_bps: float = 0.0
    tally: Tally = NOTHING

    @property
    def reason(self) -> str:
        """What kind of failure it is, without details: the same of all who failed alike."""
        kind, _, details = self.failure.partition(": ")
        return f"{kind}: {details.partition(': ')[0]}" if kind == COULD_NOT_JOIN else kind


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What went on in the second before `at_s`, counted from the start; what is no rate is a count of now.

    `failed`, `left` and `join_p95_s` are of all so far. `loss` is the share of packets that did not come, or
    not yet. `lag_s` is how late the bots' own process was at worst.
    """

    at_s: float
    bots: int = 0
    failed: int = 0
    left: int = 0
    rooms: int = 0
    nodes: int = 0
    join_p95_s: float = 0.0
    in_bps: float = 0.0
    out_bps: float = 0.0
    loss: float = 0.0
    nacks_per_s: float = 0.0
    freezes: int = 0
    lag_s: float = 0.0
    servers: dict[str, Usage] = field(default_factory=dict)


@dataclass(frozen=True)
class Visit:
    """All stays of a run, and samples of it. `lag_s` is how late the bots' own process was at worst.

    It counts as freezes too.
    """

    outcomes: tuple[Outcome, ...]
    lag_s: float
    samples: tuple[Sample, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any bot could not join, or went without media it should have got."""
        return any(outcome.failure for outcome in self.outcomes)

    @property
    def failures(self) -> dict[str, list[Outcome]]:
        """The failed by reason, the most frequent first."""
        found: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            if outcome.failure:
                found.setdefault(outcome.reason, []).append(outcome)
        return dict(sorted(found.items(), key=lambda each: -len(each[1])))

    @property
    def rooms(self) -> dict[str, list[Outcome]]:
        """The stays in each room."""
        found: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.room, []).append(outcome)
        return found


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Stays in numbers. Times and rates are of those that connected; a rate is the mean of each one's."""

    stays: int
    connected: int
    failed: int
    nodes: tuple[str, ...]
    join_p50_s: float
    join_p95_s: float
    first_media_p50_s: float
    first_media_p95_s: float
    first_picture_p50_s: float | None
    first_picture_p95_s: float | None
    in_bps_each: float
    out_bps_each: float
    loss: float
    counts: Tally

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> "Summary":
        """Return the summary of these stays."""
        present = [each for each in outcomes if each.connected_s is not None]
        joins = [each.connected_s for each in present if each.connected_s is not None]
        media = [each.first_media_s for each in present if each.first_media_s is not None]
        pictures = [each.first_picture_s for each in present if each.first_picture_s is not None]
        counts = total(each.tally for each in present)
        return cls(
            stays=len(outcomes),
            connected=len(present),
            failed=sum(bool(each.failure) for each in outcomes),
            nodes=tuple(sorted({each.node for each in outcomes if each.node})),
            join_p50_s=quantile(joins, 0.5),
            join_p95_s=quantile(joins, 0.95),
            first_media_p50_s=quantile(media, 0.5),
            first_media_p95_s=quantile(media, 0.95),
            first_picture_p50_s=quantile(pictures, 0.5) if pictures else None,
            first_picture_p95_s=quantile(pictures, 0.95) if pictures else None,
            in_bps_each=_mean([each.in_bps for each in present]),
            out_bps_each=_mean([each.out_bps for each in present]),
            loss=counts.lost / max(1, counts.expected),
            counts=counts,
        )


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which that share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
