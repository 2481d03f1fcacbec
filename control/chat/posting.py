"""A message's way in: the same over HTTP and Socket.IO."""

from collections.abc import Collection

from msgspec import structs

from control.attachments.service import Attachments, Digests
from control.chat.schema import Draft
from control.chat.service import Chat
from control.edge.body import paragraphs
from control.events.schema import Author, Message
from control.meetings.store import Meeting
from control.rates.port import Buckets
from control.shards.shards import Shards


class Posting:
    """Takes what members post. `posts` bounds each author's messages in one meeting."""

    def __init__(self, shards: Shards, chat: Chat, attachments: Attachments, posts: Buckets) -> None:
        self._shards = shards
        self._chat = chat
        self._attachments = attachments
        self._posts = posts

    async def post(self, meeting: Meeting, author: Author, draft: Draft) -> Message:
        """Return the message once it is kept; once per author and client id. Raises `Refused` and `Away`."""
        cleaned, key = _cleaned(draft), f"{meeting.id}/{author.id}"
        digests: Digests = {}
        if cleaned.attachments:
            self._posts.require(key)
            digests = await self._inspect(meeting, author, cleaned.attachments)
        await self._posts.take(key)
        async with self._shards.of(meeting.id).write() as session:
            return await self._chat.post(session, meeting.id, author, cleaned, digests)

    async def _inspect(self, meeting: Meeting, author: Author, ids: Collection[str]) -> Digests:
        """Look at the uploads that a message would name; no transaction waits for the store of objects."""
        async with self._shards.of(meeting.id).read() as session:
            uploads = await self._attachments.find_loose(session, meeting, author, ids)
        return await self._attachments.inspect(uploads)


def _cleaned(draft: Draft) -> Draft:
    """Return the draft with its text as it is kept; only with attachments it may be without any."""
    is_silent = bool(draft.attachments) and not draft.text.strip()
    return structs.replace(draft, text="" if is_silent else paragraphs(draft.text, "text"))
