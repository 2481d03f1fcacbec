"""Attachments over HTTP, for members of the meeting. Their bytes go elsewhere: to the store of objects."""

from aiohttp import hdrs, web

from control.attachments.schema import NewAttachment, announced
from control.attachments.service import Attachments
from control.database import Database
from control.edge.body import answer, one_line, read_json
from control.people.members import Members
from control.rates import Buckets


class AttachmentRoutes:
    """The routes of attachments."""

    def __init__(
        self,
        database: Database,
        attachments: Attachments,
        members: Members,
        uploads: Buckets,
        downloads: Buckets,
    ) -> None:
        self._database = database
        self._attachments = attachments
        self._members = members
        self._uploads = uploads
        self._downloads = downloads

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api/meetings/{code}/attachments", self.announce),
            web.get("/api/meetings/{code}/attachments/{id}", self.download),
        ]

    async def announce(self, request: web.Request) -> web.Response:
        """Announce a file; the answer says how it is uploaded."""
        body = await read_json(request, NewAttachment)
        name = one_line(body.name, "name")
        async with self._database.write() as session:
            meeting, author = await self._members.admit(session, request)
            self._uploads.take(f"{meeting.id}/{author.id}")
            attachment = await self._attachments.announce(session, meeting, author, name, body)
        form = await self._attachments.form(attachment)
        return answer(announced(attachment, form, self._attachments.expiry(attachment)), status=201)

    async def download(self, request: web.Request) -> web.Response:
        """Send on to where the file is to be had for a short time."""
        async with self._database.read() as session:
            meeting, author = await self._members.admit(session, request)
            attachment = await self._attachments.find(session, meeting, request.match_info["id"])
        self._downloads.take(f"{meeting.id}/{author.id}")
        address = await self._attachments.address(attachment)
        return web.Response(status=302, headers={hdrs.LOCATION: address})
