"""The `parley` command: runs the parts of the house, alone or, for a newcomer, all at once.

The parts contribute their commands as entry points; this module knows them as names and processes
only, so that neither service is imported to run the other.
"""

import asyncio
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

COMMANDS = {
    "control": "control.cli",
    "sfu": "sfu.node.cli",
    "bots": "tests.load.cli",
}
STOP_TIMEOUT_S = 15.0


class _Parts(click.Group):
    """Imports a part's command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in COMMANDS:
            return own
        try:
            module = importlib.import_module(COMMANDS[cmd_name])
        except ModuleNotFoundError as error:
            raise click.ClickException(f"`parley {cmd_name}` needs a source checkout ({error}).") from error
        command: click.Command = module.command
        return command


@click.group(cls=_Parts)
@click.version_option(package_name="parley")
def main() -> None:
    """Parley: a self-hosted meeting server. Every option is also an environment variable."""


@main.command()
@click.option(
    "--data",
    envvar="PARLEY_DATA",
    show_envvar=True,
    default=Path("data"),
    show_default=True,
    type=Path,
    help="Folder for secrets and the database; made on the first run.",
)
def run(data: Path) -> None:
    """Run control and one node here, on the embedded default, until Ctrl-C.

    Settings of both parts are taken from their environment variables: see `parley control --help` and
    `parley sfu --help`.
    """
    sys.exit(asyncio.run(_run(data.absolute())))


async def _run(data: Path) -> int:
    from control.keys import ensure_secrets

    ensure_secrets(data)
    port = os.environ.get("PARLEY_CONTROL_PORT", "8080")
    environment = {
        "PARLEY_CONTROL_URL": f"http://127.0.0.1:{port}",
        **os.environ,
        "PARLEY_DATA": str(data),
        "PYTHONUNBUFFERED": "1",
    }
    processes = [await _start(name, environment) for name in ("control", "sfu")]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ready = asyncio.create_task(_announce(port))
    asked = asyncio.create_task(stop.wait())
    ended = [asyncio.create_task(process.wait()) for process in processes]
    await asyncio.wait([asked, *ended], return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if not asked.done():
        click.echo("parley: a part ended by itself; stopping the other.", err=True)
    await _stop(processes)
    asked.cancel()
    return 0 if stop.is_set() else 1


async def _start(name: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start a part in a process group of its own, so that Ctrl-C reaches it through us alone."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", COMMANDS[name], env=environment, process_group=0
    )


async def _announce(port: str) -> None:
    """Say where to go once control answers and knows a node."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        break
            await asyncio.sleep(0.1)
    click.echo(f"\nParley is running: open http://localhost:{port} (Ctrl-C stops it)\n")


async def _stop(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Ask the parts to end; make them after a while."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await asyncio.gather(*(process.wait() for process in processes))
    except TimeoutError:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


if __name__ == "__main__":
    main()
