"""Chat over HTTP: history, and posting. Both for members of the meeting alone."""

from functools import partial

from aiohttp import web

from control.attachments import store as attached
from control.chat import store
from control.chat.posting import Posting
from control.chat.schema import Draft, message_of
from control.edge.body import answer, read_json, read_query
from control.edge.endpoint import Endpoint, Who
from control.events.schema import Message
from control.paging import Page, PageQuery, page, window
from control.people.members import Members
from control.refusals import Reason
from control.scopes import Scope
from control.shards.shards import Shards

MESSAGES = "/api/meetings/{code}/messages"


class ChatRoutes:
    """The routes of chat."""

    def __init__(self, shards: Shards, posting: Posting, members: Members) -> None:
        self._shards = shards
        self._posting = posting
        self._members = members

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("GET", MESSAGES, self.list, Who.MEMBER, Scope.CHAT_READ)
            .asks(PageQuery)
            .gives(Page[Message]),
            Endpoint("POST", MESSAGES, self.post, Who.MEMBER, Scope.CHAT_WRITE)
            .takes(Draft)
            .gives(Message, 201)
            .refuses(Reason.MEETING_ENDED),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """List messages, the newest first."""
        wanted = window(read_query(request, PageQuery), store.Number)
        meeting, _ = await self._members.admit(request)
        reaches = partial(store.is_there, meeting_id=meeting.id, number=wanted.after)
        async with self._shards.of(meeting.id).history(reaches) as session:
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
        draft = await read_json(request, Draft)
        meeting, author = await self._members.admit(request)
        return answer(await self._posting.post(meeting, author, draft), status=201)
