"""The buckets of all replicas, in Redis: one round trip takes from one.

While Redis does not answer, each process limits by itself, from the levels that it was told last, and no
request waits: a process that finds Redis gone looks for it in the background. A Redis that lost everything
at worst gives full buckets back.
"""

import asyncio
import hmac
import logging
from dataclasses import dataclass

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from control.clock import Clock
from control.loop import pause
from control.metrics import Metrics
from control.rates.local import LocalBuckets
from control.rates.port import Rate

log = logging.getLogger(__name__)

PREFIX = b"parley:bucket:"
CONNECTIONS_MAX = 16
ANSWER_S = 0.5
"""So long a request waits for Redis, before it takes it for gone."""
LOOK_S = 1.0

_TAKE = """
local count, period_s, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now_s = time[1] + time[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'level', 'then_s')
local level, then_s = tonumber(kept[1]) or count, tonumber(kept[2]) or now_s
level = math.min(count, level + math.max(0, now_s - then_s) * count / period_s)
local is_taken = level >= wanted
if is_taken then
  level = level - wanted
  redis.call('HSET', KEYS[1], 'level', string.format('%.17g', level), 'then_s', string.format('%.6f', now_s))
  redis.call('PEXPIRE', KEYS[1], math.ceil((count - level) * period_s / count * 1000))
end
return {is_taken and 1 or 0, string.format('%.17g', level)}
"""
"""Redis' clock counts, since the replicas' may differ. A bucket is forgotten when it is full again."""


@dataclass(frozen=True)
class Told:
    """Whether tokens were taken from a bucket, and how many are in it now."""

    is_taken: bool
    level: float


class Levels:
    """The levels of all buckets, as Redis has them."""

    def __init__(self, url: str, secret: bytes, metrics: Metrics) -> None:
        """Redis sees hashes of keys, made with `secret`: neither addresses nor who has an account."""
        pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS_MAX, timeout=ANSWER_S, retry=Retry(NoBackoff(), 0)
        )
        self._redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(_TAKE)
        self._secret = secret
        self._metrics = metrics
        self._is_away = False
        self._stop = asyncio.Event()

    async def take(self, name: str, key: str, rate: Rate, count: int) -> Told | None:
        """Take `count` tokens, if there are as many, from a bucket; None while Redis does not answer."""
        if not self._is_away:
            bucket = PREFIX + hmac.digest(self._secret, f"bucket:{name}:{key}".encode(), "sha256")[:16]
            try:
                async with asyncio.timeout(ANSWER_S):
                    is_taken, level = await self._script([bucket], [rate.count, rate.period_s, count])
                return Told(bool(is_taken), float(level))
            except (RedisError, OSError) as error:
                self._lose(error)
        self._metrics.unshared_limits.inc()
        return None

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    async def run(self) -> None:
        """Look for Redis while it is away, until stopped."""
        while not self._stop.is_set():
            if self._is_away:
                await self._look()
            await pause(self._stop, LOOK_S)
        await self._redis.aclose()

    def _lose(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            why = str(error) or f"not within {ANSWER_S:g} s"
            log.warning("Redis does not answer; each process limits rates by itself meanwhile: %s", why)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._redis.ping()
        except (RedisError, OSError):
            return
        self._is_away = False
        log.info("Redis answers again; rates are limited for all processes together")


class SharedBuckets:
    """One bucket per key, in common with those of the same name at other replicas."""

    def __init__(self, levels: Levels, name: str, rate: Rate, clock: Clock) -> None:
        self._levels = levels
        self._name = name
        self._rate = rate
        self._known = LocalBuckets(rate, clock)

    async def take(self, key: str, count: int = 1) -> None:
        """Take `count` tokens, at most a full bucket.

        Raises `Refused` with RATE_LIMITED and the wait for those that are missing.
        """
        self.require(key, count)
        count = min(count, self._rate.count)
        told = await self._levels.take(self._name, key, self._rate, count)
        if told is None:
            await self._known.take(key, count)
            return
        self._known.note(key, told.level)
        if not told.is_taken:
            raise self._rate.refusal(count - told.level)

    def require(self, key: str, count: int = 1) -> None:
        """Raise as `take` does if the bucket has too little by what was told last, and asks nobody.

        Others may have taken since, so there can only be less.
        """
        self._known.require(key, count)
