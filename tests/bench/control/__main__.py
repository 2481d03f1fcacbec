"""`python -m tests.bench.control`: run each system, print the table."""

import asyncio
import tempfile
from pathlib import Path

import click

from tests.bench.control.loads import Measured, chat, joins
from tests.bench.control.systems import SYSTEMS, running

COLUMNS = ("joins/s", "p50 ms", "p99 ms", "messages/s", "p50 ms", "p99 ms")
WARM_UP_S = 1.0


@click.command()
@click.option("--seconds", default=8.0, show_default=True, help="How long each thing is done.")
@click.option("--listeners", default=50, show_default=True, help="Who hear each message.")
@click.option("--rounds", default=1, show_default=True, help="How often all is done.")
def main(seconds: float, listeners: int, rounds: int) -> None:
    """Measure how many guests join, and how many chat messages are kept and delivered, in a second."""
    click.echo(f"{'':<24}" + "".join(f"{column:>12}" for column in COLUMNS))
    for _ in range(rounds):
        for name in SYSTEMS:
            joined, said = asyncio.run(_measure(name, seconds, listeners))
            figures = (*_figures(joined), *_figures(said))
            click.echo(f"{name:<24}" + "".join(f"{figure:>12.1f}" for figure in figures))
    click.echo(f"A message counts when it is kept; its ms are until each of {listeners} listeners has it.")


async def _measure(name: str, seconds: float, listeners: int) -> tuple[Measured, Measured]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with running(SYSTEMS[name], Path(folder)) as system:
            await joins(system, WARM_UP_S)
            return await joins(system, seconds), await chat(system, seconds, listeners)


def _figures(measured: Measured) -> tuple[float, float, float]:
    return measured.per_s, measured.p50_ms, measured.p99_ms


if __name__ == "__main__":
    main()
