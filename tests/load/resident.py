"""A bot that stays in its meeting whatever becomes of its node: it moves when the room does, and comes back.

It does as the page does: where the room moves, the new stay is made while the old one goes on; where the node
is lost, control is asked for another, as the same peer. `silence` tells what was heard of it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from tests.load.api import Admission, Api, ApiFailed
from tests.load.light.bot import LightBot, ReceptionOf, watch
from tests.load.light.reception import AudioReception, Reception
from tests.load.light.traffic import Traffic
from tests.load.participant import BotFailed

FAREWELL_S = 3.0
AGAIN_S = 0.5
AGAIN_MAX_S = 4.0
NOTED_S = 0.04


@dataclass
class Silence:
    """When nothing was heard for longer than usual: beginnings and lengths, in seconds."""

    gaps: list[tuple[float, float]] = field(default_factory=list)
    _heard_at: float | None = None

    def heard(self, now: float) -> None:
        """A packet of sound came."""
        if self._heard_at is not None and now - self._heard_at > NOTED_S:
            self.gaps.append((self._heard_at, now - self._heard_at))
        self._heard_at = now

    def longest(self, since: float, now: float) -> float:
        """Return the longest gap that ended after `since`, one that lasts included."""
        lasting = 0.0 if self._heard_at is None else now - self._heard_at
        return max([lasting, *(length for start, length in self.gaps if start + length > since)])


class _Ear(AudioReception):
    """Takes the sound of one slot."""

    def __init__(self, ssrc: int, silence: Silence) -> None:
        super().__init__(ssrc)
        self._silence = silence

    def received(self, packet: memoryview, sequence: int, arrived: float) -> bool:
        """Take a packet."""
        self._silence.heard(arrived)
        return super().received(packet, sequence, arrived)


class Resident:
    """Call `enter`, later `leave`. `make` makes a bot with what takes its slots' packets."""

    def __init__(
        self,
        api: Api,
        http: aiohttp.ClientSession,
        code: str,
        name: str,
        make: Callable[[ReceptionOf], LightBot],
    ) -> None:
        self.silence = Silence()
        self.moves = 0
        self.losses = 0
        self.failure = ""
        self._api = api
        self._http = http
        self._code = code
        self._name = name
        self._make = make
        self._admission: Admission | None = None
        self._bot = self._fresh()
        self._former: LightBot | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Join, and stay from now on. Raises ApiFailed or BotFailed."""
        await self._join(self._bot, unreachable=False)
        self._keeping = asyncio.create_task(self._keep(), name=self._name)

    async def leave(self) -> None:
        """Leave for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        for bot in (self._former, self._bot):
            if bot is not None:
                await bot.leave()

    def missing(self) -> str:
        """Return what should come and does not, in words."""
        return self.failure or self._bot.missing()

    def _fresh(self) -> LightBot:
        def reception_of(kind: str, ssrc: int, traffic: Traffic) -> Reception:
            return _Ear(ssrc, self.silence) if kind == "audio" else watch(kind, ssrc, traffic)

        return self._make(reception_of)

    async def _join(self, bot: LightBot, *, unreachable: bool) -> None:
        admission = await self._api.join(self._code, self._name, self._admission, unreachable=unreachable)
        self._admission = admission
        await bot.join(self._http, admission.signal_url, admission.ticket)

    async def _keep(self) -> None:
        """Stay: one bot after the other."""
        while True:
            moves = await self._bot.conversation.over()
            former, bot = self._bot, self._fresh()
            if moves:
                self._former = former
                if await self._moved(bot):
                    self.moves += 1
                    self._bot = bot
                    await asyncio.sleep(FAREWELL_S)
                    await former.leave()
                    self._former = None
                    continue
                bot = self._fresh()
            await former.leave()
            self.losses += 1
            self._bot = await self._came_back(bot)

    async def _moved(self, bot: LightBot) -> bool:
        try:
            await self._join(bot, unreachable=False)
        except (ApiFailed, BotFailed):
            await bot.leave()
            return False
        return True

    async def _came_back(self, bot: LightBot) -> LightBot:
        wait_s = AGAIN_S
        while True:
            try:
                await self._join(bot, unreachable=True)
            except (ApiFailed, BotFailed) as error:
                self.failure = str(error)
                await bot.leave()
                await asyncio.sleep(wait_s)
                wait_s = min(AGAIN_MAX_S, wait_s * 2)
                bot = self._fresh()
            else:
                self.failure = ""
                return bot


async def gathered(residents: list[Resident], at_once: int) -> None:
    """Let all enter, so many at a time. Raises what one of them met."""
    limit = asyncio.Semaphore(at_once)

    async def enter(resident: Resident) -> None:
        async with limit:
            await resident.enter()

    await asyncio.gather(*(enter(resident) for resident in residents))


async def dispersed(residents: list[Resident]) -> None:
    """Let all leave."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.gather(*(resident.leave() for resident in residents), return_exceptions=True)
