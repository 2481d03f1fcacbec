"""Handing out recordings, and letting them go."""

import mimetypes
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.meetings.store import Meeting
from control.objects import store as given_up
from control.objects.port import Objects
from control.objects.presenting import present
from control.recordings import store
from control.recordings.store import Recording
from control.refusals import Reason, Refused
from control.settings import Settings

BATCH = 500


class Recordings:
    """The rules of recordings."""

    def __init__(self, objects: Objects, clock: Clock, settings: Settings) -> None:
        self._objects = objects
        self._clock = clock
        self._download_life_s = settings.download_life_s
        self._retention_days = settings.retention_days

    async def find(self, session: AsyncSession, meeting: Meeting, recording_id: str) -> Recording:
        """Return the meeting's recording. Raises `Refused` with NOT_FOUND."""
        recording = await store.of_meeting(session, meeting.id, recording_id)
        if recording is None:
            raise Refused(Reason.NOT_FOUND)
        return recording

    async def address(self, recording: Recording) -> str:
        """Return where the recording is to be had for a short time. Raises `Away`."""
        ending = mimetypes.guess_extension(recording.content_type) or ""
        name = f"recording-{recording.started_at:%Y-%m-%d-%H%M}{ending}"
        presented = present(name, recording.content_type)
        return await self._objects.download_url(recording.key, presented, self._download_life_s)

    async def delete(
        self, session: AsyncSession, meeting: Meeting, account_id: str, recording_id: str
    ) -> None:
        """Delete a recording; the meeting's host only. Raises `Refused` with NOT_THE_HOST or NOT_FOUND."""
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        recording = await store.hold(session, meeting.id, recording_id)
        if recording is None:
            raise Refused(Reason.NOT_FOUND)
        await self._give_up(session, [recording], "deleted")

    async def sweep(self, session: AsyncSession) -> None:
        """Give up the recordings of meetings that ended long ago."""
        if self._retention_days is not None:
            too_old = self._clock() - timedelta(days=self._retention_days)
            outdated = await store.hold_ended_since(session, too_old, BATCH)
            await self._give_up(session, outdated, "retention")

    async def _give_up(self, session: AsyncSession, recordings: list[Recording], reason: str) -> None:
        keys = [recording.key for recording in recordings]
        await store.remove(session, recordings)
        await given_up.doom(session, keys, reason, self._clock())
