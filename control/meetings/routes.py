"""Meetings over HTTP: make, list, look at, change, cancel, end."""

from dataclasses import dataclass

from aiohttp import web
from msgspec import UNSET
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.access import Access
from control.accounts.store import Account
from control.accounts.tokens import AccountIdentity
from control.edge.body import answer, one_line, read_json, read_query
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.idempotency.header import attempt_of
from control.idempotency.service import Idempotency
from control.meetings.lists import Lists, Place
from control.meetings.lookup import Lookup
from control.meetings.schema import (
    MeetingChange,
    MeetingQuery,
    MeetingView,
    NewMeeting,
    PublicView,
    public_view_of,
    view_of,
)
from control.meetings.service import Meetings
from control.meetings.store import When
from control.paging import Page, page, window
from control.rates.port import Buckets
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards

MEETINGS = "/api/meetings"
MEETING = "/api/meetings/{code}"


@dataclass(frozen=True)
class Making:
    """How often one account may make a meeting, and how a request sent again makes no second one."""

    rate: Buckets
    idempotency: Idempotency


class MeetingRoutes:
    """The routes of meetings."""

    def __init__(
        self,
        shards: Shards,
        meetings: Meetings,
        lists: Lists,
        lookup: Lookup,
        access: Access,
        making: Making,
    ) -> None:
        self._shards = shards
        self._meetings = meetings
        self._lists = lists
        self._lookup = lookup
        self._access = access
        self._making = making

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", MEETINGS, self.create, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .takes(NewMeeting)
            .gives(MeetingView, 201)
            .refuses(Reason.RATE_LIMITED)
            .idempotent(),
            Endpoint("GET", MEETINGS, self.list, Who.ACCOUNT, Scope.MEETINGS_READ)
            .asks(MeetingQuery)
            .gives(Page[MeetingView]),
            Endpoint("GET", MEETING, self.look, Who.ANYONE, Scope.MEETINGS_READ).gives(PublicView),
            Endpoint("PATCH", MEETING, self.change, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .takes(MeetingChange)
            .gives(MeetingView)
            .refuses(Reason.NOT_THE_HOST, Reason.MEETING_ENDED, Reason.MEETING_CANCELLED),
            Endpoint("POST", f"{MEETING}/cancel", self.cancel, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .gives(MeetingView)
            .refuses(Reason.NOT_THE_HOST, Reason.MEETING_ENDED),
            Endpoint("POST", f"{MEETING}/end", self.end, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .gives(MeetingView)
            .refuses(Reason.NOT_THE_HOST),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Make a meeting; the caller is its host."""
        account_id = self._access.account(request)
        await self._making.rate.take(account_id)
        body = await read_json(request, NewMeeting)
        wanted = replace(body, title=one_line(body.title, "title"))
        host = await self._account(account_id)
        base = request[CALLER].base
        attempt = attempt_of(request, account_id, body)
        shard = self._shards.pick() if attempt is None else self._shards.pick_by(attempt.name)

        async def make(session: AsyncSession) -> MeetingView:
            return view_of(await self._meetings.create(session, shard, host, wanted, str(base)), base)

        async with self._shards[shard].write() as session:
            view = await self._making.idempotency.once(session, attempt, MeetingView, make)
        return answer(view, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List the meetings the caller hosted, attended or is invited to, at an address that is verified.

        Past ones come with who attended and for how long, if the caller was the host or there.
        """
        account = await self._account(self._access.account(request))
        query = read_query(request, MeetingQuery)
        wanted, when = window(query, Place), None if query.when is UNSET else query.when
        rows = await self._lists.of_account(account, when, wanted)
        attended = await self._lists.attendance(rows, account) if when is When.PAST else {}
        base = request[CALLER].base
        return answer(
            page(
                rows,
                wanted.limit,
                key=lambda row: Place.of(row, when),
                item=lambda row: view_of(row, base, attended.get(row.id, UNSET)),
            )
        )

    async def look(self, request: web.Request) -> web.Response:
        """Show a meeting to anyone with the code."""
        identity = self._access.identity(request)
        meeting = await self._lookup.find(request)
        account_id = identity.account if isinstance(identity, AccountIdentity) else None
        return answer(public_view_of(meeting, account_id))

    async def change(self, request: web.Request) -> web.Response:
        """Change a meeting's title, its times, or who may join; the host only.

        Times are changed each by itself, and keep what the clocks show when only the zone is changed. Those
        who are invited get a mail about a new title or new times.
        """
        account_id = self._access.account(request)
        body = await read_json(request, MeetingChange)
        wanted = body if body.title is None else replace(body, title=one_line(body.title, "title"))
        found = await self._lookup.find(request)
        base = request[CALLER].base
        async with self._shards.of(found.id).write() as session:
            meeting = await self._meetings.change(session, found.id, account_id, wanted, str(base))
        return answer(view_of(meeting, base))

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel a meeting, which then takes nobody in; the host only. Those who are invited get a mail."""
        account_id = self._access.account(request)
        found = await self._lookup.find(request)
        base = request[CALLER].base
        async with self._shards.of(found.id).write() as session:
            meeting = await self._meetings.cancel(session, found.id, account_id, str(base))
        return answer(view_of(meeting, base))

    async def end(self, request: web.Request) -> web.Response:
        """End a meeting; the host only."""
        account_id = self._access.account(request)
        found = await self._lookup.find(request)
        async with self._shards.of(found.id).write() as session:
            meeting = await self._meetings.end(session, found.id, account_id)
        return answer(view_of(meeting, request[CALLER].base))

    async def _account(self, account_id: str) -> Account:
        async with self._shards.first.read() as session:
            account = await accounts.by_id(session, account_id)
        if account is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return account
