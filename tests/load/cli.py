"""`parley bots`: sends bots into meetings of a running service, reports, and fails if any went without."""

import asyncio
import contextlib
import datetime
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import click
from click.core import ParameterSource

from tests.load import page, report
from tests.load.api import Api, ApiFailed
from tests.load.casting import casting
from tests.load.fleet import Fleet
from tests.load.outcome import Visit
from tests.load.progress import Progress
from tests.load.sampling import Note, Sampler
from tests.load.scenario import Scenario, ScenarioInvalid, made, read
from tests.load.scraping import Target

_Command = Callable[..., None]


def _option(name: str, variable: str, **more: Any) -> Callable[[_Command], _Command]:
    return click.option(name, envvar=f"PARLEY_BOTS_{variable}", show_envvar=True, show_default=True, **more)


_COUNT = click.IntRange(min=1)
_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    _option("--scenario", "SCENARIO", type=_FILE, help="TOML file that says it all, instead of the others."),
    _option("--rooms", "ROOMS", type=_COUNT, default=1, help="Meetings to make."),
    _option("--bots", "BOTS", type=_COUNT, default=4, help="Bots in each."),
    _option("--seconds", "SECONDS", type=click.FloatRange(min=1), default=10.0, help="How long they stay."),
    _option("--kind", "KIND", type=click.Choice(["light", "full"]), default="light", help="Kind of bot."),
    _option("--publish", "PUBLISH", type=click.IntRange(min=0), default=99, help="Bots of a room that send."),
    _option("--audio/--no-audio", "AUDIO", default=True, help="Whether they send audio."),
    _option("--video/--no-video", "VIDEO", default=True, help="Whether they send video."),
    _option("--simulcast/--single", "SIMULCAST", default=True, help="Layers of a light bot's video."),
    _option("--decode/--no-decode", "DECODE", default=False, help="Whether full bots decode what they get."),
    _option("--json", "JSON", type=_FILE, help="File to write results to, as JSON."),
    _option("--html", "HTML", type=_FILE, help="File to write results to, as a page of plots."),
)


def options(command: _Command) -> _Command:
    """Give a command the options that say what bots are to do, and where to report it."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return click.pass_context(command)


class _TargetType(click.ParamType["Target"]):
    name = "[name=]url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        try:
            return Target.of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("bots")
@click.option(
    "--control",
    envvar="PARLEY_CONTROL_URL",
    show_envvar=True,
    show_default=True,
    default="http://127.0.0.1:8080",
    help="The service they join.",
)
@_option("--metrics", "METRICS", type=_TargetType(), multiple=True, help="/metrics of a node or of control.")
@options
def command(ctx: click.Context, control: str, metrics: Sequence[Target], **asked: Any) -> None:
    """Send bots into meetings, like guests, and report how they fared.

    Exits with 1 if a bot could not join, or did not get media it should have got. Ctrl-C ends it early.
    """
    wanted = scenario_of(ctx, asked)
    if len({target.name for target in metrics}) < len(metrics):
        raise click.UsageError("--metrics: two servers have the same name; give them as NAME=URL.")
    with noting() as note:
        run = partial(visit, control, wanted, metrics, note)
        result = asyncio.run(until_interrupted(run))
    tell(result, wanted, asked)


def scenario_of(ctx: click.Context, asked: dict[str, Any]) -> Scenario:
    """Return the scenario of a command's options. Raises click.UsageError."""
    given = {name for name in asked if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    try:
        if asked["scenario"] is None:
            return made(content_of(asked))
        if others := sorted(given - {"scenario", "json", "html"}):
            raise click.UsageError(f"--{others[0]} goes without --scenario: the file says it.")
        return read(asked["scenario"])
    except ScenarioInvalid as error:
        raise click.UsageError(str(error)) from error


def content_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a scenario's file: `publish` bots of each room send, the others look on."""
    alike = {"kind": asked["kind"], "decode": asked["decode"]}
    layers = "simulcast" if asked["simulcast"] else "single"
    sending = {
        "count": min(asked["publish"], asked["bots"]),
        "video": layers if asked["video"] else "none",
        "audio": "speech" if asked["audio"] else "none",
    }
    watching = {"count": asked["bots"] - sending["count"], "video": "none", "audio": "none"}
    cohorts = [each | alike for each in (sending, watching) if each["count"]]
    return {"seconds": asked["seconds"], "groups": [{"rooms": asked["rooms"], "bots": cohorts}]}


@contextlib.contextmanager
def noting() -> Iterator[Note]:
    """Show samples while this lasts."""
    progress = Progress(sys.stdout)
    try:
        yield progress.note
    finally:
        progress.end()


async def visit(
    control: str,
    wanted: Scenario,
    targets: Sequence[Target] = (),
    note: Note = lambda _sample: None,
    over: asyncio.Event | None = None,
) -> Visit:
    """Return what became of each bot; `over` ends it early.

    Raises click.ClickException if no meeting can be made.
    """
    connector = aiohttp.TCPConnector(limit=0)
    # Each guest is somebody else: no cookies, or the next would come as the one before.
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
        casting(wanted) as make,
    ):
        fleet = Fleet(wanted, Api(http, control), http, make, over or asyncio.Event())
        try:
            async with Sampler(fleet, http, targets, note) as sampler:
                await fleet.play()
        except ApiFailed as error:
            raise click.ClickException(str(error)) from error
        return Visit(fleet.ordered, sampler.lag_s, tuple(sampler.samples))


async def until_interrupted(run: Callable[[asyncio.Event], Awaitable[Visit]]) -> Visit:
    """Return what becomes of a run. The first Ctrl-C sets its event, the second ends everything at once."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        over.set()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        return await run(over)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def tell(result: Visit, wanted: Scenario, asked: dict[str, Any]) -> None:
    """Print the report, write the files that are asked for, and exit accordingly."""
    click.echo(report.text(result))
    if asked["json"] is not None:
        _write(asked["json"], report.document(wanted, result, datetime.datetime.now(datetime.UTC)))
    if asked["html"] is not None:
        _write(asked["html"], page.report(wanted, result).encode())
    sys.exit(1 if result.failed else 0)


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    command()
