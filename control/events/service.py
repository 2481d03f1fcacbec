"""Recording events, and reading them back in order."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.database import after_commit
from control.events import store
from control.events.fanout import Announcement, Fanout, Listener
from control.events.schema import Frame
from control.events.store import Event
from control.shards.shards import Shards

BATCH = 100

Announce = Callable[[str, Announcement], None]


class Events:
    """The feeds of all meetings; each keeps its last `kept` events. `announce` tells of one that lasts."""

    def __init__(self, shards: Shards, fanout: Fanout, announce: Announce, kept: int) -> None:
        self._shards = shards
        self._fanout = fanout
        self._announce = announce
        self.kept = kept

    async def record(self, session: AsyncSession, meeting_id: str, frame: Callable[[int], Frame]) -> int:
        """Add the event that `frame` makes of its number; listeners hear of it after the commit."""
        number = await store.next_number(session, meeting_id)
        text = msgspec.json.encode(frame(number)).decode()
        await store.add(session, Event(meeting_id=meeting_id, number=number, frame=text), self.kept)
        after_commit(session, partial(self._announce, meeting_id, Announcement(number, text)))
        return number

    def listen(self, meeting_id: str) -> AbstractContextManager[Listener]:
        """Listen to the meeting's events, from now on, inside the block."""
        return self._fanout.listen(meeting_id)

    async def latest(self, meeting_id: str) -> int:
        """Return the number of the meeting's latest event."""
        async with self._shards.of(meeting_id).read() as session:
            return await store.last_number(session, meeting_id)

    async def replay(self, meeting_id: str, after: int, until: int) -> AsyncIterator[str]:
        """Yield the frames of the events numbered above `after` and up to `until`, in order."""
        while after < until:
            async with self._shards.of(meeting_id).read() as session:
                batch = await store.between(session, meeting_id, after, until, BATCH)
            if not batch:
                return
            for event in batch:
                yield event.frame
            after = batch[-1].number
