"""Recordings over HTTP."""

from aiohttp import hdrs, web

from control.accounts.access import Access
from control.edge.body import answer, read_query
from control.edge.endpoint import Endpoint, Who
from control.paging import Id, Page, PageQuery, page, window
from control.people.members import Members
from control.rates.port import Buckets
from control.recordings import store
from control.recordings.schema import RecordingView, view_of
from control.recordings.service import Recordings
from control.refusals import Reason
from control.scopes import Scope
from control.shards.shards import Shards

RECORDINGS = "/api/meetings/{code}/recordings"
RECORDING = f"{RECORDINGS}/{{recording}}"


class RecordingRoutes:
    """The routes of recordings."""

    def __init__(
        self,
        shards: Shards,
        recordings: Recordings,
        access: Access,
        members: Members,
        downloads: Buckets,
    ) -> None:
        self._shards = shards
        self._recordings = recordings
        self._access = access
        self._members = members
        self._downloads = downloads

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", RECORDINGS, self.list, Who.MEMBER, Scope.FILES_READ)
            .asks(PageQuery)
            .gives(Page[RecordingView]),
            Endpoint("GET", RECORDING, self.download, Who.MEMBER, Scope.FILES_READ)
            .gives(None, 302)
            .refuses(Reason.NOT_FOUND),
            Endpoint("DELETE", RECORDING, self.delete, Who.ACCOUNT, Scope.FILES_WRITE)
            .gives(None, 204)
            .refuses(Reason.NOT_A_MEMBER, Reason.NOT_THE_HOST, Reason.NOT_FOUND),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List the meeting's recordings, the latest first; members only."""
        wanted = window(read_query(request, PageQuery), Id)
        meeting, _ = await self._members.admit(request)
        async with self._shards.of(meeting.id).read() as session:
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=view_of))

    async def download(self, request: web.Request) -> web.Response:
        """Send a member on to where the recording is to be had for a short time."""
        meeting, author = await self._members.admit(request)
        async with self._shards.of(meeting.id).read() as session:
            recording = await self._recordings.find(session, meeting, request.match_info["recording"])
        await self._downloads.take(f"{meeting.id}/{author.id}")
        address = await self._recordings.address(recording)
        return web.Response(status=302, headers={hdrs.LOCATION: address})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a recording; the host only."""
        account_id = self._access.account(request)
        meeting, _ = await self._members.admit(request)
        async with self._shards.of(meeting.id).write() as session:
            await self._recordings.delete(session, meeting, account_id, request.match_info["recording"])
        return web.Response(status=204)
