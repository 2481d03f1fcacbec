"""What the replicas of control tell one another, over Redis.

All of it are hints; the record is in the database. So nobody waits for Redis, and whoever tells or hears on a
topic also looks in the database now and then for what was not told. Hints are signed: who has only Redis can
tell replicas nothing.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from control.metrics import Metrics

log = logging.getLogger(__name__)

PREFIX = "parley:"
OUTBOX_MAX = 10_000
CONNECT_S = 2.0
RETRY_S = 0.5
LISTEN_S = 5.0
SIGNATURE = 32
ORIGIN = 16

Tell = Callable[[bytes], None]
Hear = Callable[[bytes], None]


class Relay:
    """Passes hints on to the other replicas, and theirs to those who listen here."""

    def __init__(self, url: str, secret: bytes, metrics: Metrics) -> None:
        """Replicas have one `secret`."""
        self._redis = Redis.from_url(
            url, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S, health_check_interval=LISTEN_S
        )
        self._secret = secret
        self._metrics = metrics
        self._origin = uuid4().bytes
        self._ears: dict[bytes, Hear] = {}
        self._outbox: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(OUTBOX_MAX)
        self._changed: list[Callable[[], None]] = []
        self._stop = asyncio.Event()
        self.is_connected = False

    def topic(self, name: str, hear: Hear) -> Tell:
        """Have `hear` called with what other replicas tell on a topic; return what tells them."""
        channel = (PREFIX + name).encode()
        self._ears[channel] = hear

        def tell(body: bytes) -> None:
            try:
                self._outbox.put_nowait((channel, self._sealed(channel, self._origin + body)))
            except asyncio.QueueFull:
                self._metrics.hints.labels("dropped").inc()

        return tell

    def on_change(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever Redis begins or ceases to answer."""
        self._changed.append(call)

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    async def run(self) -> None:
        """Talk with Redis until stopped."""
        talking = [asyncio.create_task(self._publish()), asyncio.create_task(self._subscribe())]
        try:
            await self._stop.wait()
        finally:
            for task in talking:
                task.cancel()
            await asyncio.gather(*talking, return_exceptions=True)
            await self._redis.aclose()

    async def _publish(self) -> None:
        while True:
            channel, hint = await self._outbox.get()
            # A connection may turn out to be dead.
            is_sent = await self._send(channel, hint) or await self._send(channel, hint)
            self._metrics.hints.labels("sent" if is_sent else "unsent").inc()

    async def _send(self, channel: bytes, hint: bytes) -> bool:
        try:
            await self._redis.publish(channel, hint)
        except (RedisError, OSError):
            return False
        return True

    async def _subscribe(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self.is_connected:
                    log.warning("Redis does not answer; looking in the database meanwhile: %s", error)
            except Exception:
                log.exception("a bug while listening to Redis; trying again")
            self._connect(False)
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(*self._ears)
            while True:
                message = await subscription.get_message(timeout=LISTEN_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._connect(message["data"] == len(self._ears))
                elif message["type"] == "message":
                    self._hear(message["channel"], message["data"])

    def _connect(self, is_connected: bool) -> None:
        """Note whether Redis answers."""
        if is_connected != self.is_connected:
            self.is_connected = is_connected
            self._metrics.relay_connected.set(is_connected)
            for call in self._changed:
                call()

    def _hear(self, channel: bytes, hint: bytes) -> None:
        """Take what another replica tells."""
        content = hint[SIGNATURE:]
        if not hmac.compare_digest(hint, self._sealed(channel, content)):
            self._metrics.hints.labels("refused").inc()
            return
        origin, body = content[:ORIGIN], content[ORIGIN:]
        if origin != self._origin:
            self._metrics.hints.labels("heard").inc()
            self._ears[channel](body)

    def _sealed(self, channel: bytes, content: bytes) -> bytes:
        """Return the content, which has a fixed beginning, behind its signature."""
        return hmac.digest(self._secret, b"hint:" + channel + b"\0" + content, "sha256") + content
