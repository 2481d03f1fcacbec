"""The buckets of one process.

Memory is bounded: beyond `keys_max` callers the one longest unseen is forgotten, which at worst gives a
full bucket back.
"""

from collections import OrderedDict

from control.clock import Clock
from control.rates.port import Rate

KEYS_MAX = 20_000


class LocalBuckets:
    """One bucket per key."""

    def __init__(self, rate: Rate, clock: Clock, keys_max: int = KEYS_MAX) -> None:
        self._rate = rate
        self._clock = clock
        self._keys_max = keys_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def take(self, key: str, count: int = 1) -> None:
        """Take `count` tokens, at most a full bucket.

        Raises `Refused` with RATE_LIMITED and the wait for those that are missing.
        """
        self.require(key, count)
        level, now_s = self._level(key)
        self._set(key, level - min(count, self._rate.count), now_s)

    def require(self, key: str, count: int = 1) -> None:
        """Raise as `take` does when the bucket has too little; take nothing."""
        level, _ = self._level(key)
        missing = min(count, self._rate.count) - level
        if missing > 0:
            raise self._rate.refusal(missing)

    def note(self, key: str, level: float) -> None:
        """Note how full the bucket is."""
        self._set(key, level, self._clock().timestamp())

    def _level(self, key: str) -> tuple[float, float]:
        now_s = self._clock().timestamp()
        level, then_s = self._levels.get(key, (float(self._rate.count), now_s))
        gained = max(0.0, now_s - then_s) * self._rate.count / self._rate.period_s
        return min(float(self._rate.count), level + gained), now_s

    def _set(self, key: str, level: float, now_s: float) -> None:
        self._levels[key] = (level, now_s)
        self._levels.move_to_end(key)
        if len(self._levels) > self._keys_max:
            self._levels.popitem(last=False)
