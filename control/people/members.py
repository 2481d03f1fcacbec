"""Who may see a meeting's inside: the host, whoever got a ticket with an account, guests with its token."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.access import Access
from control.accounts.tokens import GuestIdentity, Identity
from control.edge.caller import CALLER, Caller
from control.events.schema import Author
from control.meetings.lookup import Lookup
from control.meetings.store import Meeting
from control.people import store
from control.refusals import Reason, Refused


class Members:
    """The check before everything that is not for strangers."""

    def __init__(self, lookup: Lookup, access: Access) -> None:
        self._lookup = lookup
        self._access = access

    async def admit(self, session: AsyncSession, request: web.Request) -> tuple[Meeting, Author]:
        """Return the meeting of the path's code, and as whom the caller speaks in it.

        Raises `Refused` with UNAUTHENTICATED, MEETING_UNKNOWN, RATE_LIMITED or NOT_A_MEMBER.
        """
        identity = self._access.identity(request)
        if identity is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return await self.admit_as(session, identity, request.match_info["code"], request[CALLER])

    async def admit_as(
        self, session: AsyncSession, identity: Identity, code: str, caller: Caller
    ) -> tuple[Meeting, Author]:
        """Return the meeting of the code, and as whom the caller, who is known already, speaks in it.

        Raises as `admit` does.
        """
        meeting = await self._lookup.find_by(session, code, caller)
        return meeting, await _author(session, meeting, identity)


async def _author(session: AsyncSession, meeting: Meeting, identity: Identity) -> Author:
    if isinstance(identity, GuestIdentity):
        if identity.meeting != meeting.id:
            raise Refused(Reason.NOT_A_MEMBER)
        return Author(identity.peer, identity.name)
    account = await accounts.by_id(session, identity.account)
    if account is None:
        raise Refused(Reason.UNAUTHENTICATED)
    if account.id != meeting.host_id and not await store.has_attended(session, meeting.id, account.id):
        raise Refused(Reason.NOT_A_MEMBER)
    return Author(account.id, account.name)
