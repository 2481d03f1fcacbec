"""What the two kinds of bot have in common."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Protocol

import aiohttp


class BotFailed(Exception):
    """A bot could not join, or fell out; says why, as `reason: details` or the reason alone."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of one bot from joining up to some moment. `lost` is what has not come, not even repaired."""

    packets_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    expected: int = 0
    lost: int = 0
    recovered: int = 0
    nacks: int = 0
    key_frames: int = 0
    frames: int = 0
    freezes: int = 0
    frozen_s: float = 0.0


NOTHING = Tally()
_COUNTS = tuple(each.name for each in fields(Tally))
_counts_of = attrgetter(*_COUNTS)


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sums of all counts."""
    sums = map(sum, zip(*map(_counts_of, (NOTHING, *tallies)), strict=True))
    return Tally(**dict(zip(_COUNTS, sums, strict=True)))


class Bot(Protocol):
    """One participant, of either kind."""

    async def join(self, http: aiohttp.ClientSession, url: str, ticket: str) -> None:
        """Enter and connect. Raises BotFailed."""

    async def leave(self) -> None:
        """Leave, whatever came of joining."""

    def tally(self) -> Tally:
        """Return what was counted so far."""

    @property
    def first_media_at(self) -> float | None:
        """When the first packet came, in monotonic seconds."""

    @property
    def first_picture_at(self) -> float | None:
        """When the first picture was decoded, in monotonic seconds; None of a bot that decodes nothing."""

    def missing(self) -> str:
        """Return what this bot should have got and did not, as `reason: details`; empty if nothing."""
