"""The database: tables' common base, transactions, migration.

A request's route opens one transaction with `read` or `write`; services and stores work inside it and
never commit. What must happen only once a change has lasted, such as telling listeners, is left with
`after_commit`.

SQLite takes one writer at a time, so writers queue in the pool for their one connection, and say at once
(BEGIN IMMEDIATE) that they will write: a transaction that began by reading could be refused half way.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection, DateTime, Dialect, MetaData, String, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

POOL_WAIT_S = 10
READERS = 8
WRITERS = 8

_AFTER_COMMIT = "after_commit"


class Moment(TypeDecorator[datetime]):
    """An aware datetime in UTC, also on databases that forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse a naive datetime; pass on an aware one in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables. Ids are 32 hex digits, never guessable from one another."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment(), str: String(32)}  # noqa: RUF012 - SQLAlchemy's own form


class Database:
    """Where transactions come from."""

    def __init__(self, url: str) -> None:
        self._writing = _engine(url, "BEGIN IMMEDIATE", sqlite_pool=1, pool=WRITERS)
        self._reading = _engine(url, "BEGIN", sqlite_pool=READERS, pool=READERS)
        self._writer = async_sessionmaker(self._writing, expire_on_commit=False)
        self._reader = async_sessionmaker(self._reading, expire_on_commit=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One transaction that changes nothing."""
        async with self._reader() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction, committed at the end unless an exception leaves the block."""
        async with self._writer() as session:
            yield session
            await session.commit()
        for call in session.info.pop(_AFTER_COMMIT, ()):
            call()

    async def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision`, up or down."""
        async with self._writing.begin() as connection:
            await connection.run_sync(_migrate, revision)

    async def answers(self) -> bool:
        """Tell whether the database can be reached. Raises what the driver raises when it cannot."""
        async with self.read() as session:
            return bool(await session.scalar(text("SELECT 1")))

    async def close(self) -> None:
        """Close all connections."""
        await self._reading.dispose()
        await self._writing.dispose()


def after_commit(session: AsyncSession, call: Callable[[], None]) -> None:
    """Have `call` called once the session's transaction has been committed, or never."""
    session.info.setdefault(_AFTER_COMMIT, []).append(call)


def _migrate(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if revision == "base":
        alembic.command.downgrade(config, revision)
    else:
        alembic.command.upgrade(config, revision)


def _engine(url: str, begin: str, *, sqlite_pool: int, pool: int) -> AsyncEngine:
    sqlite = url.startswith("sqlite")
    engine = create_async_engine(
        url,
        pool_size=sqlite_pool if sqlite else pool,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        hide_parameters=True,
    )
    if sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late, and not IMMEDIATE
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",  # with WAL no crash of ours loses a commit; a power cut may
        "busy_timeout = 5000",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
