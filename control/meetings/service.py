"""Making and ending meetings."""

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
from control.shards.ids import new_id
from control.webhooks.service import Webhooks


class Meetings:
    """The rules of meetings."""

    def __init__(
        self, clock: Clock, events: Events, chat: Chat, commands: Commands, webhooks: Webhooks
    ) -> None:
        self._clock = clock
        self._events = events
        self._chat = chat
        self._commands = commands
        self._webhooks = webhooks

    async def create(
        self, session: AsyncSession, shard: int, host: Account, *, title: str, guests_allowed: bool
    ) -> Meeting:
        """Return a new meeting, in the database numbered `shard`. Its chat begins with a line about that."""
        meeting = Meeting(
            id=new_id(shard),
            code=new_code(shard),
            title=title,
            host_id=host.id,
            host_name=host.name,
            guests_allowed=guests_allowed,
            created_at=self._clock(),
        )
        await store.add(session, meeting)
        await feeds.open_feed(session, meeting.id)
        await self._chat.tell(session, meeting, f"Meeting created by {host.name}")
        await self._webhooks.made(session, meeting)
        return meeting

    async def end(self, session: AsyncSession, meeting_id: str, account_id: str) -> Meeting:
        """End the meeting, have its room closed and return it; ending it again changes nothing.

        Raises `Refused` with NOT_THE_HOST.
        """
        meeting = await store.hold(session, meeting_id)
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        if meeting.ended_at is None:
            meeting.ended_at = self._clock()
            await self._events.record(session, meeting.id, lambda number: MeetingEnded(id=number))
            await self._commands.close_room(session, meeting.id)
        return meeting
