"""Backup and restore by their commands: of a running system, into either kind of database."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from control.database import Database
from control.keys import ensure_secrets
from sfu.contract.operations import PeerEntered
from tests.integration.control.backups import (
    back_up,
    backup_of_v0001,
    contents,
    foreign,
    parley,
    restore,
    sealed,
    sign_in,
    start_on,
    table_in,
)
from tests.integration.control.conftest import MakeDatabases, Start
from tests.integration.control.harness import Client, rows
from tests.integration.control.test_chat import say
from tests.integration.control.test_events import frames
from tests.integration.control.test_meetings import pages
from tests.integration.control.test_shards import meeting_on
from tests.support.ports import free_ports

KINDS = ("sqlite", "postgresql")


@pytest.mark.parametrize("target", KINDS)
async def test_a_restored_system_goes_on_where_it_was(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path, target: str
) -> None:
    anew = make(target)
    control = await start_on(start, databases)
    await control.report()
    ann, bob = await control.person("Ann"), await control.person("Bob 👩‍💻")
    meetings = [await meeting_on(control, ann, shard) for shard in (0, 1)]
    for meeting in meetings:
        path = f"/api/meetings/{meeting['code']}"
        joined = (await bob.post(f"{path}/join")).json
        at = control.clock().timestamp()
        await control.report(PeerEntered(seq=1, at=at, room=meeting["id"], peer=joined["peer"], ticket="t"))
        for text in ("hello", 'line\nbreaks\t"quotes" \\ \u2028', "\U0001f600" * 4000):
            assert (await say(bob, meeting["code"], text)).status == 201
    seen = [await everything(ann, meeting["code"]) for meeting in meetings]

    backup = await back_up(tmp_path, databases)
    assert (await parley("backup", "--verify", backup, data=tmp_path / "data")).code == 0
    before = contents(databases)
    restored = await restore(tmp_path, backup, anew)
    assert restored.code == 0, restored.err
    assert "signs in anew" in restored.err
    assert contents(anew) == before

    control = await start_on(start, anew, data=tmp_path / "anew")
    assert (await control.client(ann.token).get("/api/meetings")).status == 401
    ann, bob = await sign_in(control, ann), await sign_in(control, bob)
    assert [await everything(ann, meeting["code"]) for meeting in meetings] == seen
    for meeting in meetings:
        assert (await say(bob, meeting["code"], "back")).status == 201
        async with await ann.listen(meeting["code"], after=0) as ear:
            heard = await frames(ear, 7)
        numbers = [frame["id"] for frame in heard[1:]]
        assert numbers == list(range(1, 7)), numbers
        assert heard[-1]["message"]["text"] == "back"


async def everything(person: Client, code: str) -> tuple[Any, ...]:
    path = f"/api/meetings/{code}"
    return (
        (await person.get(path)).json,
        await pages(person, f"{path}/messages", 3),
        (await person.get(f"{path}/people")).json,
    )


async def test_a_backup_of_a_busy_system_is_of_one_moment(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    """Each feed's number is that of its last event and its last message, however many were on their way."""
    control = await start_on(start, databases)
    ann = await control.person("Ann")
    meetings = [await meeting_on(control, ann, shard) for shard in (0, 1) for _ in range(2)]
    talking = [asyncio.create_task(talk(ann, meeting["code"])) for meeting in meetings]
    seen, anew = [], make(KINDS[databases[0].get_backend_name() == "sqlite"])
    while len(seen) < 3 or min(seen[-1]) <= 8:
        numbers = backed_up_numbers(await back_up(tmp_path, databases))
        seen.append([numbers[meeting["id"]] for meeting in meetings])
    backup = await back_up(tmp_path, databases)
    for each in talking:
        each.cancel()
    said = sum(await asyncio.gather(*talking))
    assert seen[0] != seen[-1]  # so there was something going on
    assert sum(seen[-1]) <= said + 2 * len(meetings)
    assert (await restore(tmp_path, backup, anew)).code == 0
    query = (
        "SELECT last_number, (SELECT max(number) FROM events WHERE meeting_id = feeds.meeting_id),"
        " (SELECT max(number) FROM messages WHERE meeting_id = feeds.meeting_id),"
        " (SELECT count(*) FROM messages WHERE meeting_id = feeds.meeting_id) FROM feeds"
    )
    for url in anew:
        for last, *others in rows(url, query):
            assert others == [last] * 3


async def talk(person: Client, code: str) -> int:
    """Say one thing after the other until cancelled; return how many were accepted."""
    accepted = 0
    try:
        while True:
            accepted += (await say(person, code, f"m{accepted}")).status == 201
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        return accepted


def backed_up_numbers(backup: Path) -> dict[str, int]:
    """Return each meeting's last number in a backup, having seen that its messages go as far."""
    last: dict[str, int] = {}
    messages: dict[str, list[int]] = {}
    for folder in backup.glob("database-*"):
        for meeting, number in table_in(folder / "feeds.jsonl.gz"):
            last[meeting] = number
        for meeting, number, *_ in table_in(folder / "messages.jsonl.gz"):
            messages.setdefault(meeting, []).append(number)
    assert {meeting: sorted(numbers) for meeting, numbers in messages.items()} == {
        meeting: list(range(1, number + 1)) for meeting, number in last.items()
    }
    return last


