"""Recordings over HTTP. Their bytes go elsewhere: to the store of objects."""

from dataclasses import dataclass

from aiohttp import hdrs, web
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.access import Access
from control.edge.body import answer, one_line, read_json, read_query
from control.edge.endpoint import Endpoint, Who
from control.events.schema import Recording
from control.idempotency.header import attempt_of
from control.idempotency.service import Idempotency
from control.meetings.store import Meeting
from control.paging import Id, Page, PageQuery, page, window
from control.people.members import Members
from control.rates.port import Buckets
from control.recordings import store
from control.recordings.schema import AnnouncedRecording, NewRecording, announced, recording_of
from control.recordings.service import Recordings
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.shards.shards import Shards

RECORDINGS = "/api/meetings/{code}/recordings"
RECORDING = f"{RECORDINGS}/{{recording}}"


@dataclass(frozen=True)
class Transfers:
    """How often one member may upload and download; and how what is sent again makes no second recording."""

    uploads: Buckets
    downloads: Buckets
    idempotency: Idempotency


class RecordingRoutes:
    """The routes of recordings."""

    def __init__(
        self,
        shards: Shards,
        recordings: Recordings,
        access: Access,
        members: Members,
        transfers: Transfers,
    ) -> None:
        self._shards = shards
        self._recordings = recordings
        self._access = access
        self._members = members
        self._transfers = transfers

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        only_host = (Reason.NOT_A_MEMBER, Reason.NOT_THE_HOST)
        return [
            Endpoint("POST", RECORDINGS, self.announce, Who.ACCOUNT, Scope.RECORDINGS_WRITE)
            .takes(NewRecording)
            .gives(AnnouncedRecording, 201)
            .refuses(*only_host, Reason.NOT_FOUND)
            .idempotent(),
            Endpoint("POST", f"{RECORDING}/complete", self.complete, Who.ACCOUNT, Scope.RECORDINGS_WRITE)
            .gives(Recording)
            .refuses(*only_host, Reason.NOT_FOUND, Reason.INVALID),
            Endpoint("GET", RECORDINGS, self.list, Who.MEMBER, Scope.FILES_READ)
            .asks(PageQuery)
            .gives(Page[Recording]),
            Endpoint("GET", RECORDING, self.download, Who.MEMBER, Scope.FILES_READ)
            .gives(None, 302)
            .refuses(Reason.NOT_FOUND, Reason.FILE_GONE),
            Endpoint("DELETE", RECORDING, self.delete, Who.ACCOUNT, Scope.FILES_WRITE)
            .gives(None, 204)
            .refuses(*only_host, Reason.NOT_FOUND),
        ]

    async def announce(self, request: web.Request) -> web.Response:
        """Announce a recording of the meeting; the host only. The answer says how it is uploaded.

        The meeting may have ended. What is not complete an hour after `expires_at` is forgotten.
        """
        body = await read_json(request, NewRecording)
        wanted = replace(body, title=one_line(body.title, "title"))
        meeting = await self._hosted(request)
        attempt = attempt_of(request, meeting.host_id, body)
        await self._transfers.uploads.take(f"{meeting.id}/{meeting.host_id}")

        async def make(session: AsyncSession) -> Recording:
            return recording_of(await self._recordings.announce(session, meeting.id, wanted))

        async with self._shards.of(meeting.id).write() as session:
            made = await self._transfers.idempotency.once(session, attempt, Recording, make)
            recording = await self._recordings.find(session, meeting, made.id)
        form = await self._recordings.form(recording)
        return answer(announced(recording, form, self._recordings.expiry(recording)), status=201)

    async def complete(self, request: web.Request) -> web.Response:
        """Say that a recording is uploaded; the host only. From then on it is listed.

        The meeting's members hear of it, and the host's webhooks. Saying it again changes nothing.
        """
        meeting, recording_id = await self._hosted(request), request.match_info["recording"]
        async with self._shards.of(meeting.id).read() as session:
            recording = await self._recordings.find(session, meeting, recording_id)
        digest = await self._recordings.inspect(recording)
        async with self._shards.of(meeting.id).write() as session:
            recording = await self._recordings.complete(session, meeting, recording_id, digest)
        return answer(recording_of(recording))

    async def list(self, request: web.Request) -> web.Response:
        """List the meeting's recordings, the latest first; members only."""
        wanted = window(read_query(request, PageQuery), Id)
        meeting, _ = await self._members.admit(request)
        async with self._shards.of(meeting.id).read() as session:
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=recording_of))

    async def download(self, request: web.Request) -> web.Response:
        """Send a member on to where the recording is to be had for a short time."""
        meeting, author = await self._members.admit(request)
        async with self._shards.of(meeting.id).read() as session:
            recording = await self._recordings.find(session, meeting, request.match_info["recording"])
        await self._transfers.downloads.take(f"{meeting.id}/{author.id}")
        address = await self._recordings.address(recording)
        return web.Response(status=302, headers={hdrs.LOCATION: address})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a recording; the host only."""
        meeting = await self._hosted(request)
        async with self._shards.of(meeting.id).write() as session:
            await self._recordings.delete(session, meeting, request.match_info["recording"])
        return web.Response(status=204)

    async def _hosted(self, request: web.Request) -> Meeting:
        """Return the meeting of the path, which must be the caller's. Raises `Refused`."""
        account_id = self._access.account(request)
        meeting, _ = await self._members.admit(request)
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        return meeting
