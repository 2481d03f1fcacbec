"""Many bots in many rooms: lets them in, lets them talk for a while, asks each what it got."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp

from tests.load.api import Admission, Api, ApiFailed
from tests.load.outcome import Outcome, Visit
from tests.load.participant import NOTHING, Bot, BotFailed, Tally

_AT_ONCE = 8
_LEAVE_S = 10.0
_LAG_STEP_S = 0.02
_PATIENCE_S = 10.0
_PATIENCE_STEP_S = 0.1


@dataclass(frozen=True)
class Fleet:
    """How many bots, and what makes each from its place in its room."""

    rooms: int
    bots: int
    seconds: float
    make: Callable[[int], Bot]


@dataclass
class _Place:
    """A bot on its way through the run."""

    name: str
    bot: Bot
    began_at: float = 0.0
    connected_at: float | None = None
    failure: str = ""
    before: Tally = NOTHING


async def run(fleet: Fleet, api: Api, http: aiohttp.ClientSession) -> Visit:
    """Return what became of every bot. Raises ApiFailed if no meetings can be made."""
    await api.register()
    codes = [await api.create_meeting(f"Bots {number + 1}") for number in range(fleet.rooms)]
    places = [
        (code, _Place(f"room {number + 1}, bot {seat + 1}", fleet.make(seat)))
        for seat in range(fleet.bots)
        for number, code in enumerate(codes)
    ]
    limit = asyncio.Semaphore(_AT_ONCE)

    async def enter(code: str, place: _Place) -> None:
        async with limit:
            await _enter(api, http, code, place)

    try:
        await asyncio.gather(*(enter(code, place) for code, place in places))
        for _, place in places:
            place.before = place.bot.tally()
        began = time.monotonic()
        lag_s = await _watch_lag(fleet.seconds)
        await _patience(place.bot for _, place in places if place.connected_at is not None)
        over_s = time.monotonic() - began
        return Visit(tuple(_outcome(place, over_s) for _, place in places), lag_s)
    finally:
        await asyncio.gather(*(_leave(place) for _, place in places))
        with contextlib.suppress(ApiFailed):
            await asyncio.gather(*(api.end_meeting(code) for code in codes))


async def _watch_lag(seconds: float) -> float:
    """Let time pass; return the most by which this process was late for anything."""
    worst, end = 0.0, time.monotonic() + seconds
    while (due := time.monotonic() + _LAG_STEP_S) < end:
        await asyncio.sleep(_LAG_STEP_S)
        worst = max(worst, time.monotonic() - due)
    return worst


async def _patience(bots: Iterable[Bot]) -> None:
    """Give bots that miss something a little longer before they are judged."""
    waiting = list(bots)
    for _ in range(int(_PATIENCE_S / _PATIENCE_STEP_S)):
        waiting = [bot for bot in waiting if bot.missing()]
        if not waiting:
            return
        await asyncio.sleep(_PATIENCE_STEP_S)


async def _enter(api: Api, http: aiohttp.ClientSession, code: str, place: _Place) -> None:
    place.began_at = time.monotonic()
    try:
        admission: Admission = await api.join(code, place.name)
        await place.bot.join(http, admission.signal_url, admission.ticket)
    except (ApiFailed, BotFailed) as error:
        place.failure = f"could not join: {error}"
    else:
        place.connected_at = time.monotonic()


async def _leave(place: _Place) -> None:
    try:
        async with asyncio.timeout(_LEAVE_S):
            await place.bot.leave()
    except TimeoutError:
        place.failure = place.failure or "did not get out in time"


def _outcome(place: _Place, over_s: float) -> Outcome:
    if place.connected_at is None:
        return Outcome(name=place.name, failure=place.failure)
    bot, tally = place.bot, place.bot.tally()
    return Outcome(
        name=place.name,
        failure=bot.missing(),
        connected_s=place.connected_at - place.began_at,
        first_media_s=_since(place.began_at, bot.first_media_at),
        first_picture_s=_since(place.began_at, bot.first_picture_at),
        in_bps=(tally.bytes_in - place.before.bytes_in) * 8 / over_s,
        out_bps=(tally.bytes_out - place.before.bytes_out) * 8 / over_s,
        tally=tally,
    )


def _since(began_at: float, at: float | None) -> float | None:
    return None if at is None else at - began_at
