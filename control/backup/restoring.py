"""Making a system of a backup: in databases that nobody has used, whole or not at all."""

import hashlib
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from control.backup import store
from control.backup.archive import Archive
from control.backup.problems import Damaged, Unfit
from control.backup.reading import (
    Say,
    content,
    read_manifest,
    read_objects,
    read_rows,
    read_secrets,
    verify_rows,
)
from control.backup.schema import MANIFEST, Manifest, TableFile, object_path, table_path
from control.database import Database, bring_to, known_revisions, revision_of
from control.keys import FILES, bring_back_secrets, secret_files
from control.objects.port import Objects
from control.shards.ids import shard_of
from control.shards.shards import Shards


class Restoring:
    """Puts what is in an archive into a system."""

    def __init__(self, shards: Shards, objects: Objects, data: Path, archive: Archive, say: Say) -> None:
        self._shards = shards
        self._objects = objects
        self._data = data
        self._archive = archive
        self._say = say

    async def restore(self, *, with_secrets: bool) -> Manifest:
        """Fill all databases, each in a transaction that is committed once all are full.

        Raises `Damaged`, `Unfit`, and what the driver and the operating system raise.
        """
        manifest = await read_manifest(self._archive)
        self._see_that_it_fits(manifest)
        secrets = await read_secrets(self._archive, manifest)
        if with_secrets:
            self._see_that_secrets_fit(manifest)
        async with AsyncExitStack() as committing:
            targets = [await committing.enter_async_context(each.remake()) for each in self._shards]
            for database, target, tables in zip(self._shards, targets, manifest.databases, strict=True):
                await self._make_ready(database, target, tables, manifest.revision)
            await verify_rows(self._archive, manifest, self._say)
            for number, target in enumerate(targets):
                await self._fill(number, target, manifest.databases[number])
            await self._put_objects(manifest, targets)
            if with_secrets:
                bring_back_secrets(self._data, secrets)
        return manifest

    def lost_secrets(self, manifest: Manifest) -> list[str]:
        """Return the names of the secrets that are not here as they were when the backup was made."""
        here = _digests(self._data)
        return [each.name for each in manifest.secrets if here.get(each.name) != each.file.sha256]

    def _see_that_it_fits(self, manifest: Manifest) -> None:
        if manifest.revision not in known_revisions():
            raise Unfit(
                f"the backup was made by version {manifest.version}, and its tables are newer than those of "
                "this version: restore it with that version or a later one"
            )
        if len(manifest.databases) != len(self._shards):
            raise Unfit(
                f"the backup is of {len(manifest.databases)} databases, and {len(self._shards)} are given: "
                "meetings are found by their database's number, so there must be as many"
            )

    def _see_that_secrets_fit(self, manifest: Manifest) -> None:
        if {each.name for each in manifest.secrets if each.kept} != set(FILES):
            raise Unfit("the secrets are not in the backup: it was made without --with-secrets")
        here = _digests(self._data)
        for each in manifest.secrets:
            if here.get(each.name, each.file.sha256) != each.file.sha256:
                raise Unfit(f"{self._data / each.name} is another than the backup's: move it away first")

    async def _make_ready(
        self, database: Database, target: AsyncConnection, tables: tuple[TableFile, ...], revision: str
    ) -> None:
        """See that the database is unused, and give it the tables the backup was made of."""
        present = await revision_of(target)
        if present is None and await store.names(target):
            raise Unfit(f"{database} has tables that are not Parley's: give an empty database")
        if present is not None and present not in known_revisions():
            raise Unfit(f"{database} was used by a later version: give an empty database")
        if name := await store.used(target):
            raise Unfit(f"{database} is in use, there is something in {name}: give an empty database")
        await bring_to(target, revision)
        for each in tables:
            if set(await store.columns(target, each.table.name)) != set(each.table.columns):
                raise Damaged(MANIFEST, f"there is no table {each.table.name} like that in {revision}")

    async def _fill(self, number: int, target: AsyncConnection, tables: tuple[TableFile, ...]) -> None:
        """Load a database's rows, and bring its tables up to date."""
        self._say(f"filling {self._shards[number]}")
        for each in tables:
            await store.clear(target, each.table)
            path = table_path(number, each.table.name)
            async with aclosing(read_rows(self._archive, path, each)) as batches:
                async for some in batches:
                    await store.add(target, each.table, some)
        for each in tables:
            found = await store.count(target, each.table)
            if found != each.rows:
                raise Damaged(each.table.name, f"has {found} rows after loading {each.rows}")
        if name := await store.dangling(target):
            raise Damaged(MANIFEST, f"a row of {name} refers to one that is not there")
        self._say(f"  {sum(each.rows for each in tables)} rows")
        await bring_to(target, "head")

    async def _put_objects(self, manifest: Manifest, targets: list[AsyncConnection]) -> None:
        """Put all objects into their store, and note what that calls their contents if it is another word."""
        self._say(f"putting {manifest.objects.rows} objects back")
        async for kept in read_objects(self._archive, manifest):
            chunks = content(self._archive, object_path(kept.key), kept.file)
            stored = await self._objects.put(kept.key, chunks, kept.content_type)
            meeting, _, id_ = kept.key.partition("/")
            if stored.digest != kept.digest and shard_of(meeting) < len(targets):
                target = targets[shard_of(meeting)]
                await store.renew_digest(target, meeting, id_, kept.digest, stored.digest)


def _digests(data: Path) -> dict[str, str]:
    """Return the SHA-256 of each secret file there is."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in secret_files(data).items()}
