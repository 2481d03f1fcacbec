"""The `parley` command: runs the parts of the house, alone or, for a newcomer, all at once.

It knows the parts as names and processes only, so that neither service is imported to run the other.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import aiohttp

COMMANDS = {
    "control": "control.cli",
    "worker": "control.worker",
    "jobs": "control.jobs.cli",
    "nodes": "control.nodes.cli",
    "backup": "control.backup.backup_cli",
    "restore": "control.backup.restore_cli",
    "sfu": "sfu.node.cli",
    "doctor": "doctor.cli",
    "bots": "tests.load.cli",
}
STOP_TIMEOUT_S = 15.0


class _Parts(click.Group):
    """Imports a part's command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        parts = (name for name, module in COMMANDS.items() if _is_here(module))
        return [*super().list_commands(ctx), *parts]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in COMMANDS:
            return own
        if not _is_here(COMMANDS[cmd_name]):
            raise click.ClickException(f"`parley {cmd_name}` needs a source checkout.")
        module = importlib.import_module(COMMANDS[cmd_name])
        command: click.Command = module.command
        return command


def _is_here(module: str) -> bool:
    """Tell whether a part's package is installed: the bots are in a source checkout only."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


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
    """Run control and one node here, on the embedded default, until Ctrl-C; with RabbitMQ a worker, too.

    Settings of both parts are taken from their environment variables: see `parley control --help` and
    `parley sfu --help`.
    """
    sys.exit(asyncio.run(_run(data.absolute())))


async def _run(data: Path) -> int:
    """Start control and a node; stop both when asked to, or when one of them ends."""
    from control.keys import ensure_secrets  # noqa: PLC0415 - only this command needs it

    ensure_secrets(data)
    port = os.environ.get("PARLEY_CONTROL_PORT", "8080")
    environment = {
        "PARLEY_CONTROL_URL": f"http://127.0.0.1:{port}",
        **os.environ,
        "PARLEY_DATA": str(data),
        "PYTHONUNBUFFERED": "1",
    }
    names = ["sfu", "control"] + ["worker"] * bool(environment.get("PARLEY_AMQP_URL"))
    parts = [await _start(name, environment) for name in names]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    waiting = [asyncio.create_task(part.wait()) for part in parts]
    waiting.append(asyncio.create_task(stop.wait()))
    ready = asyncio.create_task(_announce(port, environment.get("PARLEY_SFU_PORT", "8081")))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if not stop.is_set():
        click.echo("parley: a part ended by itself; stopping the other.", err=True)
    for part in parts:
        await _stop(part)
    waiting[-1].cancel()
    return 0 if stop.is_set() else 1


async def _start(name: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start a part in a process group of its own, so that Ctrl-C reaches it through us alone."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", COMMANDS[name], env=environment, process_group=0
    )


async def _announce(*ports: str) -> None:
    """Say where to go once all parts are ready."""
    import aiohttp  # noqa: PLC0415 - only this command needs it

    async with aiohttp.ClientSession() as session:
        for port in ports:
            while not await _is_ready(session, port):  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.1)
    click.echo(f"\nParley is running: open http://localhost:{ports[0]} (Ctrl-C stops it)\n")


async def _is_ready(session: "aiohttp.ClientSession", port: str) -> bool:
    with contextlib.suppress(OSError):
        async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
            return response.status == 200
    return False


async def _stop(part: asyncio.subprocess.Process) -> None:
    """Ask a part to end; make it, after a while. The node goes first: control hears of it."""
    with contextlib.suppress(ProcessLookupError):
        part.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await part.wait()
    except TimeoutError:
        part.kill()
        await part.wait()


if __name__ == "__main__":
    main()
