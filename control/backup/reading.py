"""Reading a backup that nobody is to be trusted with: what differs from its manifest is `Damaged`."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from control.backup.archive import Archive
from control.backup.problems import Damaged, Unfit
from control.backup.rows import Row, decoder
from control.backup.schema import (
    FORMAT,
    KEY,
    MANIFEST,
    OBJECTS,
    OBJECTS_PATH,
    SEAL,
    File,
    Formatted,
    Manifest,
    TableFile,
    object_path,
    seal,
    secret_path,
    table_path,
)
from control.backup.streams import Measured, decompressed, lines

MANIFEST_BYTES = 16 * 1024 * 1024
SEAL_BYTES = 4096


@dataclass(frozen=True)
class Kept:
    """An object that is in the backup; `digest` is what its store called its content."""

    key: str
    content_type: str
    digest: str
    file: File


Say = Callable[[str], None]
"""Tells an operator how far things have got."""


async def read_manifest(archive: Archive) -> Manifest:
    """Return what the backup says it holds. Raises `Unfit` when it was made by a later version."""
    content = await _small(archive, MANIFEST, MANIFEST_BYTES)
    if await _small(archive, SEAL, SEAL_BYTES) != seal(content):
        raise Damaged(MANIFEST, f"is not the one that {SEAL} was made of")
    with _blaming(MANIFEST):
        found = msgspec.json.decode(content, type=Formatted).format
        if found > FORMAT:
            raise Unfit(f"the backup has format {found}, this version reads {FORMAT}: use a newer version")
        return msgspec.json.decode(content, type=Manifest)


async def read_rows(archive: Archive, name: str, table: TableFile) -> AsyncGenerator[list[Row], None]:
    """Yield the rows in a file, some at a time; the last before it is known that the file was whole."""
    decode, count = decoder(table.table.columns), 0
    with _blaming(name):
        async for some in lines(decompressed(content(archive, name, table.file))):
            found = []
            for line in some:
                count += 1
                try:
                    found.append(decode(line))
                except msgspec.DecodeError as error:
                    raise ValueError(f"line {count} is no row of this table: {error}") from error
            yield found
    if count != table.rows:
        raise Damaged(name, f"has {count} rows, the manifest says {table.rows}")


async def read_objects(archive: Archive, manifest: Manifest) -> AsyncGenerator[Kept, None]:
    """Yield what there is to know of each object."""
    if manifest.objects.table != OBJECTS:
        raise Damaged(MANIFEST, "its list of objects is not one")
    async for some in read_rows(archive, OBJECTS_PATH, manifest.objects):
        for key, size, content_type, digest, sha256 in some:
            if not KEY.fullmatch(key):
                raise Damaged(OBJECTS_PATH, f"{key!r} is no object's key")
            yield Kept(key, content_type, digest, File(size, sha256))


async def read_secrets(archive: Archive, manifest: Manifest) -> dict[str, bytes]:
    """Return the secret files that are in the backup, by their names."""
    return {
        secret.name: b"".join(
            [chunk async for chunk in content(archive, secret_path(secret.name), secret.file)]
        )
        for secret in manifest.secrets
        if secret.kept
    }


async def verify(archive: Archive, say: Say) -> Manifest:
    """See whether the backup is whole, and return what it holds."""
    manifest = await read_manifest(archive)
    await verify_rows(archive, manifest, say)
    await read_secrets(archive, manifest)
    say("verifying objects")
    async for found in read_objects(archive, manifest):
        async for _ in content(archive, object_path(found.key), found.file):
            pass
    return manifest


async def verify_rows(archive: Archive, manifest: Manifest, say: Say) -> None:
    """See whether the files with rows are whole, and each line is a row."""
    for number, tables in enumerate(manifest.databases):
        say(f"verifying database {number}")
        for table in tables:
            async for _ in read_rows(archive, table_path(number, table.table.name), table):
                pass


async def content(archive: Archive, name: str, file: File) -> AsyncIterator[bytes]:
    """Yield a file's content; when there is no more of it, it is known to be what it should be."""
    measured = Measured(archive.get(name))
    async for chunk in measured:
        if measured.bytes > file.bytes:
            raise Damaged(name, f"is longer than its {file.bytes} bytes")
        yield chunk
    if measured.bytes < file.bytes:
        raise Damaged(name, f"is cut off after {measured.bytes} of {file.bytes} bytes")
    if measured.file != file:
        raise Damaged(name, "does not have the SHA-256 that the manifest says")


async def _small(archive: Archive, name: str, most: int) -> bytes:
    found = b""
    async for chunk in archive.get(name):
        found += chunk
        if len(found) > most:
            raise Damaged(name, f"is longer than {most} bytes")
    return found


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Call it damage of this file when something in it makes no sense."""
    try:
        yield
    except (msgspec.DecodeError, ValueError) as error:
        raise Damaged(name, str(error)) from error
