"""What every place for backups does. There are two: `folder` and `bucket`."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

NAME = re.compile(r"\d{8}T\d{6}Z")


class Archive(Protocol):
    """The files of one backup. As text it is what `--from` takes."""

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Write a file that is not there yet, whole or not at all."""

    def get(self, name: str) -> AsyncIterator[bytes]:
        """Yield a file's content. Raises `Damaged` when there is no such file."""


class Shelf(Protocol):
    """A system's backups, each named by the moment it was begun."""

    def draft(self, made_at: datetime) -> AbstractAsyncContextManager[Archive]:
        """Begin a backup, which is there once the block has ended, and gone if that failed."""

    async def backups(self) -> Sequence[Archive]:
        """Return the whole backups, the newest first."""

    async def remove(self, backup: Archive) -> None:
        """Remove a backup; from the first moment on it does not look like one."""


def name_of(made_at: datetime) -> str:
    """Return the name of the backup that was begun then."""
    return f"{made_at:%Y%m%dT%H%M%SZ}"
