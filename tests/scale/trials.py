"""The trials: what is done to a cluster with people on it, and what they hear of it."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tests.load.api import Api, ApiFailed
from tests.load.cluster import Cluster
from tests.load.outcome import quantile
from tests.load.resident import Resident
from tests.support.waiting import until

SETTLE_S = 5.0


@dataclass(frozen=True)
class Result:
    """What a trial did to the residents. Silences are the longest of each who was there, in seconds."""

    trial: str
    people: int
    moved: int
    cut_off: int
    without: int
    silence_p50_s: float
    silence_p95_s: float
    silence_max_s: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.trial:<22} {self.people} people: {self.moved} moves, {self.cut_off} cut off, "
            f"{self.without} without what they should get; longest silence of each "
            f"p50 {self.silence_p50_s * 1000:.0f} ms, p95 {self.silence_p95_s * 1000:.0f} ms, "
            f"max {self.silence_max_s * 1000:.0f} ms; {self.seconds:.0f} s"
        )


class _Watch:
    """What becomes of the residents from now on."""

    def __init__(self, trial: str, residents: Sequence[Resident]) -> None:
        self._trial = trial
        self._residents = residents
        self._began = time.monotonic()
        self._moves = sum(each.moves for each in residents)
        self._losses = sum(each.losses for each in residents)

    def result(self) -> Result:
        now = time.monotonic()
        silences = [each.silence.longest(self._began, now) for each in self._residents]
        return Result(
            trial=self._trial,
            people=len(self._residents),
            moved=sum(each.moves for each in self._residents) - self._moves,
            cut_off=sum(each.losses for each in self._residents) - self._losses,
            without=sum(bool(each.missing()) for each in self._residents),
            silence_p50_s=quantile(silences, 0.5),
            silence_p95_s=quantile(silences, 0.95),
            silence_max_s=max(silences),
            seconds=now - self._began,
        )


async def peace(residents: Sequence[Resident], seconds: float) -> Result:
    """Nothing happens: what is heard then is the measure of the rest."""
    watch = _Watch("peace", residents)
    await asyncio.sleep(seconds)
    return watch.result()


async def rolling_upgrade(cluster: Cluster, residents: Sequence[Resident]) -> Result:
    """Each node is told to end, and started again."""
    watch = _Watch("rolling upgrade", residents)
    for node in cluster.nodes.values():
        await cluster.stop(node)
        await cluster.start(node)
        await asyncio.sleep(SETTLE_S)
    return watch.result()


async def killed_node(cluster: Cluster, residents: Sequence[Resident], patience_s: float) -> Result:
    """The node with the most people is killed, and started again when they are back."""
    node = await cluster.busiest()
    watch = _Watch("node killed", residents)
    await node.server.kill()
    with contextlib.suppress(TimeoutError):
        await until("all are back", partial(_all_well, residents), deadline_s=patience_s)
    result = watch.result()
    await cluster.start(node)
    return result


async def _all_well(residents: Sequence[Resident]) -> bool:
    return not any(each.missing() for each in residents)


async def killed_control(cluster: Cluster, residents: Sequence[Resident], api: Api, away_s: float) -> Result:
    """Control is killed and away for a while; somebody joins when it is back."""
    watch = _Watch("control killed", residents)
    await cluster.control.server.kill()
    await asyncio.sleep(away_s)
    result = watch.result()
    await cluster.start(cluster.control)
    await until("somebody new gets in", partial(_lets_in, api))
    return result


async def _lets_in(api: Api) -> bool:
    try:
        await api.join(await api.create_meeting("Afterwards"), "Somebody new")
    except ApiFailed:
        return False
    return True
