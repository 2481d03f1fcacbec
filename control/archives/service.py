"""Making archives of chats, handing them out, and letting them go."""

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.archives import store
from control.archives.schema import CONTENT_TYPE, ENDING, ArchiveChat, heading_of
from control.archives.store import ChatArchive
from control.attachments import store as attached
from control.chat import store as chat
from control.chat.schema import message_of
from control.clock import Clock
from control.database import Database
from control.jobs.attempts import Attempt, TemporaryFailure
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.objects import store as given_up
from control.objects.port import Away, Objects, Stored
from control.objects.presenting import present
from control.refusals import Reason, Refused
from control.settings import Settings

BATCH = 500

_encoder = msgspec.json.Encoder()


class Archives:
    """The rules of archives. A meeting has one at most, and none if nobody wrote."""

    def __init__(self, objects: Objects, clock: Clock, settings: Settings) -> None:
        self._objects = objects
        self._clock = clock
        self._download_life_s = settings.download_life_s
        self._retention_days = settings.retention_days

    async def make(self, attempt: Attempt, job: ArchiveChat) -> None:
        """Archive a chat. Raises `TemporaryFailure` while the store is away.

        The archive has the job's id, and its content follows from the job: what an attempt before has stored
        is what this one would store.
        """
        async with attempt.database.read() as session:
            meeting = await meetings.by_id(session, job.meeting)
            messages = await chat.count_written(session, job.meeting, job.until)
        if meeting is None or messages == 0:
            return
        stored = await self._store(attempt, job, meeting)
        archive = ChatArchive(
            id=attempt.job_id,
            meeting_id=meeting.id,
            until=job.until,
            messages=messages,
            size=stored.size,
            created_at=self._clock(),
        )
        async with attempt.finish() as session:
            await self._note(session, archive)

    async def _store(self, attempt: Attempt, job: ArchiveChat, meeting: Meeting) -> Stored:
        key = store.key_of(meeting.id, attempt.job_id)
        try:
            stored = await self._objects.head(key)
            if stored is None:
                lines = _lines(attempt.database, meeting, job.until)
                stored = await self._objects.put(key, lines, CONTENT_TYPE)
        except Away as error:
            raise TemporaryFailure(f"the chat could not be stored: {error}") from error
        return stored

    async def _note(self, session: AsyncSession, archive: ChatArchive) -> None:
        """Have it be the meeting's archive; the one that covers less goes."""
        await meetings.hold(session, archive.meeting_id)
        other = await store.of_meeting(session, archive.meeting_id)
        if other is not None and other.until >= archive.until:
            await given_up.doom(session, [archive.key], "replaced", self._clock())
            return
        if other is not None:
            await self._give_up(session, [other], "replaced")
        await store.add(session, archive)

    async def find(self, session: AsyncSession, meeting: Meeting, archive_id: str) -> ChatArchive:
        """Return the meeting's archive. Raises `Refused` with NOT_FOUND."""
        archive = await store.of_meeting(session, meeting.id)
        if archive is None or archive.id != archive_id:
            raise Refused(Reason.NOT_FOUND)
        return archive

    async def address(self, archive: ChatArchive) -> str:
        """Return where the archive is to be had for a short time. Raises `Away`."""
        presented = present(f"chat-{archive.created_at:%Y-%m-%d-%H%M}{ENDING}", CONTENT_TYPE)
        return await self._objects.download_url(archive.key, presented, self._download_life_s)

    async def sweep(self, session: AsyncSession) -> None:
        """Give up the archives of meetings that ended long ago."""
        if self._retention_days is not None:
            too_old = self._clock() - timedelta(days=self._retention_days)
            outdated = await store.hold_ended_since(session, too_old, BATCH)
            await self._give_up(session, outdated, "retention")

    async def _give_up(self, session: AsyncSession, archives: list[ChatArchive], reason: str) -> None:
        keys = [archive.key for archive in archives]
        await store.remove(session, archives)
        await given_up.doom(session, keys, reason, self._clock())


async def _lines(database: Database, meeting: Meeting, until: int) -> AsyncIterator[bytes]:
    """Yield the archive's lines, some at a time; no transaction waits for the store of objects."""
    yield _encoder.encode_lines([heading_of(meeting)])
    last = 0
    while True:
        async with database.read() as session:
            rows = await chat.between(session, meeting.id, last, until, BATCH)
            named = await attached.of_messages(session, meeting.id, [row.number for row in rows])
        if not rows:
            return
        yield _encoder.encode_lines(message_of(row, meeting.code, named[row.number]) for row in rows)
        last = rows[-1].number
