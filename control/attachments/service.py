"""Announcing uploads, giving them to messages, and letting them go."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control.attachments import store
from control.attachments.pictures import BEGINNING_BYTES, is_plausible
from control.attachments.schema import NewAttachment
from control.attachments.store import Attachment
from control.clock import Clock
from control.database import after_commit
from control.events.schema import Author
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.metrics import Metrics
from control.objects import store as given_up
from control.objects.port import Form, Missing, Objects
from control.objects.presenting import PICTURES, present
from control.refusals import Reason, Refused, invalid
from control.settings import Settings

GRACE = timedelta(hours=1)
"""An upload that began just before its form expired may last this long."""
BATCH = 500

Digests = Mapping[str, str]
"""Of uploads that were looked at, by their ids."""


class Attachments:
    """The rules of attachments."""

    def __init__(self, objects: Objects, clock: Clock, metrics: Metrics, settings: Settings) -> None:
        self._objects = objects
        self._clock = clock
        self._metrics = metrics
        self._limits = settings.limits
        self._download_life_s = settings.download_life_s
        self._retention_days = settings.retention_days
        self._upload_life_s = settings.upload_life_s

    async def announce(
        self, session: AsyncSession, meeting_id: str, author: Author, name: str, file: NewAttachment
    ) -> Attachment:
        """Return a new attachment, to be uploaded. Raises `Refused` with MEETING_ENDED or INVALID."""
        if file.size > self._limits.file_bytes:
            raise invalid(size=f"Must be at most {self._limits.file_bytes} bytes.")
        meeting = await meetings.hold(session, meeting_id)
        if meeting.ended_at is not None:
            raise Refused(Reason.MEETING_ENDED)
        if await store.bytes_of(session, meeting.id) + file.size > self._limits.meeting_files_bytes:
            raise invalid(size="This meeting has no room for more files.")
        attachment = Attachment(
            id=uuid4().hex,
            meeting_id=meeting.id,
            author_id=author.id,
            name=name,
            content_type=file.type,
            size=file.size,
            created_at=self._clock(),
            place=0,
        )
        await store.add(session, attachment)
        after_commit(session, self._metrics.files.labels("announced").inc)
        return attachment

    async def form(self, attachment: Attachment) -> Form:
        """Return how the file is uploaded. Raises `Away`."""
        return await self._objects.upload_form(
            attachment.key, attachment.content_type, attachment.size, self._upload_life_s
        )

    def expiry(self, attachment: Attachment) -> datetime:
        """Return until when an upload may begin."""
        return attachment.created_at + timedelta(seconds=self._upload_life_s)

    async def find_loose(
        self, session: AsyncSession, meeting: Meeting, author: Author, ids: Collection[str]
    ) -> list[Attachment]:
        """Return those of the author's uploads that no message names yet.

        Raises `Refused` with INVALID when there are more ids than a message may name.
        """
        if len(ids) > self._limits.files_each:
            raise invalid(attachments=f"Must be at most {self._limits.files_each}.")
        return await store.loose(session, meeting.id, author.id, ids)

    async def inspect(self, attachments: Collection[Attachment]) -> Digests:
        """Look at what was uploaded, outside of any transaction.

        Raises `Refused` with INVALID when an object is missing or not what was announced, and `Away`.
        """
        return {attachment.id: await self._digest(attachment) for attachment in attachments}

    async def _digest(self, attachment: Attachment) -> str:
        stored = await self._objects.head(attachment.key)
        if stored is None:
            raise invalid(attachments=f"{attachment.name} has not been uploaded.")
        is_announced = (stored.size, stored.content_type) == (attachment.size, attachment.content_type)
        if not is_announced or not await self._begins_right(attachment):
            self._metrics.files.labels("not_as_announced").inc()
            raise invalid(attachments=f"{attachment.name} is not the kind of file it is said to be.")
        return stored.digest

    async def _begins_right(self, attachment: Attachment) -> bool:
        if attachment.content_type not in PICTURES:
            return True
        try:
            chunks = [chunk async for chunk in self._objects.get(attachment.key, BEGINNING_BYTES)]
        except Missing:
            return False
        return is_plausible(attachment.content_type, b"".join(chunks))

    async def attach(
        self, session: AsyncSession, meeting: Meeting, author: Author, ids: Sequence[str], digests: Digests
    ) -> list[Attachment]:
        """Return the author's own uploads with these ids, looked at and not in any message so far.

        Raises `Refused` with INVALID if any of them is something else.
        """
        loose = await store.hold_loose(session, meeting.id, author.id, ids)
        if len(set(ids)) != len(ids) or not set(ids) <= loose.keys() & digests.keys():
            raise invalid(attachments="Must be finished uploads of your own, each named once.")
        for place, attachment_id in enumerate(ids):
            loose[attachment_id].place = place
            loose[attachment_id].digest = digests[attachment_id]
        after_commit(session, partial(self._metrics.files.labels("posted").inc, len(ids)))
        return [loose[attachment_id] for attachment_id in ids]

    async def find(self, session: AsyncSession, meeting: Meeting, attachment_id: str) -> Attachment:
        """Return a file of the meeting's chat. Raises `Refused` with NOT_FOUND or FILE_GONE."""
        attachment = await store.posted(session, meeting.id, attachment_id)
        if attachment is None:
            raise Refused(Reason.NOT_FOUND)
        if attachment.removed_at is not None:
            raise Refused(Reason.FILE_GONE)
        return attachment

    async def address(self, attachment: Attachment) -> str:
        """Return where the file is to be had for a while. Raises `Refused` with FILE_GONE, and `Away`."""
        stored = await self._objects.head(attachment.key)
        if stored is None or stored.digest != attachment.digest:
            self._metrics.files.labels("changed_or_lost").inc()
            raise Refused(Reason.FILE_GONE)
        presented = present(attachment.name, attachment.content_type)
        return await self._objects.download_url(attachment.key, presented, self._download_life_s)

    async def sweep(self, session: AsyncSession) -> None:
        """Give up uploads that no message named in time, and files whose meeting ended long ago."""
        now = self._clock()
        too_old = now - timedelta(seconds=self._upload_life_s) - GRACE
        expired = await store.hold_loose_since(session, too_old, BATCH)
        await given_up.doom(session, [each.key for each in expired], "expired", now)
        await store.remove(session, expired)
        if self._retention_days is not None:
            outdated = await store.hold_ended_since(
                session, now - timedelta(days=self._retention_days), BATCH
            )
            await given_up.doom(session, [each.key for each in outdated], "retention", now)
            for each in outdated:
                each.removed_at = now
