"""Attachments over HTTP, for members of the meeting. Their bytes go elsewhere: to the store of objects."""

from aiohttp import hdrs, web

from control.attachments.schema import Announced, NewAttachment, announced
from control.attachments.service import Attachments
from control.edge.body import answer, one_line, read_json
from control.edge.endpoint import Endpoint, Who
from control.people.members import Members
from control.rates.port import Buckets
from control.refusals import Reason
from control.scopes import Scope
from control.shards.shards import Shards

ATTACHMENTS = "/api/meetings/{code}/attachments"


class AttachmentRoutes:
    """The routes of attachments."""

    def __init__(
        self,
        shards: Shards,
        attachments: Attachments,
        members: Members,
        uploads: Buckets,
        downloads: Buckets,
    ) -> None:
        self._shards = shards
        self._attachments = attachments
        self._members = members
        self._uploads = uploads
        self._downloads = downloads

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", ATTACHMENTS, self.announce, Who.MEMBER, Scope.FILES_WRITE)
            .takes(NewAttachment)
            .gives(Announced, 201)
            .refuses(Reason.MEETING_ENDED),
            Endpoint("GET", f"{ATTACHMENTS}/{{attachment}}", self.download, Who.MEMBER, Scope.FILES_READ)
            .gives(None, 302)
            .refuses(Reason.NOT_FOUND, Reason.FILE_GONE),
        ]

    async def announce(self, request: web.Request) -> web.Response:
        """Announce a file; the answer says how it is uploaded."""
        body = await read_json(request, NewAttachment)
        name = one_line(body.name, "name")
        meeting, author = await self._members.admit(request)
        await self._uploads.take(f"{meeting.id}/{author.id}")
        async with self._shards.of(meeting.id).write() as session:
            attachment = await self._attachments.announce(session, meeting.id, author, name, body)
        form = await self._attachments.form(attachment)
        return answer(announced(attachment, form, self._attachments.expiry(attachment)), status=201)

    async def download(self, request: web.Request) -> web.Response:
        """Send on to where the file is to be had for a short time."""
        meeting, author = await self._members.admit(request)
        async with self._shards.of(meeting.id).read() as session:
            attachment = await self._attachments.find(session, meeting, request.match_info["attachment"])
        await self._downloads.take(f"{meeting.id}/{author.id}")
        address = await self._attachments.address(attachment)
        return web.Response(status=302, headers={hdrs.LOCATION: address})
