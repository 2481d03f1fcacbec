"""Waiting for a condition with a deadline: the only way a test here waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

DEADLINE_S = 30.0

T = TypeVar("T")


async def until(
    what: str,
    check: Callable[[], Awaitable[T]],
    *,
    accept: Callable[[T], Any] = bool,
    deadline_s: float = DEADLINE_S,
    every_s: float = 0.1,
) -> T:
    """Return the first result of `check` that is accepted; raise `TimeoutError` that tells the last one."""
    end = time.monotonic() + deadline_s
    while not accept(result := await check()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}; last seen: {result!r}")
        await asyncio.sleep(every_s)
    return result


def until_now(
    what: str, check: Callable[[], T], *, deadline_s: float = DEADLINE_S, every_s: float = 0.02
) -> T:
    """Return the first true result of `check`, for code without an event loop."""
    end = time.monotonic() + deadline_s
    while not (result := check()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}; last seen: {result!r}")
        time.sleep(every_s)
    return result
