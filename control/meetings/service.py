"""Making, planning and ending meetings."""

from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.store import Account
from control.archives.schema import ArchiveChat
from control.chat.service import Chat
from control.clock import Clock
from control.events import store as feeds
from control.events.schema import MeetingEnded
from control.invitations.schema import Occasion
from control.invitations.service import Invitations
from control.meetings import store
from control.meetings.codes import new_code
from control.meetings.schedule import schedule
from control.meetings.schema import MeetingChange, NewMeeting
from control.meetings.store import Meeting
from control.meetings.timers import Timers
from control.outbox import Outbox
from control.refusals import Reason, Refused
from control.shards.ids import new_id


class Meetings:
    """The rules of meetings. A `base` is where people reach this server: for links in mail."""

    def __init__(
        self,
        clock: Clock,
        outbox: Outbox,
        chat: Chat,
        timers: Timers,
        invitations: Invitations,
    ) -> None:
        self._clock = clock
        self._events = outbox.events
        self._chat = chat
        self._commands = outbox.commands
        self._jobs = outbox.jobs
        self._timers = timers
        self._invitations = invitations
        self._webhooks = outbox.webhooks

    async def create(
        self, session: AsyncSession, shard: int, host: Account, wanted: NewMeeting, base: str
    ) -> Meeting:
        """Return a new meeting, in the database numbered `shard`. Its chat begins with a line about that.

        Raises `Refused` with INVALID when it cannot be at these times.
        """
        now = self._clock()
        meeting = Meeting(
            id=new_id(shard),
            code=new_code(shard),
            title=wanted.title,
            host_id=host.id,
            host_name=host.name,
            guests_allowed=wanted.guests_allowed,
            created_at=now,
        )
        meeting.schedule = schedule(wanted, None, now, self._timers.settings)
        await store.add(session, meeting)
        await feeds.open_feed(session, meeting.id)
        await self._chat.tell(session, meeting, f"Meeting created by {host.name}")
        await self._webhooks.made(session, meeting)
        await self._timers.set(session, meeting, base)
        return meeting

    async def change(
        self, session: AsyncSession, meeting_id: str, account_id: str, wanted: MeetingChange, base: str
    ) -> Meeting:
        """Change what is given of the meeting, and return it. The invited hear of a new title or new times.

        Raises `Refused` with NOT_THE_HOST, MEETING_ENDED, MEETING_CANCELLED, INVALID or RATE_LIMITED.
        """
        meeting = await self._held(session, meeting_id, account_id)
        if meeting.over is not None:
            raise Refused(meeting.over)
        before = meeting.title, meeting.schedule
        if wanted.guests_allowed is not None:
            meeting.guests_allowed = wanted.guests_allowed
        meeting.title = wanted.title or meeting.title
        meeting.schedule = schedule(wanted, meeting.schedule, self._clock(), self._timers.settings)
        if (meeting.title, meeting.schedule) == before:
            return meeting
        meeting.sequence += 1
        if meeting.schedule != before[1]:
            await self._timers.set(session, meeting, base)
            await self._invitations.ask_again(session, meeting)
        await self._invitations.announce(session, meeting, Occasion.CHANGED, base)
        return meeting

    async def cancel(self, session: AsyncSession, meeting_id: str, account_id: str, base: str) -> Meeting:
        """End the meeting as one that does not take place, and have the invited told; again changes nothing.

        Raises `Refused` with NOT_THE_HOST or MEETING_ENDED.
        """
        meeting = await self._held(session, meeting_id, account_id)
        if meeting.over is Reason.MEETING_ENDED:
            raise Refused(Reason.MEETING_ENDED)
        if meeting.over is None:
            meeting.cancelled = True
            meeting.sequence += 1
            await self._timers.stop(session, meeting.id)
            await self.close(session, meeting)
            await self._invitations.announce(session, meeting, Occasion.CANCELLED, base)
        return meeting

    async def end(self, session: AsyncSession, meeting_id: str, account_id: str) -> Meeting:
        """End the meeting, have its room closed and return it; ending it again changes nothing.

        Raises `Refused` with NOT_THE_HOST.
        """
        meeting = await self._held(session, meeting_id, account_id)
        if meeting.over is None:
            await self._timers.stop(session, meeting.id)
            await self.close(session, meeting)
        return meeting

    async def close(self, session: AsyncSession, meeting: Meeting) -> None:
        """End a meeting that is held, has not ended, and whose timers are stopped or spent."""
        meeting.ended_at = self._clock()
        last = await self._events.record(session, meeting.id, lambda number: MeetingEnded(id=number))
        await self._jobs.add(session, ArchiveChat(meeting=meeting.id, until=last))
        await self._commands.close_room(session, meeting.id)

    async def _held(self, session: AsyncSession, meeting_id: str, account_id: str) -> Meeting:
        """Return the meeting, which nobody else can change now. Raises `Refused` with NOT_THE_HOST."""
        meeting = await store.hold(session, meeting_id)
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        return meeting
