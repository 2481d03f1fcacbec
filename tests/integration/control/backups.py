"""The commands as operators run them, and what is in a backup and in a database, past the product."""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy

from control.backup.folder import FolderArchive
from control.backup.rows import encode
from control.backup.schema import OBJECTS, OBJECTS_PATH, Column, Kind, Table, TableFile, seal, table_path
from control.backup.streams import Measured, compressed
from control.tables import metadata
from tests.integration.control.conftest import Start
from tests.integration.control.harness import PASSWORD, Client, Control, connected


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


async def parley(*arguments: object, databases: list[sqlalchemy.URL] | None = None, data: Path) -> Ended:
    """Run the command as an operator does."""
    environment = {**os.environ, "PARLEY_DATA": str(data)}
    if databases:
        first, *others = [url.render_as_string(hide_password=False) for url in databases]
        environment |= {"PARLEY_DATABASE_URL": first, "PARLEY_SHARD_URLS": ",".join(others)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parley",
        *(str(each) for each in arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    ended = Ended(process.returncode or 0, out.decode(), err.decode())
    assert "Traceback" not in ended.err, ended.err
    return ended


async def back_up(tmp_path: Path, databases: list[sqlalchemy.URL], *more: object) -> Path:
    ended = await parley(
        "backup", "--to", tmp_path / "backups", *more, databases=databases, data=tmp_path / "data"
    )
    assert ended.code == 0, ended.err
    return Path(ended.out.strip())


async def restore(
    tmp_path: Path, backup: Path, databases: list[sqlalchemy.URL], *more: object, data: str = "anew"
) -> Ended:
    return await parley("restore", "--from", backup, *more, databases=databases, data=tmp_path / data)


async def start_on(start: Start, urls: list[sqlalchemy.URL], **settings: Any) -> Control:
    return await start(database_url=urls[0], shard_urls=tuple(urls[1:]), **settings)


async def sign_in(control: Control, person: Client) -> Client:
    """The same person, by the password."""
    body = {"email": person.user["email"], "password": PASSWORD}
    reply = await control.client().post("/api/session", body)
    assert reply.status == 200, reply.text
    return Client(control.http, control.base, reply.json["access_token"], reply.json["user"])


def contents(databases: list[sqlalchemy.URL]) -> list[dict[str, list[Any]]]:
    """All rows of all tables, as the models have them."""
    found = []
    for url in databases:
        with connected(url) as connection:
            found.append(
                {
                    table.name: sorted(map(repr, connection.execute(sqlalchemy.select(table)).all()))
                    for table in metadata.sorted_tables
                }
            )
    return found


def table_in(path: Path) -> list[list[Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def foreign(url: sqlalchemy.URL) -> sqlalchemy.URL:
    """Make it another program's database."""
    with connected(url) as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE posts (id INTEGER)"))
        connection.commit()
    return url


V0001: dict[str, tuple[dict[str, tuple[Kind, bool]], list[tuple[Any, ...]]]] = {
    "accounts": (
        {
            "id": ("text", False),
            "email": ("text", False),
            "name": ("text", False),
            "password_hash": ("text", False),
            "created_at": ("moment", False),
        },
        [("a" * 32, "ann@example.org", "Ann", "h", "2031-01-01T00:00:00Z")],
    ),
    "meetings": (
        {
            "id": ("text", False),
            "code": ("text", False),
            "title": ("text", False),
            "host_id": ("text", False),
            "guests_allowed": ("boolean", False),
            "created_at": ("moment", False),
            "ended_at": ("moment", True),
        },
        [("b" * 32, "abc-defg-hij", "T", "a" * 32, True, "2031-01-01T00:00:00.000001Z", None)],
    ),
}


async def backup_of_v0001(place: Path, **changed: Any) -> Path:
    """Make a backup as it would have been made of the first tables."""
    archive, files = FolderArchive(made(place)), []
    for name, (columns, lines) in V0001.items():
        table = Table(name, tuple(Column(column, *kind) for column, kind in columns.items()))
        measured = Measured(compressed(only(encode(lines))))
        await archive.put(table_path(0, name), measured)
        files.append(TableFile(table, len(lines), measured.file))
    nothing = Measured(compressed(only(b"")))
    await archive.put(OBJECTS_PATH, nothing)
    manifest = {
        "format": 1,
        "version": "0.0.1",
        "revision": "v0001",
        "system": "c" * 32,
        "made_at": "2031-01-02T00:00:00Z",
        "databases": [files],
        "objects": TableFile(OBJECTS, 0, nothing.file),
        "secrets": [],
    } | changed
    sealed(place, msgspec.json.encode(manifest))
    return place


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def only(content: bytes) -> AsyncIterator[bytes]:
    yield content


def sealed(backup: Path, manifest: bytes) -> None:
    """Give the backup this manifest, in order."""
    (backup / "manifest.json").write_bytes(manifest)
    (backup / "manifest.sha256").write_bytes(seal(manifest))
