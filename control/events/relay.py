"""Events between the replicas of control, over Redis: what one commits, the listeners of all hear of.

What goes over Redis is a hint, the record is in the database. So nobody waits for Redis, and nothing is lost
with it: each replica also looks in the database whether its listeners missed something, now and then while
Redis answers, often while it does not.
"""

import asyncio
import contextlib
import hmac
import logging
from uuid import uuid4

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from control.events import store
from control.events.fanout import Announcement, Fanout
from control.metrics import Metrics
from control.shards.shards import Shards

log = logging.getLogger(__name__)

CHANNEL = "parley:events"
OUTBOX_MAX = 10_000
CONNECT_S = 2.0
RETRY_S = 0.5
LISTEN_S = 5.0
WATCH_S = 5.0
ALONE_S = 0.5
"""So often one looks in the database while Redis does not answer."""
SIGNATURE = 32


class _Hint(msgspec.Struct, frozen=True, array_like=True):
    """An event that the replica `origin` has committed."""

    origin: str
    meeting: str
    number: int
    frame: str


class Relay:
    """Passes announcements on to the listeners here, and to the other replicas; and theirs to those here."""

    def __init__(self, url: str, secret: bytes, shards: Shards, fanout: Fanout, metrics: Metrics) -> None:
        """Replicas have one `secret`: who has only Redis can tell listeners nothing."""
        self._secret = secret
        self._redis = Redis.from_url(
            url, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S, health_check_interval=LISTEN_S
        )
        self._origin = uuid4().hex
        self._shards = shards
        self._fanout = fanout
        self._metrics = metrics
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(OUTBOX_MAX)
        self._told: dict[str, int] = {}
        self._is_connected = False
        self._look = asyncio.Event()
        self._stopping = False

    def announce(self, meeting_id: str, announcement: Announcement) -> None:
        """Pass on an event that was committed here."""
        self._tell(meeting_id, announcement)
        if announcement.frame is None:
            return
        hint = _Hint(self._origin, meeting_id, announcement.number, announcement.frame)
        try:
            body = msgspec.json.encode(hint)
            self._outbox.put_nowait(self._signature(body) + body)
        except asyncio.QueueFull:
            self._metrics.hints.labels("dropped").inc()

    def stop(self) -> None:
        """Let `run` end, after what it is doing in the database."""
        self._stopping = True
        self._look.set()

    async def run(self) -> None:
        """Talk with Redis, and watch the database, until stopped."""
        talking = [asyncio.create_task(self._publish()), asyncio.create_task(self._subscribe())]
        try:
            await self._watch()
        finally:
            for task in talking:
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)
            await self._redis.aclose()

    async def _publish(self) -> None:
        while True:
            hint = await self._outbox.get()
            is_sent = await self._send(hint) or await self._send(hint)  # a connection may turn out to be dead
            self._metrics.hints.labels("sent" if is_sent else "unsent").inc()

    async def _send(self, hint: bytes) -> bool:
        try:
            await self._redis.publish(CHANNEL, hint)
        except (RedisError, OSError):
            return False
        return True

    async def _subscribe(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self._is_connected:
                    log.warning("Redis does not answer; looking in the database meanwhile: %s", error)
            except Exception:
                log.exception("a bug while listening to Redis; trying again")
            self._connect(False)
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                message = await subscription.get_message(timeout=LISTEN_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._connect(True)
                elif message["type"] == "message":
                    self._hear(message["data"])

    def _connect(self, is_connected: bool) -> None:
        """Note whether Redis answers. What happened before it did is looked for at once."""
        if is_connected != self._is_connected:
            self._is_connected = is_connected
            self._metrics.relay_connected.set(is_connected)
            self._look.set()

    def _hear(self, data: bytes) -> None:
        """Take another replica's hint."""
        signature, body = data[:SIGNATURE], data[SIGNATURE:]
        if not hmac.compare_digest(signature, self._signature(body)):
            self._metrics.hints.labels("refused").inc()
            return
        hint = msgspec.json.decode(body, type=_Hint)
        if hint.origin != self._origin:
            self._metrics.hints.labels("heard").inc()
            self._tell(hint.meeting, Announcement(hint.number, hint.frame))

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, b"hint:" + body, "sha256")

    def _tell(self, meeting_id: str, announcement: Announcement) -> None:
        self._told[meeting_id] = max(announcement.number, self._told.get(meeting_id, 0))
        self._fanout.announce(meeting_id, announcement)

    async def _watch(self) -> None:
        """Look in the database for what nobody told, until stopped."""
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S if self._is_connected else ALONE_S):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._look_for_missed()
            except Exception:
                log.exception("the database could not be looked in; trying again")

    async def _look_for_missed(self) -> None:
        meetings = self._fanout.meetings
        self._told = {meeting: number for meeting, number in self._told.items() if meeting in meetings}
        for database, theirs in self._shards.by_database(meetings):
            async with database.read() as session:
                latest = await store.last_numbers(session, theirs)
            for meeting, number in latest.items():
                if number > self._told.get(meeting, 0):
                    self._tell(meeting, Announcement(number, None))
