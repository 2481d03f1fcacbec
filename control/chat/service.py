"""Posting to a meeting's chat."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from control.attachments import store as attached
from control.attachments.service import Attachments, Digests
from control.attachments.store import Attachment
from control.chat import store
from control.chat.schema import Draft, message_of
from control.chat.store import ChatMessage
from control.clock import Clock
from control.events.schema import Author, Message, MessagePosted
from control.events.service import Events
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.refusals import Reason, Refused


class Chat:
    """The rules of chat."""

    def __init__(self, clock: Clock, events: Events, attachments: Attachments) -> None:
        self._clock = clock
        self._events = events
        self._attachments = attachments

    async def post(
        self, session: AsyncSession, meeting_id: str, author: Author, draft: Draft, digests: Digests
    ) -> Message:
        """Return the posted message; the one of before when this author sent its client id already.

        `digests` are those of its attachments. Raises `Refused` with MEETING_ENDED or INVALID.
        """
        meeting = await meetings.hold(session, meeting_id)
        before = await store.sent_before(session, meeting.id, author.id, draft.client_id)
        if before is not None:
            named = await attached.of_messages(session, meeting.id, [before.number])
            return message_of(before, meeting.code, named[before.number])
        if meeting.ended_at is not None:
            raise Refused(Reason.MEETING_ENDED)
        attachments: list[Attachment] = []
        if draft.attachments:
            attachments = await self._attachments.attach(session, meeting, author, draft.attachments, digests)
        message = ChatMessage(
            kind="text",
            text=draft.text,
            author_id=author.id,
            author_name=author.name,
            client_id=draft.client_id,
        )
        return await self._add(session, meeting, message, attachments)

    async def tell(self, session: AsyncSession, meeting: Meeting, text: str) -> None:
        """Write a system line."""
        await self._add(session, meeting, ChatMessage(kind="system", text=text))

    async def _add(
        self,
        session: AsyncSession,
        meeting: Meeting,
        message: ChatMessage,
        attachments: Sequence[Attachment] = (),
    ) -> Message:
        message.meeting_id, message.sent_at = meeting.id, self._clock()

        def frame(number: int) -> MessagePosted:
            message.number = number
            for attachment in attachments:
                attachment.message = number
            return MessagePosted(id=number, message=message_of(message, meeting.code, attachments))

        await self._events.record(session, meeting.id, frame)
        await store.add(session, message)
        return message_of(message, meeting.code, attachments)
