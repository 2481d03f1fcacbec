"""Who may see a meeting's inside: the host, whoever got a ticket with an account, guests with its token."""

from aiohttp import web

from control.accounts.access import Access
from control.accounts.tokens import GuestIdentity, Identity
from control.edge.caller import CALLER, Caller
from control.events.schema import Author
from control.meetings.lookup import Lookup
from control.meetings.store import Meeting
from control.people import store
from control.refusals import Reason, Refused
from control.shards.shards import Shards


class Members:
    """The check before everything that is not for strangers."""

    def __init__(self, shards: Shards, lookup: Lookup, access: Access) -> None:
        self._shards = shards
        self._lookup = lookup
        self._access = access

    async def admit(self, request: web.Request) -> tuple[Meeting, Author]:
        """Return the meeting of the path's code, and as whom the caller speaks in it.

        Raises `Refused` with UNAUTHENTICATED, MEETING_UNKNOWN, RATE_LIMITED or NOT_A_MEMBER.
        """
        identity = self._access.identity(request)
        if identity is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return await self.admit_as(identity, request.match_info["code"], request[CALLER])

    async def admit_as(self, identity: Identity, code: str, caller: Caller) -> tuple[Meeting, Author]:
        """Return the meeting of the code, and as whom the caller, who is known already, speaks in it.

        Raises as `admit` does.
        """
        meeting = await self._lookup.find_by(code, caller)
        return meeting, await self._author(meeting, identity)

    async def _author(self, meeting: Meeting, identity: Identity) -> Author:
        if isinstance(identity, GuestIdentity):
            if identity.meeting != meeting.id:
                raise Refused(Reason.NOT_A_MEMBER)
            return Author(identity.peer, identity.name)
        if identity.account == meeting.host_id:
            return Author(meeting.host_id, meeting.host_name)
        async with self._shards.of(meeting.id).read() as session:
            name = await store.name_in(session, meeting.id, identity.account)
        if name is None:
            raise Refused(Reason.NOT_A_MEMBER)
        return Author(identity.account, name)
