"""Backups in a folder: each a folder in it, written as a draft and whole once it has its name."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from control.backup.archive import NAME, Archive, name_of
from control.backup.problems import Damaged
from control.backup.schema import SEAL
from control.backup.streams import CHUNK_BYTES


class FolderArchive:
    """The files of one backup, in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Write a file that is not there yet, whole or not at all; its owner alone can read it."""
        path = self.root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
        except BaseException:
            path.unlink()
            raise

    async def get(self, name: str) -> AsyncIterator[bytes]:
        """Yield a file's content. Raises `Damaged` when there is no such file."""
        try:
            file = await asyncio.to_thread((self.root / name).open, "rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise Damaged(name, "is missing") from error
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk


class FolderShelf:
    """A folder of backups, each a folder in it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @asynccontextmanager
    async def draft(self, made_at: datetime) -> AsyncIterator["FolderArchive"]:
        """Begin a backup, which has its name once the block has ended, and is gone if it failed."""
        name = name_of(made_at)
        draft, place = self._draft(name), self._root / name
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.exists():
            raise FileExistsError(f"{place} is there already")
        draft.mkdir(mode=0o700)
        archive = FolderArchive(draft)
        try:
            yield archive
            draft.rename(place)
            archive.root = place
            _settle(self._root)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    async def backups(self) -> list[FolderArchive]:
        """Return the whole backups, the newest first."""
        found = await asyncio.to_thread(lambda: sorted(self._root.iterdir(), reverse=True))
        return [
            FolderArchive(path) for path in found if NAME.fullmatch(path.name) and (path / SEAL).is_file()
        ]

    async def remove(self, backup: Archive) -> None:
        """Remove a backup; from the first moment on it does not look like one."""
        path = Path(str(backup))
        waste = self._draft(path.name)
        await asyncio.to_thread(path.rename, waste)
        await asyncio.to_thread(shutil.rmtree, waste)

    def _draft(self, name: str) -> Path:
        return self._root / f".{name}.{os.getpid()}"


def _settle(folder: Path) -> None:
    """Have the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
