"""Token buckets: how often one caller may do one thing.

Memory is bounded: beyond `keys_max` callers the one longest unseen is forgotten, which at worst gives a
full bucket back.
"""

from collections import OrderedDict
from dataclasses import dataclass

from control.clock import Clock
from control.refusals import Reason, Refused

KEYS_MAX = 20_000


@dataclass(frozen=True)
class Rate:
    """`count` at once, and as many again over every `period_s` seconds."""

    count: int
    period_s: float

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Return the rate written as `count/seconds`, such as `30/60`. Raises ValueError."""
        count, _, period_s = text.partition("/")
        rate = cls(int(count), float(period_s))
        if rate.count < 1 or not 0 < rate.period_s < 1e9:
            raise ValueError("both numbers must be positive")
        return rate

    def __str__(self) -> str:
        return f"{self.count}/{self.period_s:g}"


class Buckets:
    """One bucket per key."""

    def __init__(self, rate: Rate, clock: Clock, keys_max: int = KEYS_MAX) -> None:
        self._rate = rate
        self._clock = clock
        self._keys_max = keys_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, count: int = 1) -> None:
        """Take `count` tokens, at most a full bucket.

        Raises `Refused` with RATE_LIMITED and the wait for those that are missing.
        """
        level, now_s = self._level(key)
        count = min(count, self._rate.count)
        if level < count:
            raise Refused(
                Reason.RATE_LIMITED, retry_after_s=(count - level) * self._rate.period_s / self._rate.count
            )
        self._levels[key] = (level - count, now_s)
        self._levels.move_to_end(key)
        if len(self._levels) > self._keys_max:
            self._levels.popitem(last=False)

    def require(self, key: str) -> None:
        """Raise as `take` does when the bucket is empty; take nothing."""
        level, _ = self._level(key)
        if level < 1:
            raise Refused(
                Reason.RATE_LIMITED, retry_after_s=(1 - level) * self._rate.period_s / self._rate.count
            )

    def _level(self, key: str) -> tuple[float, float]:
        now_s = self._clock().timestamp()
        level, then_s = self._levels.get(key, (float(self._rate.count), now_s))
        gained = max(0.0, now_s - then_s) * self._rate.count / self._rate.period_s
        return min(float(self._rate.count), level + gained), now_s
