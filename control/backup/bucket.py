"""Backups in a store of objects: whole are those with the seal, which is put last and deleted first."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from control.backup.archive import NAME, Archive, name_of
from control.backup.problems import Damaged
from control.backup.schema import SEAL
from control.objects.port import Missing, Objects

PREFIX = "backups/"
BYTES = "application/octet-stream"


class BucketArchive:
    """The files of the backup `name`; `address` is that of the store."""

    def __init__(self, objects: Objects, address: str, name: str) -> None:
        self.name = name
        self._objects = objects
        self._address = address

    def __str__(self) -> str:
        return f"{self._address}/{self.name}"

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Store a file, whole or not at all."""
        await self._objects.put(self._key(name), chunks, BYTES)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        """Yield a file's content. Raises `Damaged` when there is no such file."""
        try:
            async for chunk in self._objects.get(self._key(name)):
                yield chunk
        except Missing as error:
            raise Damaged(name, "is missing") from error

    async def delete(self) -> None:
        """Delete all files, the seal first."""
        await self._objects.delete(self._key(SEAL))
        async for key in self._objects.list(self._key("")):
            await self._objects.delete(key)

    def _key(self, name: str) -> str:
        return f"{PREFIX}{self.name}/{name}"


class BucketShelf:
    """The backups in a store."""

    def __init__(self, objects: Objects, address: str) -> None:
        self._objects = objects
        self._address = address

    @asynccontextmanager
    async def draft(self, made_at: datetime) -> AsyncIterator[BucketArchive]:
        """Begin a backup, which has its seal once the block has ended, and is gone if that failed."""
        archive = self._archive(name_of(made_at))
        async for _ in self._objects.list(f"{PREFIX}{archive.name}/"):
            raise FileExistsError(f"{archive} is there already")
        try:
            yield archive
        except BaseException:
            await archive.delete()
            raise

    async def backups(self) -> list[BucketArchive]:
        """Return the whole backups, the newest first."""
        places = [key.removeprefix(PREFIX).partition("/") async for key in self._objects.list(PREFIX)]
        names = [name for name, _, path in places if path == SEAL and NAME.fullmatch(name)]
        return [self._archive(name) for name in sorted(names, reverse=True)]

    async def remove(self, backup: Archive) -> None:
        """Remove a backup; from the first moment on it does not look like one."""
        await self._archive(str(backup).rpartition("/")[2]).delete()

    def _archive(self, name: str) -> BucketArchive:
        return BucketArchive(self._objects, self._address, name)
