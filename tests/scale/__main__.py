"""`python -m tests.scale`: people in many rooms on several nodes, and what they notice of what is done."""

import asyncio
import dataclasses
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import click

from tests.load.api import Api
from tests.load.cluster import Cluster, cluster
from tests.load.light.bot import LightBot, ReceptionOf, Shape
from tests.load.light.dtls import Identity
from tests.load.light.pump import Pump
from tests.load.light.sources import Layer
from tests.load.resident import Resident, dispersed, gathered
from tests.load.voices import turns
from tests.scale.trials import Result, killed_control, killed_node, peace, rolling_upgrade

AT_ONCE = 8
PEACE_S = 5.0
CAMERA = (Layer(320, 180, 1, 750),)


@dataclasses.dataclass(frozen=True)
class Asked:
    """How large the cluster is, how many people are on it, and how long control is away."""

    nodes: int
    rooms: int
    people: int
    away_s: float
    patience_s: float = 30.0


async def try_all(asked: Asked) -> list[Result]:
    """Return what became of the people in each trial."""
    results: list[Result] = []

    def note(result: Result) -> None:
        click.echo(result)
        results.append(result)

    with tempfile.TemporaryDirectory(prefix="parley-scale-") as folder:
        async with _inhabited(Path(folder), asked) as (running, residents, api):
            note(await peace(residents, PEACE_S))
            note(await rolling_upgrade(running, residents))
            note(await killed_node(running, residents, asked.patience_s))
            note(await killed_control(running, residents, api, asked.away_s))
    return results


@asynccontextmanager
async def _inhabited(folder: Path, asked: Asked) -> AsyncIterator[tuple[Cluster, list[Resident], Api]]:
    connector = aiohttp.TCPConnector(limit=0)
    identity = Identity()
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
        cluster(folder, asked.nodes) as running,
        Pump() as pump,
    ):
        api = Api(http, running.url)
        await api.register()
        codes = [await api.create_meeting(f"Room {number + 1}") for number in range(asked.rooms)]
        each = asked.people // asked.rooms

        def resident(code: str, seat: int) -> Resident:
            shape = Shape(camera=CAMERA, microphone=turns(seat, each), video_slots=each)

            def make(reception_of: ReceptionOf) -> LightBot:
                return LightBot(pump, identity, shape, reception_of)

            return Resident(api, http, code, f"{code} {seat + 1}", make)

        residents = [resident(code, seat) for code in codes for seat in range(each)]
        try:
            await gathered(residents, AT_ONCE)
            yield running, residents, api
        finally:
            await dispersed(residents)


@click.command()
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(min=2))
@click.option("--rooms", default=15, show_default=True, type=click.IntRange(min=1))
@click.option("--people", default=60, show_default=True, type=click.IntRange(min=2), help="In all rooms.")
@click.option("--away", default=60.0, show_default=True, help="Seconds that control is away.")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Where to write results."
)
def command(nodes: int, rooms: int, people: int, away: float, file: Path | None) -> None:
    """Upgrade and kill the nodes of a cluster, then its control, under people, and tell what they noticed."""
    results = asyncio.run(try_all(Asked(nodes, rooms, people, away)))
    if file is not None:
        file.write_text(json.dumps([dataclasses.asdict(each) for each in results], indent=1) + "\n")
    _, upgrade, *_ = results
    sys.exit(1 if upgrade.cut_off or any(each.without for each in results) else 0)


if __name__ == "__main__":
    command()
