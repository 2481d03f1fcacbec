"""Doing the job of ending a meeting that nobody is in any more."""

from control.clock import Clock
from control.jobs.attempts import Attempt, NotYet
from control.meetings import store
from control.meetings.service import Meetings
from control.meetings.timers import EndEmpty, Timers
from control.people import store as people


class Closing:
    """Ends meetings that have been empty for long enough, counted from their planned end at the earliest."""

    def __init__(self, clock: Clock, meetings: Meetings, timers: Timers) -> None:
        self._clock = clock
        self._meetings = meetings
        self._timers = timers

    async def end_empty(self, attempt: Attempt, job: EndEmpty) -> None:
        """End the meeting, or raise `NotYet` while somebody is there or has only just left."""
        async with attempt.finish() as session:
            meeting = await store.hold(session, job.meeting)
            patience = self._timers.patience(meeting)
            if meeting.ended_at is not None or meeting.ends_at != job.ends_at or not patience:
                return
            now = self._clock()
            presence = await people.presence(session, meeting.id)
            if presence.is_anyone_in:
                raise NotYet(now + patience)
            since = max(filter(None, (meeting.ends_at or meeting.created_at, presence.last_at)))
            if since + patience > now:
                raise NotYet(since + patience)
            await self._meetings.close(session, meeting)
