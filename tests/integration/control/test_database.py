import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text

from control import tables
from control.accounts import store
from control.accounts.store import Account
from control.database import Database, after_commit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{file}")
    yield database
    await database.close()


def account(number: int = 0, created_at: datetime | None = None) -> Account:
    return Account(
        id=f"{number:032x}",
        email=f"{number}@example.org",
        name="A",
        password_hash="h",
        created_at=created_at or datetime(2031, 1, 1, tzinfo=UTC),
    )


def table_names(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name for (name,) in rows} - {"alembic_version"}


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), tables.metadata))


async def test_the_migrations_make_the_tables_that_the_models_describe(
    database: Database, file: Path
) -> None:
    await database.migrate()
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert differences(connection) == []
        connection.execute(text("DROP INDEX ix_meetings_host_id_created_at"))
        assert differences(connection) != []  # so the comparison sees indices
        assert not inspect(connection).get_check_constraints("accounts")
    engine.dispose()


async def test_migrations_go_up_down_and_up_again(database: Database, file: Path) -> None:
    await database.migrate()
    made = table_names(file)
    assert made == set(tables.metadata.tables)
    async with database.write() as session:
        await store.add_account(session, account())
    await database.migrate("base")
    assert table_names(file) == set()
    await database.migrate()
    assert table_names(file) == made


async def test_migrating_what_is_there_changes_nothing(database: Database) -> None:
    await database.migrate()
    async with database.write() as session:
        await store.add_account(session, account())
    await database.migrate()
    async with database.read() as session:
        assert await store.by_id(session, account().id) is not None


async def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    await database.migrate()
    told = []
    with pytest.raises(ZeroDivisionError):
        async with database.write() as session:
            await store.add_account(session, account())
            after_commit(session, lambda: told.append("never"))
            raise ZeroDivisionError
    async with database.read() as session:
        assert await store.by_id(session, account().id) is None
    assert told == []


async def test_what_waits_for_the_commit_sees_it(database: Database, file: Path) -> None:
    await database.migrate()
    seen = []

    def look() -> None:
        connection = sqlite3.connect(file)
        seen.extend(connection.execute("SELECT id FROM accounts").fetchall())
        connection.close()

    async with database.write() as session:
        await store.add_account(session, account())
        after_commit(session, look)
        look()
        assert seen == []
    assert seen == [(account().id,)]


async def test_writers_take_turns_and_readers_do_not_wait(database: Database) -> None:
    await database.migrate()
    inside = 0

    async def write(number: int) -> None:
        nonlocal inside
        async with database.write() as session:
            await store.by_id(session, "0")  # a transaction that begins by reading
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            await store.add_account(session, account(number))
            inside -= 1

    await asyncio.gather(*(write(number) for number in range(20)))
    async with database.write() as writer, database.read() as reader:
        await store.add_account(writer, account(99))
        assert await store.by_id(reader, account(19).id) is not None
        assert await store.by_id(reader, account(99).id) is None


async def test_moments_keep_their_zone(database: Database) -> None:
    await database.migrate()
    far_east = datetime(2031, 1, 1, 5, tzinfo=timezone(timedelta(hours=9)))
    async with database.write() as session:
        await store.add_account(session, account(created_at=far_east))
    async with database.read() as session:
        kept = await store.by_id(session, account().id)
    assert kept is not None
    assert (kept.created_at, kept.created_at.tzinfo) == (far_east, UTC)


async def test_a_moment_without_a_zone_is_a_bug(database: Database) -> None:
    await database.migrate()
    with pytest.raises(Exception, match="a moment needs its time zone"):
        async with database.write() as session:
            await store.add_account(session, account(created_at=datetime(2031, 1, 1)))
