"""What was done to a backup is told by file, and nothing of it is restored."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from control.backup.folder import FolderArchive
from control.backup.problems import Damaged
from control.backup.reading import verify
from control.backup.schema import Column, File, Table, TableFile
from tests.integration.control.backups import back_up, backup_of_v0001, parley, restore, sealed, start_on
from tests.integration.control.conftest import MakeDatabases, Start
from tests.integration.control.harness import rows
from tests.integration.control.test_shards import meeting_on


def no_rows(table: str, *columns: str) -> TableFile:
    return TableFile(
        Table(table, tuple(Column(name, "text", False) for name in columns)), 0, File(0, "0" * 64)
    )


@pytest.mark.parametrize(
    ("changed", "code", "why"),
    [
        ({"format": 2, "other": "things"}, 4, "use a newer version"),
        ({"revision": "v9999"}, 4, "newer than those of this version"),
        ({"revision": "v0003"}, 3, "no table meetings like that"),
        ({"revision": None}, 3, "manifest.json"),
        ({"path": "/etc/passwd"}, 3, "unknown field"),
        ({"databases": [[{"table": {"name": "../../x", "columns": []}}]]}, 3, "manifest.json"),
        (
            {
                "databases": [
                    [
                        TableFile(
                            Table("alembic_version", (Column("version_num", "text", False),)),
                            0,
                            File(0, "0" * 64),
                        )
                    ]
                ]
            },
            3,
            "no table",
        ),
        (
            {
                "databases": [
                    [TableFile(Table("accounts", (Column("id", "text", False),)), 0, File(0, "0" * 64))]
                ]
            },
            3,
            "no table",
        ),
        ({"databases": [[no_rows("alembic_version", "version_num")]]}, 3, "no table"),
        ({"databases": [[no_rows("accounts", "id")]]}, 3, "no table"),
        ({"databases": [[no_rows("nothing")]]}, 3, "no table"),
    ],
)
async def test_a_manifest_that_was_altered_opens_nothing(
    make: MakeDatabases,
    database: sqlalchemy.URL,
    tmp_path: Path,
    changed: dict[str, Any],
    code: int,
    why: str,
) -> None:
    (anew,) = make("sqlite", 1)
    ended = await restore(tmp_path, await backup_of_v0001(tmp_path / "old", **changed), [anew])
    assert (ended.code, why in ended.err) == (code, True), ended.err
    assert rows(anew, "SELECT name FROM sqlite_master") == []


@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "missing", "rows"])
async def test_damage_is_told_by_file_and_nothing_is_restored(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path, damage: str
) -> None:
    control = await start_on(start, databases)
    meeting = await meeting_on(control, await control.person(), 1)
    assert meeting
    backup = await back_up(tmp_path, databases)
    name = "database-1/messages.jsonl.gz"
    harm(backup, name, damage)
    anew = make(databases[0].get_backend_name())
    for ended in (
        await parley("backup", "--verify", backup, data=tmp_path / "data"),
        await restore(tmp_path, backup, anew),
    ):
        assert (ended.code, f"the backup is damaged: {name}: " in ended.err) == (3, True), ended.err
    tables = {
        "sqlite": "SELECT name FROM sqlite_master",
        "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    }
    assert [rows(url, tables[url.get_backend_name()]) for url in anew] == [[], []]


def harm(backup: Path, name: str, damage: str) -> None:
    path = backup / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "rows":
        manifest = json.loads((backup / "manifest.json").read_bytes())
        (table,) = [each for each in manifest["databases"][1] if each["table"]["name"] == "messages"]
        table["rows"] += 1
        sealed(backup, json.dumps(manifest).encode())
    else:
        middle = len(content) // 2
        path.write_bytes(
            {
                "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
                "cut": content[:-1],
                "longer": content + b"x",
            }[damage]
        )


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_no_byte_of_a_backup_can_change_unnoticed(
    start: Start, databases: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    control = await start_on(start, databases)
    await meeting_on(control, await control.person(), 1)
    backup = await back_up(tmp_path, databases, "--with-secrets")
    await verify(FolderArchive(backup), lambda _: None)
    files = [path for path in backup.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        for at in {0, len(content) // 3, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
            with pytest.raises(Damaged):
                await verify(FolderArchive(backup), lambda _: None)
        path.write_bytes(content)
    await verify(FolderArchive(backup), lambda _: None)
