"""Making a backup. What of it belongs together, and why, is told by the package."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from control.backup import store
from control.backup.archive import Archive, Shelf
from control.backup.problems import Damaged, Unfit
from control.backup.reading import Say, read_manifest
from control.backup.rows import Row, encode
from control.backup.schema import (
    FORMAT,
    KEY,
    MANIFEST,
    OBJECTS,
    OBJECTS_PATH,
    SEAL,
    File,
    Manifest,
    SecretFile,
    Table,
    TableFile,
    object_path,
    seal,
    secret_path,
    table_path,
)
from control.backup.streams import Measured, compressed
from control.database import known_revisions, revision_of
from control.keys import secret_files
from control.objects.port import Missing, Objects
from control.shards.shards import Shards
from control.version import VERSION


class Taking:
    """Puts a system into an archive."""

    def __init__(
        self, shards: Shards, objects: Objects | None, data: Path, archive: Archive, say: Say
    ) -> None:
        self._shards = shards
        self._objects = objects
        self._data = data
        self._archive = archive
        self._say = say

    async def take(self, made_at: datetime, *, with_secrets: bool) -> Manifest:
        """Write all files and the manifest, and return that. Raises `Unfit`, and what the driver raises."""
        async with AsyncExitStack() as closing:
            snapshots = await self._snapshots(closing)
            system = await self._system(snapshots)
            databases = [await self._database(number, each) for number, each in enumerate(snapshots)]
        manifest = Manifest(
            format=FORMAT,
            version=VERSION,
            revision=known_revisions()[0],
            system=system,
            made_at=made_at,
            databases=tuple(databases),
            objects=await self._copy_objects(),
            secrets=tuple([await self._secret(*each, with_secrets) for each in self._secrets()]),
        )
        text = msgspec.json.format(msgspec.json.encode(manifest))
        await self._archive.put(MANIFEST, _only(text))
        await self._archive.put(SEAL, _only(seal(text)))
        return manifest

    async def _snapshots(self, closing: AsyncExitStack) -> list[AsyncConnection]:
        """Begin to look at all databases, at the first one last."""
        found = [
            await closing.enter_async_context(database.snapshot())
            for database in reversed(list(self._shards))
        ]
        return found[::-1]

    async def _system(self, snapshots: list[AsyncConnection]) -> str:
        """Return which system this is, having seen that all of it is here, and as this version has it."""
        newest, first = known_revisions()[0], ""
        for number, snapshot in enumerate(snapshots):
            database = self._shards[number]
            if await revision_of(snapshot) != newest:
                raise Unfit(f"{database} is not as this version has it: start control of this version first")
            system, its_number, count = await store.place(snapshot)
            if system is None:
                raise Unfit(f"{database} has never been used")
            first = first or system
            if (system, its_number) != (first, number):
                raise Unfit(f"{database} is another system's, or in another place: give control's addresses")
            if count != len(snapshots):
                raise Unfit(f"the system has {count} databases, not {len(snapshots)}: give all addresses")
        return first

    async def _database(self, number: int, snapshot: AsyncConnection) -> tuple[TableFile, ...]:
        self._say(f"reading {self._shards[number]}")
        files = [await self._table(number, table, snapshot) for table in store.tables()]
        self._say(f"  {sum(each.rows for each in files)} rows")
        return tuple(files)

    async def _table(self, number: int, table: Table, snapshot: AsyncConnection) -> TableFile:
        count = 0

        async def encoded() -> AsyncIterator[bytes]:
            nonlocal count
            async with aclosing(store.rows(snapshot, table)) as batches:
                async for some in batches:
                    count += len(some)
                    yield encode(some)

        file = await self._put(table_path(number, table.name), compressed(encoded()))
        return TableFile(table, count, file)

    async def _copy_objects(self) -> TableFile:
        count = 0

        async def encoded() -> AsyncIterator[bytes]:
            nonlocal count
            async with aclosing(self._copied()) as copied:
                async for row in copied:
                    count += 1
                    yield encode([row])

        self._say("reading objects")
        file = await self._put(OBJECTS_PATH, compressed(encoded()))
        self._say(f"  {count} objects")
        return TableFile(OBJECTS, count, file)

    async def _copied(self) -> AsyncGenerator[Row, None]:
        """Copy each object that is there, and yield its row; what was deleted meanwhile is passed over."""
        if self._objects is None:
            return
        async for key in self._objects.list(""):
            known = await self._objects.head(key) if KEY.fullmatch(key) else None
            if known is None:
                continue
            try:
                file = await self._put(object_path(key), self._objects.get(key))
            except Missing:
                continue
            yield key, file.bytes, known.content_type, known.digest, file.sha256

    def _secrets(self) -> list[tuple[str, bytes]]:
        return sorted(secret_files(self._data).items())

    async def _secret(self, name: str, content: bytes, with_secrets: bool) -> SecretFile:
        if with_secrets:
            await self._put(secret_path(name), _only(content))
        return SecretFile(name, File(len(content), hashlib.sha256(content).hexdigest()), with_secrets)

    async def _put(self, name: str, chunks: AsyncIterable[bytes]) -> File:
        measured = Measured(chunks)
        await self._archive.put(name, measured)
        return measured.file


async def thin_out(shelf: Shelf, system: str, keep: int) -> None:
    """Remove all whole backups of a system but the `keep` newest."""
    ours = [each for each in await shelf.backups() if await _is_of(each, system)]
    for old in ours[keep:]:
        await shelf.remove(old)


async def _is_of(backup: Archive, system: str) -> bool:
    try:
        return (await read_manifest(backup)).system == system
    except (Damaged, Unfit):
        return False


async def _only(content: bytes) -> AsyncIterator[bytes]:
    yield content
