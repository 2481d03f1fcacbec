"""`python -m tests.load.local`: bots against control and nodes of their own, in a folder that goes away."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click

from tests.load.cli import noting, options, scenario_of, tell, until_interrupted, visit
from tests.load.cluster import Cluster, ClusterFailed, cluster
from tests.load.outcome import Visit
from tests.load.sampling import Note
from tests.load.scenario import Scenario
from tests.load.scraping import Target


def targets(running: Cluster) -> list[Target]:
    """Return where its parts tell of themselves."""
    return [Target(part.name, f"{part.url}/metrics") for part in (running.control, *running.nodes.values())]


async def visit_own(nodes: int, wanted: Scenario, note: Note, over: asyncio.Event) -> Visit:
    """Return what became of each bot in a service started for them; `over` ends it early."""
    with tempfile.TemporaryDirectory(prefix="parley-load-") as folder:
        async with cluster(Path(folder), nodes) as running:
            return await visit(running.url, wanted, targets(running), note, over)


@click.command()
@click.option("--nodes", type=click.IntRange(1, 64), default=1, show_default=True, help="Nodes to start.")
@options
def command(ctx: click.Context, nodes: int, **asked: Any) -> None:
    """Send bots into a service started for them alone."""
    wanted = scenario_of(ctx, asked)
    try:
        with noting() as note:
            result = asyncio.run(until_interrupted(partial(visit_own, nodes, wanted, note)))
    except ClusterFailed as error:
        raise click.ClickException(str(error)) from error
    tell(result, wanted, asked)


if __name__ == "__main__":
    command()
