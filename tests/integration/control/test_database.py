import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from control import tables
from control.accounts import store
from control.accounts.store import Account
from control.database import Database, after_commit, database_url, is_conflict
from tests.integration.control.harness import connected, rows
from tests.support.postgres import Postgres


@pytest.fixture
def database(empty_database: URL) -> URL:
    return empty_database


@pytest.fixture
async def db(database: URL) -> AsyncIterator[Database]:
    made = Database(database, readers=4, writers=4)
    yield made
    await made.close()


def account(number: int = 0, created_at: datetime | None = None) -> Account:
    return Account(
        id=f"{number:032x}",
        email=f"{number}@example.org",
        name="A",
        password_hash="h",
        created_at=created_at or datetime(2031, 1, 1, tzinfo=UTC),
    )


def table_names(database: URL) -> set[str]:
    """Return the names of the tables, partitions not counted."""
    queries = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace",
    }
    names = {name for (name,) in rows(database, queries[database.get_backend_name()])}
    return names - {"alembic_version"}


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"include_name": is_no_partition})
    return list(compare_metadata(context, tables.metadata))


def is_no_partition(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not (name or "").startswith("messages_p")


async def test_the_migrations_make_the_tables_that_the_models_describe(db: Database, database: URL) -> None:
    await db.migrate()
    with connected(database) as connection:
        assert differences(connection) == []
        connection.execute(text("DROP INDEX ix_meetings_host_id_created_at"))
        assert differences(connection) != []  # so the comparison sees indices
        assert not inspect(connection).get_check_constraints("accounts")


async def test_migrations_go_up_down_and_up_again(db: Database, database: URL) -> None:
    await db.migrate()
    made = table_names(database)
    assert made == set(tables.metadata.tables)
    async with db.write() as session:
        await store.add_account(session, account())
    await db.migrate("base")
    assert table_names(database) == set()
    await db.migrate()
    assert table_names(database) == made


async def test_migrating_what_is_there_changes_nothing(db: Database) -> None:
    await db.migrate()
    async with db.write() as session:
        await store.add_account(session, account())
    await db.migrate()
    async with db.read() as session:
        assert await store.by_id(session, account().id) is not None


async def test_what_fails_leaves_nothing_behind(db: Database) -> None:
    await db.migrate()
    told = []
    with pytest.raises(ZeroDivisionError):
        async with db.write() as session:
            await store.add_account(session, account())
            after_commit(session, lambda: told.append("never"))
            raise ZeroDivisionError
    async with db.read() as session:
        assert await store.by_id(session, account().id) is None
    assert told == []


async def test_what_waits_for_the_commit_sees_it(db: Database, database: URL) -> None:
    await db.migrate()
    seen = []

    def look() -> None:
        seen.extend(rows(database, "SELECT id FROM accounts"))

    async with db.write() as session:
        await store.add_account(session, account())
        after_commit(session, look)
        look()
        assert seen == []
    assert seen == [(account().id,)]


async def test_writers_of_sqlite_take_turns(tmp_path: Path) -> None:
    db = Database(database_url(f"sqlite:///{tmp_path / 'turns.sqlite'}"), readers=4, writers=4)
    await db.migrate()
    inside = 0

    async def write(number: int) -> None:
        nonlocal inside
        async with db.write() as session:
            await store.by_id(session, "0")  # a transaction that begins by reading
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            await store.add_account(session, account(number))
            inside -= 1

    await asyncio.gather(*(write(number) for number in range(20)))
    await db.close()


async def test_readers_do_not_wait_for_a_writer_nor_see_what_it_has_not_committed(db: Database) -> None:
    await db.migrate()
    async with db.write() as writer, db.read() as reader:
        await store.add_account(writer, account())
        assert await store.by_id(reader, account().id) is None


async def test_a_snapshot_is_of_one_moment_and_takes_its_time(db: Database, database: URL) -> None:
    await db.migrate()
    count = text("SELECT count(*) FROM accounts")
    async with db.snapshot() as first:
        async with db.write() as session:
            await store.add_account(session, account())
        assert await first.scalar(count) == 0
        async with db.snapshot() as second:
            assert await second.scalar(count) == 1
            if database.get_backend_name() == "postgresql":
                assert await second.scalar(text("SHOW statement_timeout")) == "0"
                with pytest.raises(DBAPIError, match="read-only transaction"):
                    await second.execute(text("DELETE FROM accounts"))
        assert await first.scalar(count) == 0
    async with db.read() as session:  # by the same connections
        assert await session.scalar(text("SELECT count(*) FROM accounts")) == 1


async def test_several_may_migrate_at_once(db: Database, database: URL) -> None:
    others = [Database(database, readers=1, writers=1) for _ in range(3)]
    await asyncio.gather(*(each.migrate() for each in (db, *others)))
    for each in others:
        await each.close()
    assert table_names(database) == set(tables.metadata.tables)


async def test_messages_outlive_the_way_into_partitions_and_back(server: Postgres) -> None:
    database = database_url(server.make_database())
    db = Database(database, readers=1, writers=1)
    await db.migrate("v0001")
    with connected(database) as connection:
        for command in (
            "INSERT INTO accounts VALUES ('a', 'a@example.org', 'A', 'h', now())",
            "INSERT INTO meetings VALUES ('m', 'code', 'T', 'a', true, now())",
            "INSERT INTO messages SELECT 'm', n, 'text', 'hi', 'a', 'A', n, now()"
            " FROM generate_series(1, 9) AS n",
        ):
            connection.execute(text(command))
        connection.commit()
    kept = rows(database, "SELECT * FROM messages ORDER BY number")
    assert len(kept) == 9
    for revision, partitions in (("head", 16), ("v0001", 0), ("head", 16)):
        await db.migrate(revision)
        assert rows(database, "SELECT * FROM messages ORDER BY number") == kept
        found = rows(database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass")
        assert found == [(partitions,)]
    await db.close()


async def test_what_there_is_outlives_the_way_to_several_databases_and_back(
    db: Database, database: URL
) -> None:
    await db.migrate("v0002")
    with connected(database) as connection:
        now = "CURRENT_TIMESTAMP"
        for command in (
            f"INSERT INTO accounts VALUES ('a', 'a@example.org', 'Ann', 'h', {now})",
            f"INSERT INTO meetings VALUES ('m', 'code', 'T', 'a', true, {now}, NULL)",
            f"INSERT INTO messages VALUES ('m', 1, 'text', 'hi', 'a', 'Ann', 'c', {now})",
            f"INSERT INTO attendances VALUES ('p', 'm', 'a', 'Ann', 'n', 'new', {now}, NULL, NULL)",
            f"INSERT INTO nodes VALUES ('n', 'new', '', 1, '', '', '', false, 0, {now})",
            "INSERT INTO boots VALUES ('n', 'new', 7), ('n', 'old', 9)",
        ):
            connection.execute(text(command))
        connection.commit()
    kept = "SELECT meeting_id, text, (SELECT count(*) FROM attendances) FROM messages"
    for _ in range(2):
        await db.migrate()
        assert rows(database, kept) == [("m", "hi", 1)]
        assert rows(database, "SELECT host_id, host_name FROM meetings") == [("a", "Ann")]
        assert rows(database, "SELECT id FROM boots WHERE current") == [("new",)]
        assert rows(database, "SELECT number, count FROM place") == [(0, 1)]
        await db.migrate("v0002")
        assert rows(database, kept) == [("m", "hi", 1)]


async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(server: Postgres) -> None:
    db = Database(database_url(server.make_database()), readers=1, writers=2)
    await db.migrate()
    for number in (1, 2):
        async with db.write() as session:
            await store.add_account(session, account(number))
    both = asyncio.Barrier(2)

    async def change(first: int, second: int) -> bool:
        """Lock one account, then the other; tell whether that was a conflict."""
        command = text("UPDATE accounts SET name = 'B' WHERE id = :id")
        try:
            async with db.write() as session:
                await session.execute(command, {"id": account(first).id})
                await both.wait()
                await session.execute(command, {"id": account(second).id})
        except OperationalError as error:
            return is_conflict(error)
        return False

    assert sorted(await asyncio.gather(change(1, 2), change(2, 1))) == [False, True]
    await db.close()


@pytest.mark.parametrize("text", ["", "control.sqlite", "mysql://somebody:secret@host/db", "postgresql"])
def test_what_is_no_database_we_know_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="which begins with sqlite:// or postgresql://") as caught:
        database_url(text)
    assert "secret" not in str(caught.value)


async def test_moments_keep_their_zone(db: Database) -> None:
    await db.migrate()
    far_east = datetime(2031, 1, 1, 5, tzinfo=timezone(timedelta(hours=9)))
    async with db.write() as session:
        await store.add_account(session, account(created_at=far_east))
    async with db.read() as session:
        kept = await store.by_id(session, account().id)
    assert kept is not None
    assert (kept.created_at, kept.created_at.tzinfo) == (far_east, UTC)


async def test_a_moment_without_a_zone_is_a_bug(db: Database) -> None:
    await db.migrate()
    with pytest.raises(Exception, match="a moment needs its time zone"):
        async with db.write() as session:
            await store.add_account(session, account(created_at=datetime(2031, 1, 1)))
