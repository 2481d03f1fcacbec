"""What goes on in the background."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)


class Loop(Protocol):
    """Something that goes on in the background."""

    async def run(self) -> None:
        """Go on until stopped."""

    def stop(self) -> None:
        """Let `run` end after what it is doing."""


class Repeated:
    """Does something, again `every_s` seconds after it was done; a failure, told as `failure`, is no end."""

    def __init__(self, do: Callable[[], Awaitable[None]], every_s: float, failure: str) -> None:
        self._do = do
        self._every_s = every_s
        self._failure = failure
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Go on until stopped."""
        while not self._stop.is_set():
            try:
                await self._do()
            except (SQLAlchemyError, OSError) as error:
                log.warning("%s; trying again: %s", self._failure, error)
            except Exception:
                log.exception("%s; trying again", self._failure)
            await pause(self._stop, self._every_s)

    def stop(self) -> None:
        """Let `run` end after what it is doing."""
        self._stop.set()


@asynccontextmanager
async def running(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run the loops inside the block; at its end each ends after what it is doing."""
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("a bug ended what goes on in the background", exc_info=ended)


async def pause(event: asyncio.Event, most_s: float) -> None:
    """Wait for the event, so many seconds at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()
