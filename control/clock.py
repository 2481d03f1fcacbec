"""The time of day, as an argument: whoever needs it is given a `Clock`, so that tests turn the hands."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Clock = Callable[[], datetime]
"""Returns now, as an aware datetime in UTC."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""A moment in JSON, as RFC 3339 writes it."""


def utc_now() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)
