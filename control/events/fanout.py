"""Events on their way to the listeners of this process.

A listener that does not keep up is cut off, not waited for: it comes back and resumes by number.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Announcement:
    """A committed event."""

    number: int
    frame: str


class Listener:
    """One connection's outbox. `next` ends it with None when the listener was cut off or the server stops."""

    def __init__(self, outbox_max: int) -> None:
        self._outbox: asyncio.Queue[Announcement | None] = asyncio.Queue(outbox_max + 1)
        self._outbox_max = outbox_max
        self.lagging = False
        self.stopped = False

    async def next(self) -> Announcement | None:
        """Wait for the next announcement; None: there will be none."""
        return None if self.lagging or self.stopped else await self._outbox.get()

    def put(self, announcement: Announcement) -> None:
        """Leave an announcement, or cut the listener off when its outbox is full."""
        if self._outbox.qsize() < self._outbox_max:
            self._outbox.put_nowait(announcement)
        elif not self.lagging:
            self.lagging = True
            self._outbox.put_nowait(None)

    def stop(self) -> None:
        """End the listening: the server stops."""
        self.stopped = True
        if not self._outbox.full():
            self._outbox.put_nowait(None)


class Fanout:
    """All listeners, by meeting."""

    def __init__(self, outbox_max: int) -> None:
        self._outbox_max = outbox_max
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._stopped = False

    @contextmanager
    def listen(self, meeting_id: str) -> Iterator[Listener]:
        """Listen to a meeting's announcements inside the block."""
        listener = Listener(self._outbox_max)
        listener.stopped = self._stopped
        self._listeners[meeting_id].add(listener)
        try:
            yield listener
        finally:
            self._listeners[meeting_id].discard(listener)
            if not self._listeners[meeting_id]:
                del self._listeners[meeting_id]

    def announce(self, meeting_id: str, announcement: Announcement) -> None:
        """Pass a committed event on to the meeting's listeners."""
        for listener in self._listeners.get(meeting_id, ()):
            listener.put(announcement)

    def stop(self) -> None:
        """End all listening, now and from now on."""
        self._stopped = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.stop()
