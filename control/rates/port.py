"""What every kind of bucket does. There are two: `local` and `shared`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from control.refusals import Reason, Refused


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

    def refusal(self, missing: float) -> Refused:
        """Return the refusal with RATE_LIMITED, and the wait for the tokens that are missing."""
        return Refused(Reason.RATE_LIMITED, retry_after_s=missing * self.period_s / self.count)


class Buckets(Protocol):
    """One bucket per key."""

    async def take(self, key: str, count: int = 1) -> None:
        """Take `count` tokens, at most a full bucket.

        Raises `Refused` with RATE_LIMITED and the wait for those that are missing.
        """

    def require(self, key: str, count: int = 1) -> None:
        """Raise as `take` does if the bucket, as far as this process knows, has too little; take nothing."""


MakeBuckets = Callable[[str, Rate], Buckets]
"""Makes the buckets of a name, which says what they are for; replicas may have them in common."""
