"""What happens to a meeting by itself: its reminder, and its end once nobody is there any more.

Both are jobs in the meeting's database. Whoever changes its times sets them anew; one that was on its way
already finds other times than its own, and does nothing.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.invitations.schema import Notice, Occasion
from control.jobs.schema import Job
from control.jobs.service import Jobs
from control.meetings.store import Meeting
from control.settings import MeetingSettings


class EndEmpty(Job, frozen=True, kw_only=True, tag="meetings.end_empty.v1"):
    """End the meeting, planned until `ends_at` or not at all, once it has been empty for long enough."""

    meeting: str
    ends_at: datetime | None


class Timers:
    """Sets and stops the timers of meetings."""

    def __init__(self, clock: Clock, jobs: Jobs, settings: MeetingSettings) -> None:
        self._clock = clock
        self._jobs = jobs
        self.settings = settings

    async def set(self, session: AsyncSession, meeting: Meeting, base: str) -> None:
        """Have the timers follow the meeting's times as they are now; `base` is for links in mail."""
        await self.stop(session, meeting.id)
        if meeting.starts_at is not None and self.settings.meeting_reminder_s:
            due_at = meeting.starts_at - timedelta(seconds=self.settings.meeting_reminder_s)
            if due_at > self._clock():  # else those who are told of it now need no reminder
                notice = Notice(
                    meeting=meeting.id, occasion=Occasion.REMINDER, base=base, starts_at=meeting.starts_at
                )
                await self._jobs.add(session, notice, due_at=due_at, key=_reminder(meeting.id))
        if patience := self.patience(meeting):
            due_at = (meeting.ends_at or meeting.created_at) + patience
            job = EndEmpty(meeting=meeting.id, ends_at=meeting.ends_at)
            await self._jobs.add(session, job, due_at=due_at, key=_end(meeting.id))

    async def stop(self, session: AsyncSession, meeting_id: str) -> None:
        """Forget the meeting's timers."""
        for key in (_reminder(meeting_id), _end(meeting_id)):
            await self._jobs.cancel(session, key)

    def patience(self, meeting: Meeting) -> timedelta:
        """Return for how long the meeting may be empty; zero is for ever."""
        is_planned = meeting.ends_at is not None
        settings = self.settings
        return timedelta(seconds=settings.meeting_end_s if is_planned else settings.meeting_end_unscheduled_s)


def _reminder(meeting_id: str) -> str:
    return f"meetings.reminder:{meeting_id}"


def _end(meeting_id: str) -> str:
    return f"meetings.end_empty:{meeting_id}"
