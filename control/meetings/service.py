"""Making and ending meetings."""

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.store import Account
from control.chat.service import Chat
from control.clock import Clock
from control.events import store as feeds
from control.events.schema import MeetingEnded
from control.events.service import Events
from control.meetings import store
from control.meetings.codes import new_code
from control.meetings.store import Meeting
from control.nodes.commands import Commands
from control.refusals import Reason, Refused


class Meetings:
    """The rules of meetings."""

    def __init__(self, clock: Clock, events: Events, chat: Chat, commands: Commands) -> None:
        self._clock = clock
        self._events = events
        self._chat = chat
        self._commands = commands

    async def create(
        self, session: AsyncSession, host: Account, *, title: str, guests_allowed: bool
    ) -> Meeting:
        """Return a new meeting; its chat begins with the line that it was made."""
        meeting = Meeting(
            id=uuid4().hex,
            code=new_code(),
            title=title,
            host_id=host.id,
            host=host,
            guests_allowed=guests_allowed,
            created_at=self._clock(),
        )
        await store.add(session, meeting)
        await feeds.open_feed(session, meeting.id)
        await self._chat.tell(session, meeting, f"Meeting created by {host.name}")
        return meeting

    async def end(self, session: AsyncSession, meeting: Meeting, account_id: str) -> None:
        """End the meeting and have its room closed; ending it again changes nothing.

        Raises `Refused` with NOT_THE_HOST.
        """
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        await feeds.hold(session, meeting.id)
        await store.refresh(session, meeting)
        if meeting.ended_at is not None:
            return
        meeting.ended_at = self._clock()
        await self._events.record(session, meeting.id, lambda number: MeetingEnded(id=number))
        await self._commands.close_room(session, meeting.id)
