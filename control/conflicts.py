"""What is done when the database ends a transaction for the sake of another one: it is begun anew."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

from control.database import is_conflict
from control.metrics import Metrics

RETRIES = 4
WAIT_S = 0.05

T = TypeVar("T")


async def begun_anew(attempt: Callable[[], Awaitable[T]], metrics: Metrics) -> T:
    """Return what `attempt` does, which is made again after a moment when it lost to another transaction.

    An attempt that lost has changed nothing, neither in the database nor elsewhere.
    """
    for number in range(RETRIES):
        try:
            return await attempt()
        except OperationalError as error:
            if not is_conflict(error):
                raise
        metrics.conflicts.inc()
        await asyncio.sleep(random.uniform(0, WAIT_S * 2**number))  # noqa: S311 - not a secret
    return await attempt()
