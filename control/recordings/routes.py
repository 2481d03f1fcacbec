"""Recordings over HTTP."""

from aiohttp import hdrs, web

from control.accounts.access import Access
from control.database import Database
from control.edge.body import answer
from control.paging import Id, page, window
from control.people.members import Members
from control.rates import Buckets
from control.recordings import store
from control.recordings.schema import view_of
from control.recordings.service import Recordings


class RecordingRoutes:
    """The routes of recordings."""

    def __init__(
        self,
        database: Database,
        recordings: Recordings,
        access: Access,
        members: Members,
        downloads: Buckets,
    ) -> None:
        self._database = database
        self._recordings = recordings
        self._access = access
        self._members = members
        self._downloads = downloads

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/meetings/{code}/recordings", self.list),
            web.get("/api/meetings/{code}/recordings/{id}", self.download),
            web.delete("/api/meetings/{code}/recordings/{id}", self.delete),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List the meeting's recordings, the latest first; members only."""
        wanted = window(request.query, Id)
        async with self._database.read() as session:
            meeting, _ = await self._members.admit(session, request)
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=view_of))

    async def download(self, request: web.Request) -> web.Response:
        """Send a member on to where the recording is to be had for a short time."""
        async with self._database.read() as session:
            meeting, author = await self._members.admit(session, request)
            recording = await self._recordings.find(session, meeting, request.match_info["id"])
        self._downloads.take(f"{meeting.id}/{author.id}")
        address = await self._recordings.address(recording)
        return web.Response(status=302, headers={hdrs.LOCATION: address})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a recording; the host only."""
        account_id = self._access.account(request)
        async with self._database.write() as session:
            meeting, _ = await self._members.admit(session, request)
            await self._recordings.delete(session, meeting, account_id, request.match_info["id"])
        return web.Response(status=204)
