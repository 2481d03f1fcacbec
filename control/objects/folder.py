"""Objects in a folder: each a folder of its own with the content and a file that tells about it.

It is written as a draft and appears whole by one rename. Files are read and written in threads, a chunk
at a time.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from yarl import URL

from control.database import Unreachable
from control.objects.grants import DownloadGrant, Grants, UploadGrant
from control.objects.port import Away, Form, Missing, Presented, Stored, checked

CONTENT = "content"
ABOUT = "about.json"
DRAFTS = ".drafts"
ABANDONED_S = 24 * 3600
CHUNK_BYTES = 256 * 1024


class Folder:
    """A store in the folder `root`; browsers reach it by our own routes, with grants."""

    origin: URL | None = None

    def __init__(self, root: Path, grants: Grants) -> None:
        self._root = root.resolve()
        self._grants = grants

    async def prepare(self, within_s: float) -> None:  # noqa: ARG002 - a folder keeps nobody waiting
        """Make the folder; in it, take away what was begun long ago. Raises `Unreachable`."""
        try:
            await asyncio.to_thread(_clear, self._root / DRAFTS)
        except OSError as error:
            raise Unreachable(f"files cannot be kept: {error}") from error

    async def put(self, key: str, chunks: AsyncIterable[bytes], content_type: str) -> Stored:
        """Store what `chunks` yields, whole or not at all."""
        place, draft = self._place(key), self._root / DRAFTS / secrets.token_hex(16)
        try:
            with _troubles():
                await asyncio.to_thread(draft.mkdir)
            size, digest = await _write(draft / CONTENT, chunks)
            stored = Stored(key, size, content_type, digest)
            with _troubles():
                await asyncio.to_thread((draft / ABOUT).write_bytes, msgspec.json.encode(stored))
                await asyncio.to_thread(_publish, draft, place)
            return stored
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)

    async def get(self, key: str, first: int | None = None) -> AsyncIterator[bytes]:
        """Yield the object's bytes, or its `first` ones. Raises `Missing`."""
        try:
            file = await asyncio.to_thread((self._place(key) / CONTENT).open, "rb")
        except FileNotFoundError as error:
            raise Missing(key) from error
        with file, _troubles():
            left = CHUNK_BYTES if first is None else first
            while chunk := await asyncio.to_thread(file.read, min(left, CHUNK_BYTES)):
                yield chunk
                left -= 0 if first is None else len(chunk)

    async def head(self, key: str) -> Stored | None:
        """Return what is known of the object, None when there is none."""
        with _troubles():
            try:
                about = await asyncio.to_thread((self._place(key) / ABOUT).read_bytes)
            except FileNotFoundError:
                return None
        return msgspec.json.decode(about, type=Stored)

    async def delete(self, key: str) -> None:
        """Delete the object, if it is there."""
        with _troubles():
            await asyncio.to_thread(_remove, self._place(key), self._root / DRAFTS)

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield all keys that begin with `prefix`, in order."""
        with _troubles():
            places = await asyncio.to_thread(lambda: sorted(self._root.glob(f"[0-9a-f]*/*/{ABOUT}")))
        for place in places:
            key = place.parent.relative_to(self._root).as_posix()
            if key.startswith(prefix):
                yield key

    async def upload_form(self, key: str, content_type: str, size: int, life_s: int) -> Form:
        """Return the form that for so long stores a file of exactly this type and size under `key`."""
        grant = UploadGrant(checked(key), self._grants.until(life_s), content_type, size)
        return Form(f"/objects/{self._grants.sign(grant)}", {"Content-Type": content_type})

    async def download_url(self, key: str, presented: Presented, life_s: int) -> str:
        """Return the path that for so long gives the object."""
        grant = DownloadGrant(
            checked(key), self._grants.until(life_s), presented.content_type, presented.disposition
        )
        return f"/objects/{self._grants.sign(grant)}"

    def file(self, key: str) -> Path | None:
        """Return the file with the object's content, None when there is none."""
        path = self._place(key) / CONTENT
        return path if path.is_file() else None

    async def close(self) -> None:
        """Nothing is open."""

    def _place(self, key: str) -> Path:
        return self._root / checked(key)


@contextmanager
def _troubles() -> Iterator[None]:
    """Call what the operating system refuses by our name: a full disk is an answer, and no bug."""
    try:
        yield
    except OSError as error:
        raise Away(f"the folder of files: {error}") from error


async def _write(path: Path, chunks: AsyncIterable[bytes]) -> tuple[int, str]:
    """Write the chunks; return their size, and their SHA-256."""
    size, digest = 0, hashlib.sha256()
    with _troubles():
        file = await asyncio.to_thread(path.open, "xb")
    with file:
        async for chunk in chunks:
            size += len(chunk)
            digest.update(chunk)
            with _troubles():
                await asyncio.to_thread(file.write, chunk)
        with _troubles():
            await asyncio.to_thread(_settle, file)
    return size, digest.hexdigest()


def _clear(drafts: Path) -> None:
    """Make the folder of drafts; remove those that some process left behind when it was killed.

    How old they are is told by the clock that also dated them: the file system's.
    """
    drafts.mkdir(0o700, parents=True, exist_ok=True)
    drafts.touch()
    now_s = drafts.stat().st_mtime
    for draft in drafts.iterdir():
        if now_s - draft.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(draft)


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _publish(draft: Path, place: Path) -> None:
    """Give the draft its name; what had that name before goes."""
    place.parent.mkdir(mode=0o700, exist_ok=True)
    _remove(place, draft.parent)
    draft.rename(place)


def _remove(place: Path, drafts: Path) -> None:
    """Take the object away at once, and then apart."""
    waste = drafts / secrets.token_hex(16)
    with contextlib.suppress(FileNotFoundError):
        place.rename(waste)
        shutil.rmtree(waste)