async def test_with_its_secrets_a_restored_system_knows_who_was_signed_in(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    control = await start_on(start, databases)
    ann = await control.person("Ann")
    without, backup = await back_up(tmp_path, databases), await back_up(tmp_path, databases, "--with-secrets")
    assert not (without / "secrets").exists()
    for path in backup.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    anew = make(databases[0].get_backend_name())
    refused = await restore(tmp_path, without, anew, "--with-secrets")
    assert (refused.code, "without --with-secrets" in refused.err) == (4, True)
    ensure_secrets(tmp_path / "others")
    refused = await restore(tmp_path, backup, anew, "--with-secrets", data="others")
    assert (refused.code, "move it away first" in refused.err) == (4, True)
    restored = await restore(tmp_path, backup, anew, "--with-secrets")
    assert (restored.code, "signs in anew" in restored.err) == (0, False)
    control = await start_on(start, anew, data=tmp_path / "anew")
    assert (await control.client(ann.token).get("/api/meetings")).status == 200


async def test_what_does_not_go_together_is_refused_and_changes_nothing(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    kind = databases[0].get_backend_name()
    unused = await parley("backup", "--to", tmp_path / "b", databases=databases, data=tmp_path / "data")
    assert (unused.code, "start control of this version first" in unused.err) == (4, True)
    control = await start_on(start, databases)
    await meeting_on(control, await control.person(), 1)
    for wrong, why in (
        (databases[:1], "2 databases, not 1"),
        (databases[::-1], "in another place"),
        ([databases[0], databases[0]], "in another place"),
    ):
        refused = await parley("backup", "--to", tmp_path / "b", databases=wrong, data=tmp_path / "data")
        assert (refused.code, why in refused.err) == (4, True), refused.err
    assert list((tmp_path / "b").iterdir()) == []

    backup = await back_up(tmp_path, databases)
    before = contents(databases)
    for targets, why in (
        (databases, "is in use"),
        ([make(kind)[0], databases[1]], "is in use"),
        (make(kind, 1), "there must be as many"),
        (make(kind, 3), "there must be as many"),
        ([foreign(make(kind)[0]), make(kind)[1]], "not Parley's"),
    ):
        refused = await restore(tmp_path, backup, targets)
        assert (refused.code, why in refused.err) == (4, True), refused.err
    assert contents(databases) == before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_the_embedded_database_is_restored_into_a_folder_that_is_made(
    start: Start, tmp_path: Path
) -> None:
    control = await start(database_url=None)
    ann = await control.person("Ann")
    backup = await back_up(tmp_path, [])
    restored = await restore(tmp_path, backup, [], "--with-secrets")
    assert (restored.code, "without --with-secrets" in restored.err) == (4, True)
    assert (await restore(tmp_path, backup, [])).code == 0
    assert (tmp_path / "anew" / "control.sqlite").exists()
    await sign_in(await start(database_url=None, data=tmp_path / "anew"), ann)


async def test_databases_that_were_migrated_and_not_used_are_filled(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    control = await start_on(start, databases)
    await control.person()
    anew = make(databases[0].get_backend_name())
    for url, revision in zip(anew, ("head", "v0001"), strict=True):
        db = Database(url, readers=1, writers=1)
        await db.migrate(revision)
        await db.close()
    assert (await restore(tmp_path, await back_up(tmp_path, databases), anew)).code == 0
    assert contents(anew) == contents(databases)


async def test_an_older_versions_backup_is_brought_up_to_date(
    start: Start, make: MakeDatabases, database: sqlalchemy.URL, tmp_path: Path
) -> None:
    (anew,) = make(database.get_backend_name(), 1)
    backup = await backup_of_v0001(tmp_path / "old")
    restored = await restore(tmp_path, backup, [anew])
    assert restored.code == 0, restored.err
    assert rows(anew, "SELECT host_id, host_name FROM meetings") == [("a" * 32, "Ann")]
    assert rows(anew, "SELECT number, count FROM place") == [(0, 1)]
    control = await start(database_url=anew, data=tmp_path / "anew")
    assert (await control.client().get("/readyz")).status == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_old_backups_of_the_same_system_go(
    start: Start, databases: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    control = await start_on(start, databases)
    await control.person()
    shelf = tmp_path / "backups"
    made = [await back_up(tmp_path, databases) for _ in range(2)]
    another = made[0].rename(shelf / "20300101T000000Z")
    manifest = json.loads((another / "manifest.json").read_bytes())
    sealed(another, json.dumps(manifest | {"system": "f" * 32}).encode())
    broken = shelf / "20300102T000000Z"
    broken.mkdir()
    newest = await back_up(tmp_path, databases, "--keep", 1)
    assert set(shelf.iterdir()) == {newest, another, broken}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_database_that_does_not_answer_is_told_without_its_password(
    database: sqlalchemy.URL, tmp_path: Path
) -> None:
    away = database.set(port=free_ports(1)[0], password="hush")
    ended = await parley("backup", "--to", tmp_path / "b", databases=[away], data=tmp_path / "data")
    assert (ended.code, "Error: " in ended.err, "hush" in ended.err) == (1, True, False)
    assert list((tmp_path / "b").iterdir()) == []
