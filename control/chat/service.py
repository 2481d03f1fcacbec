"""Posting to a meeting's chat."""

from sqlalchemy.ext.asyncio import AsyncSession

from control.chat import store
from control.chat.schema import message_of
from control.chat.store import ChatMessage
from control.clock import Clock
from control.events.schema import Author, MessagePosted
from control.events.service import Events
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.refusals import Reason, Refused


class Chat:
    """The rules of chat."""

    def __init__(self, clock: Clock, events: Events) -> None:
        self._clock = clock
        self._events = events

    async def post(
        self, session: AsyncSession, meeting_id: str, author: Author, *, text: str, client_id: str
    ) -> ChatMessage:
        """Return the posted message; the one of before when this author sent `client_id` already.

        Raises `Refused` with MEETING_ENDED.
        """
        meeting = await meetings.hold(session, meeting_id)
        before = await store.sent_before(session, meeting.id, author.id, client_id)
        if before is not None:
            return before
        if meeting.ended_at is not None:
            raise Refused(Reason.MEETING_ENDED)
        message = ChatMessage(
            kind="text", text=text, author_id=author.id, author_name=author.name, client_id=client_id
        )
        await self._add(session, meeting, message)
        return message

    async def tell(self, session: AsyncSession, meeting: Meeting, text: str) -> None:
        """Write a system line."""
        await self._add(session, meeting, ChatMessage(kind="system", text=text))

    async def _add(self, session: AsyncSession, meeting: Meeting, message: ChatMessage) -> None:
        message.meeting_id, message.sent_at = meeting.id, self._clock()

        def frame(number: int) -> MessagePosted:
            message.number = number
            return MessagePosted(id=number, message=message_of(message, meeting.code))

        await self._events.record(session, meeting.id, frame)
        await store.add(session, message)
