"""A backup's manifest, and the lines of its other lists, in JSON. No paths are in it: names make them."""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FORMAT = 1
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"

Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Name = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]{0,62}\Z")]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Kind = Literal["boolean", "integer", "moment", "number", "text"]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class File(_Strict, frozen=True):
    """What a file must be like."""

    bytes: Size
    sha256: Digest


class Column(_Strict, frozen=True):
    """A column of a table; `optional` if it may be null."""

    name: Name
    kind: Kind
    optional: bool


class Table(_Strict, frozen=True):
    """A table, with what its rows are made of."""

    name: Name
    columns: Annotated[tuple[Column, ...], Meta(min_length=1)]


class TableFile(_Strict, frozen=True):
    """The rows of a table."""

    table: Table
    rows: Size
    file: File


class SecretFile(_Strict, frozen=True):
    """A secret file of the data folder: what it is like, and whether it is in the backup."""

    name: Annotated[str, Meta(pattern=r"\A[a-z-]{1,32}\.(pem|secret)\Z")]
    file: File
    kept: bool


OBJECTS = Table(
    "objects",
    (
        Column("key", "text", False),
        Column("size", "integer", False),
        Column("content_type", "text", False),
        Column("digest", "text", False),
        Column("sha256", "text", False),
    ),
)
"""The list of objects, as rows: `digest` is the store's own, `sha256` that of the content."""

KEY = re.compile(r"[0-9a-f]{32}/[0-9a-f]{32}")
"""Keys of objects. What else may be in their store, such as backups, is none."""

OBJECTS_PATH = "objects.jsonl.gz"


class Manifest(_Strict, frozen=True, kw_only=True):
    """What a backup holds: per database its tables, those first that others refer to."""

    format: int
    version: str
    revision: str
    system: str
    made_at: Annotated[datetime, Meta(tz=True)]
    databases: tuple[tuple[TableFile, ...], ...]
    objects: TableFile
    secrets: tuple[SecretFile, ...]


class Formatted(msgspec.Struct, frozen=True):
    """All that is read of a manifest before its format is known."""

    format: int


def table_path(database: int, table: str) -> str:
    """Return the name of the file with a table's rows."""
    return f"database-{database}/{table}.jsonl.gz"


def object_path(key: str) -> str:
    """Return the name of the file with an object's content."""
    return f"objects/{key}"


def secret_path(name: str) -> str:
    """Return the name of the file with a secret."""
    return f"secrets/{name}"


def seal(manifest: bytes) -> bytes:
    """Return what `sha256sum` would say of a manifest."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()
