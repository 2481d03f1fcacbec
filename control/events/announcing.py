"""Events between the replicas of control: what one commits, the listeners of all hear of.

Each replica also looks in the database whether its listeners missed something: now and then while Redis
answers, often while it does not.
"""

import asyncio
import logging

import msgspec

from control.events import store
from control.events.fanout import Announcement, Fanout
from control.loop import pause
from control.relay import Relay
from control.shards.shards import Shards

log = logging.getLogger(__name__)

TOPIC = "events"
WATCH_S = 5.0
ALONE_S = 0.5
"""So often one looks in the database while Redis does not answer."""


class _Hint(msgspec.Struct, frozen=True, array_like=True):
    """An event that another replica has committed."""

    meeting: str
    number: int
    frame: str


class Announcing:
    """Passes announcements on to the listeners here, and to the other replicas; and theirs to those here."""

    def __init__(self, relay: Relay, shards: Shards, fanout: Fanout) -> None:
        self._relay = relay
        self._shards = shards
        self._fanout = fanout
        self._told: dict[str, int] = {}
        self._look = asyncio.Event()
        self._stopping = False
        self._tell_others = relay.topic(TOPIC, self._hear)
        relay.on_change(self._look.set)  # what happened before Redis answered is looked for at once

    def announce(self, meeting_id: str, announcement: Announcement) -> None:
        """Pass on an event that was committed here."""
        self._tell(meeting_id, announcement)
        if announcement.frame is not None:
            hint = _Hint(meeting_id, announcement.number, announcement.frame)
            self._tell_others(msgspec.json.encode(hint))

    def stop(self) -> None:
        """Let `run` end, after what it is doing in the database."""
        self._stopping = True
        self._look.set()

    async def run(self) -> None:
        """Look in the database for what nobody told, until stopped."""
        while not self._stopping:
            await pause(self._look, WATCH_S if self._relay.is_connected else ALONE_S)
            self._look.clear()
            try:
                await self._look_for_missed()
            except Exception:
                log.exception("the database could not be looked in; trying again")

    def _hear(self, body: bytes) -> None:
        """Take another replica's hint."""
        hint = msgspec.json.decode(body, type=_Hint)
        self._tell(hint.meeting, Announcement(hint.number, hint.frame))

    def _tell(self, meeting_id: str, announcement: Announcement) -> None:
        self._told[meeting_id] = max(announcement.number, self._told.get(meeting_id, 0))
        self._fanout.announce(meeting_id, announcement)

    async def _look_for_missed(self) -> None:
        meetings = self._fanout.meetings
        self._told = {meeting: number for meeting, number in self._told.items() if meeting in meetings}
        for database, theirs in self._shards.by_database(meetings):
            async with database.read() as session:
                latest = await store.last_numbers(session, theirs)
            for meeting, number in latest.items():
                if number > self._told.get(meeting, 0):
                    self._tell(meeting, Announcement(number, None))
