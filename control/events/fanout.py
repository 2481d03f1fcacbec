"""Events on their way to the listeners of this process.

A listener that does not keep up is cut off, not waited for: it comes back and resumes by number.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Announcement:
    """A committed event. Without its frame it is to be read from the database, and what came before it."""

    number: int
    frame: str | None


class Lagging(Exception):
    """The listener did not keep up and was cut off."""


class Listener:
    """One connection's outbox, of at most `outbox_max` announcements."""

    def __init__(self, outbox_max: int) -> None:
        self._outbox: deque[Announcement] = deque()
        self._outbox_max = outbox_max
        self._news = asyncio.Event()
        self._lagging = False
        self._stopped = False

    async def next(self) -> Announcement | None:
        """Wait for the next announcement; None when the server stops. Raises `Lagging`."""
        await self._news.wait()
        if self._lagging:
            raise Lagging
        if self._stopped:
            return None
        announcement = self._outbox.popleft()
        if not self._outbox:
            self._news.clear()
        return announcement

    def put(self, announcement: Announcement) -> None:
        """Leave an announcement, or cut the listener off when its outbox is full."""
        if len(self._outbox) < self._outbox_max:
            self._outbox.append(announcement)
        else:
            self._lagging = True
        self._news.set()

    def stop(self) -> None:
        """End the listening."""
        self._stopped = True
        self._news.set()


class Fanout:
    """All listeners, by meeting."""

    def __init__(self, outbox_max: int) -> None:
        self._outbox_max = outbox_max
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._stopped = False

    @property
    def meetings(self) -> frozenset[str]:
        """The meetings that somebody listens to."""
        return frozenset(self._listeners)

    @contextmanager
    def listen(self, meeting_id: str) -> Iterator[Listener]:
        """Listen to a meeting's announcements inside the block."""
        listener = Listener(self._outbox_max)
        if self._stopped:
            listener.stop()
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
