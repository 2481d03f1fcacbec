"""A meeting's attendance over HTTP."""

from aiohttp import web

from control.database import Database
from control.edge.body import answer
from control.paging import Id, page, window
from control.people import store
from control.people.members import Members
from control.people.service import person_of


class PeopleRoutes:
    """The routes of attendance."""

    def __init__(self, database: Database, members: Members) -> None:
        self._database = database
        self._members = members

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/meetings/{code}/people", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        """List who was or is in the meeting, the latest first; members only."""
        wanted = window(request.query, Id)
        async with self._database.read() as session:
            meeting, _ = await self._members.admit(session, request)
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=person_of))
