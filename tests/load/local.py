"""`python -m tests.load.local`: bots against a service of their own, in a folder that goes away.

Starts what `parley run` starts, on free ports, with no limits on how fast one address may join and how
busy the node may be.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import click

from tests.load.cli import Request, options, report, visit
from tests.load.outcome import Visit
from tests.load.process import Server
from tests.support.ports import free_ports

_START_S = 90.0
_POLL_S = 0.1
_MANY = "1000000/60"


class ServiceFailed(Exception):
    """The service did not start; says what it printed."""


@contextlib.asynccontextmanager
async def service(folder: Path, changed: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Run control and a node on loopback, with settings `changed`; give control's URL once both are ready.

    Raises ServiceFailed.
    """
    control, signal, media = free_ports(3)
    settings = {
        "PARLEY_CONTROL_HOST": "127.0.0.1",
        "PARLEY_CONTROL_PORT": str(control),
        "PARLEY_SFU_HOST": "127.0.0.1",
        "PARLEY_SFU_PORT": str(signal),
        "PARLEY_SFU_MEDIA_PORT": str(media),
        "PARLEY_SFU_BIND_V4": "127.0.0.1",
        "PARLEY_SFU_BIND_V6": "",
        "PARLEY_SFU_ADVERTISE": "127.0.0.1",
        "PARLEY_SFU_MAX_CPU": "100",
        "PARLEY_SFU_MAX_LAG_S": "100",
        "PARLEY_RATE_JOIN": _MANY,
        "PARLEY_RATE_CREATE": _MANY,
        "PARLEY_LOG_LEVEL": "warning",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    command = [sys.executable, "-m", "parley", "run", "--data", str(folder / "data")]
    environment = {**inherited, **settings, **(changed or {})}
    server = Server(command, folder / "output", environment)
    await server.start()
    try:
        for port in ("PARLEY_SFU_PORT", "PARLEY_CONTROL_PORT"):
            await _ready(server, f"http://127.0.0.1:{environment[port]}/readyz")
        yield f"http://127.0.0.1:{environment['PARLEY_CONTROL_PORT']}"
    finally:
        await server.stop()


async def _ready(server: Server, url: str) -> None:
    deadline = time.monotonic() + _START_S
    async with aiohttp.ClientSession() as http:
        while server.running and time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(_POLL_S)
    raise ServiceFailed(f"the service does not start:\n{server.last_words}")


async def visit_own(request: Request) -> Visit:
    """Return what became of each bot in a service started for them."""
    with tempfile.TemporaryDirectory(prefix="parley-load-") as folder:
        async with service(Path(folder)) as control:
            return await visit(control, request)


@click.command()
@options
def command(**asked: Any) -> None:
    """Send bots into a service started for them alone."""
    try:
        outcome = asyncio.run(visit_own(Request(**asked)))
    except ServiceFailed as error:
        raise click.ClickException(str(error)) from error
    report(outcome)


if __name__ == "__main__":
    command()
