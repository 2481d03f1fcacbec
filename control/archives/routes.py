"""Archives of chats over HTTP, for the meeting's host alone."""

from aiohttp import hdrs, web

from control.accounts.access import Access
from control.archives import store
from control.archives.schema import ArchiveView, view_of
from control.archives.service import Archives
from control.edge.body import answer
from control.edge.endpoint import Endpoint, Who
from control.meetings.lookup import Lookup
from control.meetings.store import Meeting
from control.paging import Page
from control.rates.port import Buckets
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards

ARCHIVES = "/api/meetings/{code}/archives"


class ArchiveRoutes:
    """The routes of archives."""

    def __init__(
        self,
        shards: Shards,
        archives: Archives,
        access: Access,
        lookup: Lookup,
        downloads: Buckets,
    ) -> None:
        self._shards = shards
        self._archives = archives
        self._access = access
        self._lookup = lookup
        self._downloads = downloads

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", ARCHIVES, self.list, Who.ACCOUNT, Scope.CHAT_READ)
            .gives(Page[ArchiveView])
            .refuses(Reason.NOT_THE_HOST),
            Endpoint("GET", f"{ARCHIVES}/{{archive}}", self.download, Who.ACCOUNT, Scope.CHAT_READ)
            .gives(None, 302)
            .refuses(Reason.NOT_THE_HOST, Reason.NOT_FOUND),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List the archives of the meeting's chat; the host only.

        There is one soon after the meeting has ended, or none if nobody wrote.
        """
        meeting = await self._hosted(request)
        async with self._shards.of(meeting.id).read() as session:
            archive = await store.of_meeting(session, meeting.id)
        return answer(Page([] if archive is None else [view_of(archive)], None))

    async def download(self, request: web.Request) -> web.Response:
        """Send the host on to where the archive is to be had for a short time.

        It is JSON Lines: first what meeting it was, then its messages in order.
        """
        meeting = await self._hosted(request)
        async with self._shards.of(meeting.id).read() as session:
            archive = await self._archives.find(session, meeting, request.match_info["archive"])
        await self._downloads.take(f"{meeting.id}/{meeting.host_id}")
        address = await self._archives.address(archive)
        return web.Response(status=302, headers={hdrs.LOCATION: address})

    async def _hosted(self, request: web.Request) -> Meeting:
        """Return the meeting of the path, which must be the caller's. Raises `Refused`."""
        account_id = self._access.account(request)
        meeting = await self._lookup.find(request)
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        return meeting
