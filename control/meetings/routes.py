"""Meetings over HTTP: make, list, look at, end."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.access import Access
from control.accounts.tokens import AccountIdentity
from control.edge.body import answer, one_line, read_json, read_query
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.idempotency.header import attempt_of
from control.idempotency.service import Idempotency
from control.meetings import store
from control.meetings.lookup import Lookup
from control.meetings.schema import MeetingView, NewMeeting, PublicView, public_view_of, view_of
from control.meetings.service import Meetings
from control.meetings.store import Meeting
from control.paging import Id, Page, PageQuery, Window, page, window
from control.rates import Buckets
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards


class MeetingRoutes:
    """The routes of meetings."""

    def __init__(
        self,
        shards: Shards,
        meetings: Meetings,
        lookup: Lookup,
        access: Access,
        creations: Buckets,
        idempotency: Idempotency,
    ) -> None:
        self._shards = shards
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
        async with self._shards.first.read() as session:
            host = await accounts.by_id(session, account_id)
        if host is None:
            raise Refused(Reason.UNAUTHENTICATED)
        attempt = attempt_of(request, account_id, body)
        shard = self._shards.pick() if attempt is None else self._shards.pick_by(attempt.name)

        async def make(session: AsyncSession) -> MeetingView:
            meeting = await self._meetings.create(
                session, shard, host, title=title, guests_allowed=body.guests_allowed
            )
            return view_of(meeting, request[CALLER].base)

        async with self._shards[shard].write() as session:
            view = await self._idempotency.once(session, attempt, MeetingView, make)
        return answer(view, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List the meetings the caller hosted or attended, the newest first."""
        account_id = self._access.account(request)
        wanted = window(read_query(request, PageQuery), Id)
        rows = await self._of_account(account_id, wanted)
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
        meeting = await self._lookup.find(request)
        account_id = identity.account if isinstance(identity, AccountIdentity) else None
        return answer(public_view_of(meeting, account_id))

    async def end(self, request: web.Request) -> web.Response:
        """End a meeting; the host only."""
        account_id = self._access.account(request)
        found = await self._lookup.find(request)
        async with self._shards.of(found.id).write() as session:
            meeting = await self._meetings.end(session, found.id, account_id)
        return answer(view_of(meeting, request[CALLER].base))

    async def _of_account(self, account_id: str, wanted: Window[str]) -> Sequence[Meeting]:
        """Return the wanted meetings and one more, of all databases."""
        last = None
        if wanted.after is not None:
            async with self._shards.of(wanted.after).read() as session:
                last = await store.by_id(session, wanted.after)
            if last is None:
                return []
        found = []
        for database in self._shards:
            async with database.history(partial(store.is_there, meeting=last)) as session:
                found += await store.of_account(session, account_id, last, wanted.limit + 1)
        found.sort(key=lambda meeting: (meeting.created_at, meeting.id), reverse=True)
        return found[: wanted.limit + 1]
