"""One bot in one room, from joining to leaving, and what became of it."""

import asyncio
import time

import aiohttp

from tests.load.api import Api, ApiFailed
from tests.load.outcome import COULD_NOT_JOIN, Outcome
from tests.load.participant import NOTHING, Bot, BotFailed, Tally
from tests.load.seating import Seat

_LEAVE_S = 10.0
_PATIENCE_S = 10.0
_PATIENCE_STEP_S = 0.1


class Stay:
    """Call `enter`; who is connected then: `judge`; at last `leave`. After that the outcome is final."""

    def __init__(self, seat: Seat, bot: Bot) -> None:
        self.seat = seat
        self.node = ""
        self.connected_at: float | None = None
        self._bot = bot
        self._failure = ""
        self._began_at = time.monotonic()
        self._measured_from: tuple[float, Tally] = (0.0, NOTHING)
        self._judged: tuple[float, Tally] | None = None

    async def enter(self, api: Api, http: aiohttp.ClientSession, code: str) -> None:
        """Join the meeting with this code, and its room."""
        self._began_at = time.monotonic()
        try:
            admission = await api.join(code, self.seat.name)
            self.node = admission.node
            await self._bot.join(http, admission.signal_url, admission.ticket)
        except (ApiFailed, BotFailed) as error:
            self._failure = f"{COULD_NOT_JOIN}: {error}"
        else:
            self.connected_at = time.monotonic()
            self.measure()

    @property
    def connected_s(self) -> float | None:
        """How long joining took; None of who is not connected."""
        return None if self.connected_at is None else self.connected_at - self._began_at

    def measure(self) -> None:
        """Take bitrates from now on."""
        self._measured_from = time.monotonic(), self._bot.tally()

    def tally(self) -> Tally:
        """Return what was counted so far, up to when it was judged."""
        return self._bot.tally() if self._judged is None else self._judged[1]

    async def judge(self) -> None:
        """Say what is missing, if it has not come after a little patience."""
        end = time.monotonic() + _PATIENCE_S
        while (missing := self._bot.missing()) and time.monotonic() < end:  # noqa: ASYNC110 - it is polled
            await asyncio.sleep(_PATIENCE_STEP_S)
        self._failure = missing
        self._judged = time.monotonic(), self._bot.tally()

    async def leave(self) -> None:
        """Leave, whatever came of joining."""
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._bot.leave()
        except TimeoutError:
            self._failure = self._failure or "did not get out in time"

    def outcome(self) -> Outcome:
        """Return what became of it."""
        seat, (since, before) = self.seat, self._measured_from
        if self.connected_at is None or self._judged is None:
            return Outcome(name=seat.name, room=seat.room, node=self.node, failure=self._failure)
        until, tally = self._judged
        over_s = max(until - since, 1e-3)
        return Outcome(
            name=seat.name,
            room=seat.room,
            node=self.node,
            failure=self._failure,
            connected_s=self.connected_s,
            first_media_s=self._after_s(self._bot.first_media_at),
            first_picture_s=self._after_s(self._bot.first_picture_at),
            in_bps=(tally.bytes_in - before.bytes_in) * 8 / over_s,
            out_bps=(tally.bytes_out - before.bytes_out) * 8 / over_s,
            tally=tally,
        )

    def _after_s(self, at: float | None) -> float | None:
        return None if at is None else at - self._began_at
