"""Chat over HTTP: history, and posting. Both for members of the meeting alone."""

from collections.abc import Collection

from aiohttp import web
from msgspec import structs

from control.attachments import store as attached
from control.attachments.service import Attachments, Digests
from control.chat import store
from control.chat.schema import Draft, message_of
from control.chat.service import Chat
from control.database import Database
from control.edge.body import answer, paragraphs, read_json
from control.paging import page, window
from control.people.members import Members
from control.rates import Buckets


class ChatRoutes:
    """The routes of chat."""

    def __init__(
        self, database: Database, chat: Chat, attachments: Attachments, members: Members, posts: Buckets
    ) -> None:
        self._database = database
        self._chat = chat
        self._attachments = attachments
        self._members = members
        self._posts = posts

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/api/meetings/{code}/messages", self.list),
            web.post("/api/meetings/{code}/messages", self.post),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List messages, the newest first."""
        wanted = window(request.query, store.Number)
        async with self._database.read() as session:
            meeting, _ = await self._members.admit(session, request)
            rows = await store.newest(session, meeting.id, wanted.after, wanted.limit + 1)
            named = await attached.of_messages(session, meeting.id, [row.number for row in rows])
        return answer(
            page(
                rows,
                wanted.limit,
                key=lambda row: row.number,
                item=lambda row: message_of(row, meeting.code, named[row.number]),
            )
        )

    async def post(self, request: web.Request) -> web.Response:
        """Post a message, once per author and client id."""
        draft = _cleaned(await read_json(request, Draft))
        digests = await self._inspect(request, draft.attachments) if draft.attachments else {}
        async with self._database.write() as session:
            meeting, author = await self._members.admit(session, request)
            self._posts.take(f"{meeting.id}/{author.id}")
            message = await self._chat.post(session, meeting, author, draft, digests)
        return answer(message, status=201)

    async def _inspect(self, request: web.Request, ids: Collection[str]) -> Digests:
        """Look at the uploads that a message would name; no transaction waits for the store of objects."""
        async with self._database.read() as session:
            meeting, author = await self._members.admit(session, request)
            self._posts.require(f"{meeting.id}/{author.id}")
            uploads = await self._attachments.find_loose(session, meeting, author, ids)
        return await self._attachments.inspect(uploads)


def _cleaned(draft: Draft) -> Draft:
    """Return the draft with its text as it is kept; only with attachments it may be without any."""
    is_silent = bool(draft.attachments) and not draft.text.strip()
    return structs.replace(draft, text="" if is_silent else paragraphs(draft.text, "text"))
