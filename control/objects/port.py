"""What every store of objects does. There are two: `folder` and `s3`."""

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from yarl import URL

_KEY = re.compile(r"[0-9a-f]{32}/[0-9a-f]{32}")


class Away(Exception):
    """The store does not answer, or not as it should; tried again later, it may."""


class Missing(Exception):
    """There is no object under this key."""


@dataclass(frozen=True)
class Stored:
    """An object that is there. `digest` is opaque: it changes with the content."""

    key: str
    size: int
    content_type: str
    digest: str


@dataclass(frozen=True)
class Form:
    """How a browser uploads: a POST of multipart/form-data with these fields, and last the file as `file`."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Presented:
    """How a download tells what it is: the headers Content-Type and Content-Disposition."""

    content_type: str
    disposition: str


class Objects(Protocol):
    """A store of objects. Everything that asks it raises `Away` when it does not answer."""

    @property
    def origin(self) -> URL | None:
        """Where browsers reach the store; None when that is where they reach us."""

    async def prepare(self, within_s: float) -> None:
        """Make ready for use. Raises `Unreachable` when refused, or not answered for so long."""

    async def put(self, key: str, chunks: AsyncIterable[bytes], content_type: str) -> Stored:
        """Store what `chunks` yields, whole or not at all."""

    def get(self, key: str, first: int | None = None) -> AsyncIterator[bytes]:
        """Yield the object's bytes, or its `first` ones. Raises `Missing`."""

    async def head(self, key: str) -> Stored | None:
        """Return what is known of the object, None when there is none."""

    async def delete(self, key: str) -> None:
        """Delete the object, if it is there."""

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield all keys that begin with `prefix`, in order."""

    async def upload_form(self, key: str, content_type: str, size: int, life_s: int) -> Form:
        """Return the form that for so long stores a file of exactly this type and size under `key`."""

    async def download_url(self, key: str, presented: Presented, life_s: int) -> str:
        """Return the address, a path if it is ours, that for so long gives the object."""

    async def close(self) -> None:
        """Close all connections."""


def checked(key: str) -> str:
    """Return the key: a meeting's id, a slash, a random id. Raises ValueError for anything else."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of ours")
    return key
