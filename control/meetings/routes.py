"""Meetings over HTTP: make, list, look at, end."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.access import Access
from control.accounts.tokens import AccountIdentity
from control.database import Database
from control.edge.body import answer, one_line, read_json, read_query
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.idempotency.header import attempt_of
from control.idempotency.service import Idempotency
from control.meetings import store
from control.meetings.lookup import Lookup
from control.meetings.schema import MeetingView, NewMeeting, PublicView, public_view_of, view_of
from control.meetings.service import Meetings
from control.paging import Id, Page, PageQuery, page, window
from control.rates import Buckets
from control.refusals import Reason, Refused
from control.scopes import Scope


class MeetingRoutes:
    """The routes of meetings."""

    def __init__(
        self,
        database: Database,
        meetings: Meetings,
        lookup: Lookup,
        access: Access,
        creations: Buckets,
        idempotency: Idempotency,
    ) -> None:
        self._database = database
        self._meetings = meetings
        self._lookup = lookup
        self._access = access
        self._creations = creations
        self._idempotency = idempotency

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", "/api/meetings", self.create, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .takes(NewMeeting)
            .gives(MeetingView, 201)
            .refuses(Reason.RATE_LIMITED)
            .idempotent(),
            Endpoint("GET", "/api/meetings", self.list, Who.ACCOUNT, Scope.MEETINGS_READ)
            .asks(PageQuery)
            .gives(Page[MeetingView]),
            Endpoint("GET", "/api/meetings/{code}", self.look, Who.ANYONE, Scope.MEETINGS_READ).gives(
                PublicView
            ),
            Endpoint("POST", "/api/meetings/{code}/end", self.end, Who.ACCOUNT, Scope.MEETINGS_WRITE)
            .gives(MeetingView)
            .refuses(Reason.NOT_THE_HOST),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Make a meeting; the caller is its host."""
        account_id = self._access.account(request)
        self._creations.take(account_id)
        body = await read_json(request, NewMeeting)
        title = one_line(body.title, "title")

        async def make(session: AsyncSession) -> MeetingView:
            host = await accounts.by_id(session, account_id)
            if host is None:
                raise Refused(Reason.UNAUTHENTICATED)
            meeting = await self._meetings.create(
                session, host, title=title, guests_allowed=body.guests_allowed
            )
            return view_of(meeting, request[CALLER].base)

        attempt = attempt_of(request, account_id, body)
        async with self._database.write() as session:
            view = await self._idempotency.once(session, attempt, MeetingView, make)
        return answer(view, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List the meetings the caller hosted or attended, the newest first."""
        account_id = self._access.account(request)
        wanted = window(read_query(request, PageQuery), Id)
        async with self._database.read() as session:
            rows = await store.of_account(session, account_id, wanted.after, wanted.limit + 1)
        base = request[CALLER].base
        return answer(
            page(
                rows,
                wanted.limit,
                key=lambda row: row.id,
                item=lambda row: view_of(row, base),
            )
        )

    async def look(self, request: web.Request) -> web.Response:
        """Show a meeting to anyone with the code."""
        identity = self._access.identity(request)
        async with self._database.read() as session:
            meeting = await self._lookup.find(session, request)
        account_id = identity.account if isinstance(identity, AccountIdentity) else None
        return answer(public_view_of(meeting, account_id))

    async def end(self, request: web.Request) -> web.Response:
        """End a meeting; the host only."""
        account_id = self._access.account(request)
        async with self._database.write() as session:
            meeting = await self._lookup.find(session, request)
            await self._meetings.end(session, meeting, account_id)
        return answer(view_of(meeting, request[CALLER].base))
