"""What became of a bot, and of all of them: the numbers, and whether anything is wrong."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.load.participant import NOTHING, Tally


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One bot. Times in seconds from asking for a ticket; None: it did not come to that.

    Bitrates are over the time that all bots were there; the tally is over the whole stay.
    """

    name: str
    failure: str = ""
    connected_s: float | None = None
    first_media_s: float | None = None
    first_picture_s: float | None = None
    in_bps: float = 0.0
    out_bps: float = 0.0
    tally: Tally = NOTHING


@dataclass(frozen=True)
class Visit:
    """All bots of a run. `lag_s` is how late their own process was at worst: it counts as freezes too."""

    outcomes: tuple[Outcome, ...]
    lag_s: float

    @property
    def failed(self) -> bool:
        """Whether any bot could not join, or went without media it should have got."""
        return any(outcome.failure for outcome in self.outcomes)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which that share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def summary(visit: Visit) -> str:
    """Return the report: one line for each thing, one for each bot that failed."""
    outcomes = visit.outcomes
    lag = f"bots' own lag {visit.lag_s * 1000:.0f} ms at worst"
    return "\n".join((*_joins(outcomes), *_media(outcomes), lag, *_failures(outcomes)))


def _joins(outcomes: Sequence[Outcome]) -> Iterator[str]:
    connected = [each.connected_s for each in outcomes if each.connected_s is not None]
    yield f"bots          {len(connected)} of {len(outcomes)} connected"
    yield f"join          {_spread(connected)}"
    media = [each.first_media_s for each in outcomes if each.first_media_s is not None]
    yield f"first media   {_spread(media)}"
    pictures = [each.first_picture_s for each in outcomes if each.first_picture_s is not None]
    if pictures:
        yield f"first picture {_spread(pictures)}"


def _spread(times_s: Sequence[float]) -> str:
    return f"p50 {quantile(times_s, 0.5) * 1000:.0f} ms, p95 {quantile(times_s, 0.95) * 1000:.0f} ms"


def _media(outcomes: Sequence[Outcome]) -> Iterator[str]:
    present = [each for each in outcomes if each.connected_s is not None]
    if not present:
        return
    yield f"bitrate in    {_rates([each.in_bps for each in present])}"
    yield f"bitrate out   {_rates([each.out_bps for each in present])}"
    expected, lost = _sum(present, "expected"), _sum(present, "lost")
    yield f"loss          {lost:.0f} of {expected:.0f} packets ({100 * lost / max(1.0, expected):.3f} %)"
    nacks, recovered = _sum(present, "nacks"), _sum(present, "recovered")
    yield f"nacks         {nacks:.0f}, {recovered:.0f} packets came late or repaired"
    yield f"frames        {_sum(present, 'frames'):.0f}, {_sum(present, 'key_frames'):.0f} key frames"
    yield f"freezes       {_sum(present, 'freezes'):.0f}, {_sum(present, 'frozen_s'):.1f} s in sum"


def _rates(rates_bps: Sequence[float]) -> str:
    return f"{sum(rates_bps) / 1e6:.2f} Mbit/s, {statistics.mean(rates_bps) / 1e3:.0f} kbit/s each"


def _sum(outcomes: Sequence[Outcome], column: str) -> float:
    return float(sum(getattr(each.tally, column) for each in outcomes))


def _failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for each in outcomes:
        if each.failure:
            yield f"FAILED        {each.name}: {each.failure}"
