"""Recording events, and reading them back in order."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.database import after_commit
from control.events import store
from control.events.fanout import Announcement, Fanout
from control.events.schema import Frame, Ready, Reset
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
        self._kept = kept

    async def record(self, session: AsyncSession, meeting_id: str, frame: Callable[[int], Frame]) -> int:
        """Add the event that `frame` makes of its number; listeners hear of it after the commit."""
        number = await store.next_number(session, meeting_id)
        text = _text(frame(number))
        await store.add(session, Event(meeting_id=meeting_id, number=number, frame=text), self._kept)
        after_commit(session, partial(self._announce, meeting_id, Announcement(number, text)))
        return number

    async def frames(self, meeting_id: str, after: int | None) -> AsyncGenerator[str]:
        """Yield all frames in order: where we are, what was missed, then what happens until we stop.

        `after` is the number of the last event that the listener knows. Raises `Lagging`.
        """
        with self._fanout.listen(meeting_id) as listener:
            latest = await self._latest(meeting_id)
            yield _text(Ready(id=latest))
            cursor = latest if after is None else after
            if not latest - self._kept <= cursor <= latest:
                yield _text(Reset(id=latest))
                cursor = latest
            async for missed in self._replay(meeting_id, cursor, latest):
                yield missed
            cursor = latest
            while (announcement := await listener.next()) is not None:
                number, frame = announcement.number, announcement.frame
                async for missed in self._replay(meeting_id, cursor, number - (frame is not None)):
                    yield missed
                if frame is not None and number > cursor:
                    yield frame
                cursor = max(cursor, number)

    async def _latest(self, meeting_id: str) -> int:
        async with self._shards.of(meeting_id).read() as session:
            return await store.last_number(session, meeting_id)

    async def _replay(self, meeting_id: str, after: int, until: int) -> AsyncIterator[str]:
        """Yield the frames of the events numbered above `after` and up to `until`, in order."""
        while after < until:
            async with self._shards.of(meeting_id).read() as session:
                batch = await store.between(session, meeting_id, after, until, BATCH)
            if not batch:
                return
            for event in batch:
                yield event.frame
            after = batch[-1].number


def _text(frame: Frame) -> str:
    return msgspec.json.encode(frame).decode()
