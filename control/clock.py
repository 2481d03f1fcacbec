"""The time of day, as an argument: whoever needs it is given a `Clock`, so that tests turn the hands."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns now, as an aware datetime in UTC."""


def utc_now() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)
