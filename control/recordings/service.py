"""Taking recordings in, handing them out, and letting them go."""

import mimetypes
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import after_commit
from control.events.schema import RecordingReady
from control.events.service import Events
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.metrics import Metrics
from control.objects import store as given_up
from control.objects.port import Form, Objects
from control.objects.presenting import present
from control.recordings import store
from control.recordings.schema import NewRecording, recording_of
from control.recordings.store import Recording
from control.refusals import Reason, Refused, invalid
from control.settings import Settings

SKEW = timedelta(hours=1)
"""So much may a recorder's clock be wrong."""
GRACE = timedelta(hours=1)
"""An upload that began just before its form expired may last this long."""
BATCH = 500


class Recordings:
    """The rules of recordings."""

    def __init__(
        self, objects: Objects, events: Events, clock: Clock, metrics: Metrics, settings: Settings
    ) -> None:
        self._objects = objects
        self._events = events
        self._clock = clock
        self._outcomes = metrics.recordings
        self._limits = settings.limits
        self._upload_life = timedelta(seconds=settings.recording_upload_life_s)
        self._download_life_s = settings.download_life_s
        self._retention_days = settings.retention_days

    async def announce(self, session: AsyncSession, meeting_id: str, wanted: NewRecording) -> Recording:
        """Return a new recording, to be uploaded. Raises `Refused` with INVALID."""
        if wanted.size > self._limits.recording_bytes:
            raise invalid(size=f"Must be at most {self._limits.recording_bytes} bytes.")
        meeting, now = await meetings.hold(session, meeting_id), self._clock()
        if not meeting.created_at - SKEW <= wanted.started_at <= now + SKEW:
            raise invalid(started_at="Must be after the meeting was made, and not to come.")
        if await store.bytes_of(session, meeting.id) + wanted.size > self._limits.meeting_recordings_bytes:
            raise invalid(size="This meeting has no room for more recordings.")
        recording_id = uuid4().hex
        recording = Recording(
            id=recording_id,
            meeting_id=meeting.id,
            key=f"{meeting.id}/{recording_id}",
            title=wanted.title,
            content_type=wanted.type,
            size=wanted.size,
            started_at=wanted.started_at,
            ended_at=wanted.started_at + timedelta(seconds=wanted.duration),
            created_at=now,
        )
        await store.add(session, recording)
        after_commit(session, self._outcomes.labels("announced").inc)
        return recording

    def expiry(self, recording: Recording) -> datetime:
        """Return until when the upload may begin."""
        return recording.created_at + self._upload_life

    async def form(self, recording: Recording) -> Form:
        """Return how the recording is uploaded, for the time that is left. Raises `Away`."""
        left = self.expiry(recording) - self._clock()
        return await self._objects.upload_form(
            recording.key, recording.content_type, recording.size, int(left.total_seconds())
        )

    async def find(self, session: AsyncSession, meeting: Meeting, recording_id: str) -> Recording:
        """Return the meeting's recording, complete or not. Raises `Refused` with NOT_FOUND."""
        recording = await store.kept(session, meeting.id, recording_id)
        if recording is None:
            raise Refused(Reason.NOT_FOUND)
        return recording

    async def inspect(self, recording: Recording) -> str:
        """Return the digest of what was uploaded, outside of any transaction.

        Raises `Refused` with INVALID when it is missing or not what was announced, and `Away`.
        """
        if recording.digest is not None:
            return recording.digest
        stored = await self._objects.head(recording.key)
        if stored is None:
            raise invalid(file="Has not been uploaded.")
        if (stored.size, stored.content_type) != (recording.size, recording.content_type):
            self._outcomes.labels("not_as_announced").inc()
            raise invalid(file="Is not of the size and type announced.")
        return stored.digest

    async def complete(
        self, session: AsyncSession, meeting: Meeting, recording_id: str, digest: str
    ) -> Recording:
        """List a recording that was looked at, and tell the meeting, once. Raises `Refused` (NOT_FOUND)."""
        recording = await store.hold(session, meeting.id, recording_id)
        if recording is None:
            raise Refused(Reason.NOT_FOUND)
        if recording.ready_at is None:
            recording.digest, recording.ready_at = digest, self._clock()
            told = recording_of(recording)
            await self._events.record(session, meeting.id, lambda id_: RecordingReady(id=id_, recording=told))
            after_commit(session, self._outcomes.labels("completed").inc)
        return recording

    async def address(self, recording: Recording) -> str:
        """Return where the recording is to be had for a while.

        Raises `Refused` with NOT_FOUND while it is not complete, with FILE_GONE, and `Away`.
        """
        if recording.ready_at is None:
            raise Refused(Reason.NOT_FOUND)
        stored = await self._objects.head(recording.key)
        if stored is None or recording.digest not in (None, stored.digest):  # None: of before it was kept
            self._outcomes.labels("changed_or_lost").inc()
            raise Refused(Reason.FILE_GONE)
        ending = mimetypes.guess_extension(recording.content_type) or ""
        name = f"recording-{recording.started_at:%Y-%m-%d-%H%M}{ending}"
        presented = present(name, recording.content_type)
        return await self._objects.download_url(recording.key, presented, self._download_life_s)

    async def delete(self, session: AsyncSession, meeting: Meeting, recording_id: str) -> None:
        """Delete a recording. Raises `Refused` with NOT_FOUND.

        Its row stays for as long as the form that was given out can bring its object back.
        """
        recording = await store.hold(session, meeting.id, recording_id)
        if recording is None:
            raise Refused(Reason.NOT_FOUND)
        recording.deleted_at = self._clock()
        await given_up.doom(session, [recording.key], "deleted", recording.deleted_at)

    async def sweep(self, session: AsyncSession) -> None:
        """Give up what was not completed in time or is deleted, and recordings of meetings long over."""
        now = self._clock()
        settled = now - self._upload_life - GRACE
        await self._give_up(session, await store.hold_unlisted(session, settled, BATCH), "expired")
        if self._retention_days is not None:
            too_old = now - timedelta(days=self._retention_days)
            outdated = await store.hold_ended_since(session, too_old, settled, BATCH)
            await self._give_up(session, outdated, "retention")

    async def _give_up(self, session: AsyncSession, recordings: list[Recording], reason: str) -> None:
        keys = [recording.key for recording in recordings]
        await store.remove(session, recordings)
        await given_up.doom(session, keys, reason, self._clock())
