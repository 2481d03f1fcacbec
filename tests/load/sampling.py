"""A sample each second of what bots get and how busy servers are."""

import asyncio
import time
from collections.abc import Callable, Sequence

import aiohttp

from tests.load.fleet import Fleet
from tests.load.outcome import Sample, quantile
from tests.load.participant import NOTHING, Tally
from tests.load.scraping import Scrape, Target, Usage, scrape, usage

PERIOD_S = 1.0
_LAG_STEP_S = 0.02


Note = Callable[[Sample], None]


class Sampler:
    """Use as a context: samples a fleet and servers meanwhile, and calls `note` with each sample."""

    def __init__(
        self, fleet: Fleet, http: aiohttp.ClientSession, targets: Sequence[Target], note: Note
    ) -> None:
        self.samples: list[Sample] = []
        self._fleet = fleet
        self._http = http
        self._targets = targets
        self._note = note
        self._worst_lag_s = 0.0
        self._tally = NOTHING
        self._scrapes: dict[str, Scrape] = {}

    async def __aenter__(self) -> "Sampler":
        self._began_at = self._read_at = time.monotonic()
        await self._scrape()
        self._tasks = [
            asyncio.create_task(self._repeat(), name="sampling"),
            asyncio.create_task(self._watch_lag(), name="lag"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled():
                task.result()

    @property
    def lag_s(self) -> float:
        """The most by which this process was late since everybody of the beginning was there."""
        opened_s = (self._fleet.opened_at or self._began_at) - self._began_at
        return max((each.lag_s for each in self.samples if each.at_s > opened_s), default=self._worst_lag_s)

    async def _repeat(self) -> None:
        due = self._began_at
        while True:
            due = max(due + PERIOD_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            sample = await self._sample()
            self.samples.append(sample)
            self._note(sample)

    async def _watch_lag(self) -> None:
        while True:
            due = time.monotonic() + _LAG_STEP_S
            await asyncio.sleep(_LAG_STEP_S)
            self._worst_lag_s = max(self._worst_lag_s, time.monotonic() - due)

    async def _sample(self) -> Sample:
        servers = await self._scrape()
        tally, now = await self._fleet.tally(), time.monotonic()
        before, self._tally = self._tally, tally
        over_s, self._read_at = max(now - self._read_at, 1e-3), now
        lag_s, self._worst_lag_s = self._worst_lag_s, 0.0
        present, outcomes = self._fleet.present, self._fleet.outcomes
        joins = [each.connected_s for each in outcomes if each.connected_s is not None]
        joins += [stay.connected_s for stay in present if stay.connected_s is not None]
        return Sample(
            at_s=now - self._began_at,
            bots=len(present),
            failed=sum(bool(each.failure) for each in outcomes),
            left=sum(each.connected_s is not None for each in outcomes),
            rooms=len({stay.seat.room for stay in present}),
            nodes=len({stay.node for stay in present}),
            join_p95_s=quantile(joins, 0.95),
            in_bps=_grown(before, tally, "bytes_in") * 8 / over_s,
            out_bps=_grown(before, tally, "bytes_out") * 8 / over_s,
            loss=_grown(before, tally, "lost") / max(1, _grown(before, tally, "expected")),
            nacks_per_s=_grown(before, tally, "nacks") / over_s,
            freezes=_grown(before, tally, "freezes"),
            lag_s=lag_s,
            servers=servers,
        )

    async def _scrape(self) -> dict[str, Usage]:
        scrapes = await asyncio.gather(*(scrape(self._http, target) for target in self._targets))
        usages: dict[str, Usage] = {}
        for target, latest in zip(self._targets, scrapes, strict=True):
            before = self._scrapes.pop(target.name, None)
            if latest is not None:
                self._scrapes[target.name] = latest
                if before is not None:
                    usages[target.name] = usage(before, latest)
        return usages


def _grown(before: Tally, after: Tally, count: str) -> int:
    """Return by how much a count grew: never less than nothing, as what was lost may still come."""
    grown: int = getattr(after, count) - getattr(before, count)
    return max(0, grown)
