"""Many bots in many rooms: they come and go as the scenario says, and each is asked what it got."""

import asyncio
import contextlib
import time

import aiohttp

from tests.load.api import Api, ApiFailed
from tests.load.casting import Make
from tests.load.outcome import Outcome
from tests.load.participant import NOTHING, Tally, total
from tests.load.scenario import Scenario
from tests.load.seating import Habits, Seat, seats
from tests.load.stay import Stay

_TALLIED_AT_ONCE = 50


class Fleet:
    """Plays one scenario, which sets `over` at its end, or ends when that is set before.

    `outcomes` are of who has left, or never came in.
    """

    def __init__(
        self, scenario: Scenario, api: Api, http: aiohttp.ClientSession, make: Make, over: asyncio.Event
    ) -> None:
        self._seats = seats(scenario)
        self.outcomes: list[Outcome] = []
        self.opened_at: float | None = None
        self._scenario = scenario
        self._api = api
        self._http = http
        self._make = make
        self._door = asyncio.Semaphore(scenario.joining_at_once)
        self._codes: dict[str, str] = {}
        self._stays: set[Stay] = set()
        self._gone = NOTHING
        self._over = over

    async def play(self) -> None:
        """Return when everybody has left. Raises ApiFailed if no meetings can be made."""
        early = [seat for seat in self._seats if seat.cohort.is_there_from_the_beginning]
        late = [seat for seat in self._seats if not seat.cohort.is_there_from_the_beginning]
        try:
            await self._open_rooms()
            await asyncio.gather(*(self._enter_by_turns(seat) for seat in early))
            self.opened_at = time.monotonic()
            for stay in self.present:
                stay.measure()
            async with asyncio.TaskGroup() as tasks:
                for stay in self.present:
                    tasks.create_task(self._go_on(stay))
                for seat in late:
                    tasks.create_task(self._come(seat))
                await self._pass(self._scenario.seconds)
                self._over.set()
            # All are judged before the first leaves, or nobody would miss a picture of who has left.
            await asyncio.gather(*(stay.judge() for stay in self.present))
            await asyncio.gather(*(self._leave(stay) for stay in self.present))
        finally:
            await self._clean_up()

    @property
    def present(self) -> list[Stay]:
        """Who is in a room."""
        return [stay for stay in self._stays if stay.connected_at is not None]

    @property
    def ordered(self) -> tuple[Outcome, ...]:
        """The outcomes in the order of seats."""
        order = {seat.name: number for number, seat in enumerate(self._seats)}
        return tuple(sorted(self.outcomes, key=lambda outcome: order[outcome.name]))

    async def tally(self) -> Tally:
        """Return what all bots together counted so far; others get their turns meanwhile."""
        counted, stays = self._gone, tuple(self._stays)
        for first in range(0, len(stays), _TALLIED_AT_ONCE):
            some = stays[first : first + _TALLIED_AT_ONCE]
            counted = total((counted, *(stay.tally() for stay in some)))
            await asyncio.sleep(0)
        return counted

    async def _open_rooms(self) -> None:
        await self._api.register()

        async def open_room(room: str) -> None:
            async with self._door:
                self._codes[room] = await self._api.create_meeting(room)

        await asyncio.gather(*(open_room(room) for room in {seat.room for seat in self._seats}))

    async def _pass(self, seconds: float) -> bool:
        """Let time pass; tell whether the scenario goes on after it."""
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return True
        return False

    async def _come(self, seat: Seat) -> None:
        if await self._pass(seat.arrives_at_s):
            await self._go_on(await self._enter(seat))

    async def _go_on(self, stay: Stay) -> None:
        """Leave and come back, as often as the scenario has it; who stays to the end is left in the room."""
        cohort, habits = stay.seat.cohort, Habits(self._scenario, stay.seat)
        while cohort.stay_s is not None and stay.connected_at is not None:
            if not await self._pass(habits.vary(cohort.stay_s)):
                return
            await stay.judge()
            await self._leave(stay)
            if cohort.away_s is None or not await self._pass(habits.vary(cohort.away_s)):
                return
            stay = await self._enter(stay.seat)

    async def _enter_by_turns(self, seat: Seat) -> None:
        async with self._door:
            if not self._over.is_set():
                await self._enter(seat)

    async def _enter(self, seat: Seat) -> Stay:
        stay = Stay(seat, self._make(seat))
        self._stays.add(stay)
        await stay.enter(self._api, self._http, self._codes[seat.room])
        if stay.connected_at is None:
            await self._leave(stay)
        return stay

    async def _leave(self, stay: Stay) -> None:
        await stay.leave()
        self._stays.discard(stay)
        self._gone = total((self._gone, stay.tally()))
        self.outcomes.append(stay.outcome())

    async def _clean_up(self) -> None:
        """Leave nobody and nothing behind, whatever happened."""
        await asyncio.gather(*(stay.leave() for stay in self._stays))
        with contextlib.suppress(ApiFailed):
            await asyncio.gather(*(self._api.end_meeting(code) for code in self._codes.values()))
