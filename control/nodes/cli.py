"""The command `nodes`: which there are and how they are, and taking one out of use."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click
import msgspec

from control import cli
from control.clock import utc_now
from control.database import Database
from control.ground import shards_of
from control.nodes import store
from control.nodes.commands import Commands
from control.nodes.store import Node
from control.parameters import DURATION
from control.settings import Settings
from sfu.contract.operations import Drain, Undrain

PARAMS = cli.shared("data", "database_url")

Result = TypeVar("Result")


class NodeLine(msgspec.Struct, frozen=True):
    """A node as it is listed. Its `state` is silent, draining, full or living; `cpu` is a share of a core."""

    id: str
    region: str
    version: str
    state: str
    rooms: int
    peers: int
    fullness: float
    cpu: float
    loop_lag_s: float
    packets_out_per_s: float
    reported_at: datetime


HEADINGS = ("ID", "REGION", "VERSION", "STATE", "ROOMS", "PEERS", "FULL", "CPU", "LAG", "PACKETS/S", "REPORT")


@click.group("nodes")
def command() -> None:
    """Look at the nodes, and take one out of use."""


@command.command("list", params=[*PARAMS, *cli.shared("node_lease_s")])
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def list_nodes(as_json: bool, **options: Any) -> None:
    """List the nodes, each as it was when it last reported.

    A node is silent when its lease has run out, draining when it was told to take no new rooms, full when it
    takes none because it is near its limits, else living.
    """

    async def look(database: Database) -> list[Node]:
        async with database.read() as session:
            return await store.all_nodes(session)

    settings = Settings(**options)
    now, lease = utc_now(), timedelta(seconds=settings.node_lease_s)
    lines = [_line(node, now - lease) for node in _in_first(settings, look)]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(lines)))
    else:
        click.echo(_table([HEADINGS, *(_cells(line, now) for line in lines)]))


@command.command("drain", params=[*PARAMS])
@click.argument("node_id", metavar="ID")
@click.option(
    "--deadline",
    type=DURATION,
    default="10m",
    show_default=True,
    help="How long its rooms have to move to other nodes, as 90s, 10m or 2h; then they are closed.",
)
def drain(node_id: str, deadline: float, **options: Any) -> None:
    """Empty a node: it takes no new rooms, and those it has move to other nodes. A restart ends this, too."""
    _order(node_id, Drain(deadline_s=deadline), options)
    click.echo(f"{node_id} will be told to take no new rooms; watch the others go in `parley nodes list`")


@command.command("undrain", params=[*PARAMS])
@click.argument("node_id", metavar="ID")
def undrain(node_id: str, **options: Any) -> None:
    """Have a node take new rooms again."""
    _order(node_id, Undrain(), options)
    click.echo(f"{node_id} will be told to take new rooms again")


def _order(node_id: str, order: Drain | Undrain, options: dict[str, Any]) -> None:
    """Leave the order to control, which sends it until the node takes it. Raises `click.UsageError`."""

    async def leave(database: Database) -> bool:
        async with database.write() as session:
            if not await store.by_ids(session, [node_id]):
                return False
            await Commands(utc_now).drain(session, node_id, order)
            return True

    if not _in_first(Settings(**options), leave):
        raise click.UsageError(f"There is no node {node_id!r}; `parley nodes list` names those there are.")


def _in_first(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Return what the work gave in the first database, where nodes are."""

    async def work_there() -> Result:
        shards = shards_of(settings)
        try:
            return await work(shards.first)
        finally:
            await shards.close()

    return asyncio.run(work_there())


def _line(node: Node, silent_since: datetime) -> NodeLine:
    if node.reported_at <= silent_since:
        state = "silent"
    elif node.draining:
        state = "draining"
    else:
        state = "full" if node.full else "living"
    told = {name: getattr(node, name) for name in NodeLine.__struct_fields__ if name != "state"}
    return NodeLine(state=state, **told)


def _cells(line: NodeLine, now: datetime) -> tuple[str, ...]:
    return (
        line.id,
        line.region or "-",
        line.version,
        line.state,
        str(line.rooms),
        str(line.peers),
        f"{line.fullness:.0%}",
        f"{line.cpu:.0%}",
        f"{line.loop_lag_s * 1000:.1f} ms",
        f"{line.packets_out_per_s:.0f}",
        f"{(now - line.reported_at).total_seconds():.0f} s ago",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


if __name__ == "__main__":
    command()
