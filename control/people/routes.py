"""Who is and was in a meeting, over HTTP."""

from functools import partial

from aiohttp import hdrs, web

from control.clock import Clock
from control.edge.body import answer, read_query
from control.edge.endpoint import Endpoint, Who
from control.events.schema import Person
from control.paging import Id, Page, PageQuery, page, window
from control.people import store
from control.people.attendance import Attendance, attendance, table
from control.people.members import Members
from control.people.service import person_of
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards

CSV = "text/csv"


class PeopleRoutes:
    """The routes of attendance."""

    def __init__(self, shards: Shards, members: Members, clock: Clock, stays_max: int) -> None:
        self._shards = shards
        self._members = members
        self._clock = clock
        self._stays_max = stays_max

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", "/api/meetings/{code}/people", self.list, Who.MEMBER, Scope.PEOPLE_READ)
            .asks(PageQuery)
            .gives(Page[Person]),
            Endpoint("GET", "/api/meetings/{code}/attendance", self.attendance, Who.MEMBER, Scope.PEOPLE_READ)
            .gives(Attendance)
            .also(CSV)
            .refuses(Reason.NOT_THE_HOST),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List who was or is in the meeting, the latest first; members only."""
        wanted = window(read_query(request, PageQuery), Id)
        meeting, _ = await self._members.admit(request)
        reaches = partial(store.is_there, attendance_id=wanted.after)
        async with self._shards.of(meeting.id).history(reaches) as session:
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=person_of))

    async def attendance(self, request: web.Request) -> web.Response:
        """Tell who attended, and for how long; the host only. As CSV to whoever accepts `text/csv`."""
        meeting, author = await self._members.admit(request)
        if author.id != meeting.host_id:
            raise Refused(Reason.NOT_THE_HOST)
        async with self._shards.of(meeting.id).read() as session:
            stays = await store.first(session, meeting.id, self._stays_max + 1)
        attended = attendance(stays, self._stays_max, meeting.ended_at or self._clock())
        if CSV not in request.headers.get(hdrs.ACCEPT, ""):
            return answer(attended)
        headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="attendance-{meeting.code}.csv"'}
        return web.Response(text=table(attended.items), content_type=CSV, charset="utf-8", headers=headers)
