"""A meeting's attendance over HTTP."""

from functools import partial

from aiohttp import web

from control.edge.body import answer, read_query
from control.edge.endpoint import Endpoint, Who
from control.events.schema import Person
from control.paging import Id, Page, PageQuery, page, window
from control.people import store
from control.people.members import Members
from control.people.service import person_of
from control.scopes import Scope
from control.shards.shards import Shards


class PeopleRoutes:
    """The routes of attendance."""

    def __init__(self, shards: Shards, members: Members) -> None:
        self._shards = shards
        self._members = members

    def table(self) -> list[Endpoint]:
        """Return the endpoint."""
        return [
            Endpoint("GET", "/api/meetings/{code}/people", self.list, Who.MEMBER, Scope.PEOPLE_READ)
            .asks(PageQuery)
            .gives(Page[Person])
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List who was or is in the meeting, the latest first; members only."""
        wanted = window(read_query(request, PageQuery), Id)
        meeting, _ = await self._members.admit(request)
        reaches = partial(store.is_there, attendance_id=wanted.after)
        async with self._shards.of(meeting.id).history(reaches) as session:
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=person_of))
