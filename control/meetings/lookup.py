"""From a code in a path to the meeting, slowly for those who guess."""

from aiohttp import web
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from control.edge.caller import CALLER, Caller
from control.meetings import store
from control.meetings.codes import canonical, shard_of
from control.meetings.store import Meeting
from control.rates.port import Buckets
from control.refusals import Reason, Refused
from control.shards.shards import Shards


class Lookup:
    """Finds meetings. A wrong code costs a guess; an address without guesses left is told nothing at all."""

    def __init__(self, shards: Shards, guesses: Buckets) -> None:
        self._shards = shards
        self._guesses = guesses

    async def find(self, request: web.Request) -> Meeting:
        """Return the meeting of the path's code. Raises `Refused` with MEETING_UNKNOWN or RATE_LIMITED."""
        return await self.find_by(request.match_info["code"], request[CALLER])

    async def find_by(self, text: str, caller: Caller) -> Meeting:
        """Return the meeting of the code that the caller gave. Raises as `find` does."""
        address = caller.rate_key
        self._guesses.require(address)
        code = canonical(text)
        meeting = None if code is None else await self._by_code(code)
        if meeting is None:
            await self._guesses.take(address)
            raise Refused(Reason.MEETING_UNKNOWN)
        return meeting

    async def _by_code(self, code: str) -> Meeting | None:
        """Look where the code tells, then in the first database, whose codes may begin alike.

        So those of its meetings are found while another database is away.
        """
        told = shard_of(code)
        failure: Exception | None = None
        for number in (told, 0) if 0 < told < len(self._shards) else (0,):
            try:
                async with self._shards[number].read() as session:
                    meeting = await store.by_code(session, code)
            except (DBAPIError, PoolTimeoutError) as error:
                failure = error
                continue
            if meeting is not None:
                return meeting
        if failure is not None:
            raise failure
        return None
