"""`parley bots`: sends bots into meetings of a running service, reports, and fails if any went without."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import click

from tests.load import fleet
from tests.load.api import Api, ApiFailed
from tests.load.light.bot import SIMULCAST, LightBot, Shape
from tests.load.light.dtls import Identity
from tests.load.light.pump import Pump
from tests.load.outcome import Visit, summary
from tests.load.participant import Bot
from tests.load.voices import turns

_SINGLE = SIMULCAST[1:2]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the bots. The first `publish` bots of each room send, the others only look on."""

    rooms: int
    bots: int
    seconds: float
    kind: str
    publish: int
    audio: bool
    video: bool
    simulcast: bool
    decode: bool


def _option(name: str, variable: str, **more: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(name, envvar=f"PARLEY_BOTS_{variable}", show_envvar=True, show_default=True, **more)


_COUNT = click.IntRange(min=1)
_OPTIONS = (
    _option("--rooms", "ROOMS", type=_COUNT, default=1, help="Meetings to make."),
    _option("--bots", "BOTS", type=_COUNT, default=4, help="Bots in each."),
    _option("--seconds", "SECONDS", type=click.FloatRange(min=1), default=10.0, help="How long they stay."),
    _option("--kind", "KIND", type=click.Choice(["light", "full"]), default="light", help="Kind of bot."),
    _option("--publish", "PUBLISH", type=click.IntRange(min=0), default=99, help="Bots of a room that send."),
    _option("--audio/--no-audio", "AUDIO", default=True, help="Whether they send audio."),
    _option("--video/--no-video", "VIDEO", default=True, help="Whether they send video."),
    _option("--simulcast/--single", "SIMULCAST", default=True, help="Layers of a light bot's video."),
    _option("--decode/--no-decode", "DECODE", default=False, help="Whether full bots decode what they get."),
)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what is asked of the bots."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("bots")
@click.option(
    "--control",
    envvar="PARLEY_CONTROL_URL",
    show_envvar=True,
    show_default=True,
    default="http://127.0.0.1:8080",
    help="The service they join.",
)
@options
def command(control: str, **asked: Any) -> None:
    """Send bots into meetings, like guests, and report how they fared.

    Exits with 1 if a bot could not join, or did not get media it should have got.
    """
    report(asyncio.run(visit(control, Request(**asked))))


def report(outcome: Visit) -> None:
    """Print the report and exit accordingly."""
    click.echo(summary(outcome))
    sys.exit(1 if outcome.failed else 0)


async def visit(control: str, request: Request) -> Visit:
    """Return what became of each bot. Raises click.ClickException if no meeting can be made."""
    connector = aiohttp.TCPConnector(limit=0)
    # Each guest is somebody else: no cookies, or the next would come as the one before.
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        async with _maker(request) as make:
            asked = fleet.Fleet(request.rooms, request.bots, request.seconds, make)
            try:
                return await fleet.run(asked, Api(http, control), http)
            except ApiFailed as error:
                raise click.ClickException(str(error)) from error


@contextlib.asynccontextmanager
async def _maker(request: Request) -> AsyncIterator[Callable[[int], Bot]]:
    """Give what makes the bot of each seat in a room, and what they all share."""
    if request.kind == "full":
        from tests.load import full  # aiortc and its codecs take their time to load

        full.prepare(decode=request.decode)

        def full_bot(seat: int) -> Bot:
            sends = seat < request.publish
            microphone, camera = request.audio and sends, request.video and sends
            return full.FullBot(microphone=microphone, camera=camera, decode=request.decode)

        yield full_bot
        return
    identity = Identity()
    async with Pump() as pump:
        yield lambda seat: LightBot(pump, identity, _shape(request, seat))


def _shape(request: Request, seat: int) -> Shape:
    sends = seat < request.publish
    camera = SIMULCAST if request.simulcast else _SINGLE
    return Shape(
        camera=camera if request.video and sends else (),
        microphone=turns(seat, request.bots) if request.audio and sends else None,
    )


if __name__ == "__main__":
    command()
