"""From a code in a path to the meeting, slowly for those who guess."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from control.edge.caller import CALLER, Caller
from control.meetings import store
from control.meetings.codes import canonical
from control.meetings.store import Meeting
from control.rates import Buckets
from control.refusals import Reason, Refused


class Lookup:
    """Finds meetings. A wrong code costs a guess; an address without guesses left is told nothing at all."""

    def __init__(self, guesses: Buckets) -> None:
        self._guesses = guesses

    async def find(self, session: AsyncSession, request: web.Request) -> Meeting:
        """Return the meeting of the path's code. Raises `Refused` with MEETING_UNKNOWN or RATE_LIMITED."""
        return await self.find_by(session, request.match_info["code"], request[CALLER])

    async def find_by(self, session: AsyncSession, text: str, caller: Caller) -> Meeting:
        """Return the meeting of the code that the caller gave. Raises as `find` does."""
        address = caller.rate_key
        self._guesses.require(address)
        code = canonical(text)
        meeting = None if code is None else await store.by_code(session, code)
        if meeting is None:
            self._guesses.take(address)
            raise Refused(Reason.MEETING_UNKNOWN)
        return meeting
