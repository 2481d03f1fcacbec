"""The database: tables' common base, transactions, migration. SQLite, or PostgreSQL by its URL.

A request's route opens one transaction with `read` or `write`; services and stores work inside it and
never commit. What must happen only once a change has lasted, such as telling listeners, is left with
`after_commit`.

SQLite takes one writer at a time, so writers queue in the pool for their one connection, and say at once
(BEGIN IMMEDIATE) that they will write: a transaction that began by reading could be refused half way.
PostgreSQL takes many, who lock what they are about to change. Now and then it must end one of two that
wait for each other; that is no fault, and `is_conflict` tells it, to be tried again (`control.edge`).
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Connection,
    DateTime,
    Dialect,
    MetaData,
    Select,
    String,
    event,
    func,
    make_url,
    select,
    text,
    tuple_,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute
from sqlalchemy.types import TypeDecorator

log = logging.getLogger(__name__)

DatabaseUrl = URL
Row = TypeVar("Row")
Reaches = Callable[[AsyncSession], Awaitable[bool]]
"""Tells whether a replica has what is asked for."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
POOL_WAIT_S = 10
CONNECT_S = 5
RETRY_S = 1.0
STATEMENT_S = 15
"""A query, or a wait for a lock, that takes longer is given up."""

_LIMITS_MS = {
    "statement_timeout": 1000 * STATEMENT_S,
    "idle_in_transaction_session_timeout": 2000 * STATEMENT_S,
}
_POSTGRESQL: dict[str, Any] = {
    "pool_pre_ping": True,
    "connect_args": {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": 1000 * STATEMENT_S,
        "options": " ".join(f"-c {name}={limit_ms}" for name, limit_ms in _LIMITS_MS.items()),
    },
}

_AFTER_COMMIT = "after_commit"
_CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATEs serialization_failure and deadlock_detected."""
_MIGRATION_LOCK = 0x7061726C6579
_SQLITE_BUSY_S = 5
_SQLITE_REMADE_S = 3600
"""How long one who remakes the tables waits for another who does."""


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


class Unreachable(Exception):
    """The database does not answer, or not to us; says which, and why."""


class Database:
    """Where transactions come from."""

    def __init__(
        self, url: DatabaseUrl, *, readers: int, writers: int, replica: DatabaseUrl | None = None
    ) -> None:
        """Keep at most so many connections open that read, and that write; of SQLite only one writes.

        A `replica` is a copy that the database itself keeps up to date, a moment later.
        """
        self._url = url
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._writing = _engine(url, 1 if self._is_sqlite else writers)
        self._reading = _engine(url, readers, is_reading=True)
        self._copy = self._reading if replica is None else _engine(replica, readers, is_reading=True)
        self._writer = async_sessionmaker(self._writing, expire_on_commit=False)
        self._reader = async_sessionmaker(self._reading, expire_on_commit=False)
        self._historian = async_sessionmaker(self._copy, expire_on_commit=False)

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Queries that change nothing; each sees what was committed before it."""
        async with self._reader() as session:
            yield session

    @asynccontextmanager
    async def history(self, reaches: Reaches) -> AsyncIterator[AsyncSession]:
        """Queries of what is past: to the replica, if it answers and `reaches` far enough."""
        if self._copy is not self._reading:
            async with self._historian() as session:
                if await _is_of_use(session, reaches):
                    yield session
                    return
        async with self.read() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction, committed at the end unless an exception leaves the block."""
        async with self._writer() as session:
            yield session
            await session.commit()
        for call in session.info.pop(_AFTER_COMMIT, ()):
            call()

    async def prepare(self, within_s: float) -> None:
        """Bring the tables up to date once the database answers. Raises `Unreachable` after so long."""
        waited_s = 0.0
        while True:
            try:
                return await self.migrate()
            except OperationalError as error:
                if waited_s >= within_s:
                    raise Unreachable(f"{self} does not answer: {error.orig}") from error
                log.warning("%s does not answer yet: %s", self, error.orig)
            await asyncio.sleep(RETRY_S)
            waited_s += RETRY_S

    async def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision`, up or down."""
        async with self.remake() as connection:
            await bring_to(connection, revision)

    @asynccontextmanager
    async def remake(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, of any length, that may change the tables themselves; others of its kind wait."""
        engine = _engine(self._url, 1, is_remaking=True)
        try:
            async with engine.begin() as connection:
                if not self._is_sqlite:  # of SQLite's writers only one is here at a time
                    await _take_time(connection)
                    await connection.execute(
                        text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
                    )
                yield connection
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, of any length, that sees the database as it is now and changes nothing."""
        async with self._reading.connect() as connection:
            if not self._is_sqlite:
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            async with connection.begin():
                if not self._is_sqlite:
                    await _take_time(connection)
                await revision_of(connection)  # what is seen is settled by the first look
                yield connection

    async def answers(self) -> bool:
        """Tell whether the database can be reached. Raises what the driver raises when it cannot."""
        async with self.read() as session:
            return bool(await session.scalar(text("SELECT 1")))

    async def close(self) -> None:
        """Close all connections."""
        for engine in (self._copy, self._reading, self._writing):
            await engine.dispose()


def database_url(text: str) -> DatabaseUrl:
    """Return the address of a database, with the driver that is used for it. Raises ValueError."""
    try:
        url = make_url(text)
        return url.set(drivername=DRIVERS[url.get_backend_name()])
    except (ArgumentError, KeyError) as error:
        kinds = " or ".join(f"{kind}://" for kind in DRIVERS)
        raise ValueError(f"not the address of a database, which begins with {kinds}") from error


def is_conflict(error: DBAPIError) -> bool:
    """Whether the transaction was ended for the sake of another one: tried again, it may well succeed."""
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS


def after_commit(session: AsyncSession, call: Callable[[], None]) -> None:
    """Have `call` called once the session's transaction has been committed, or never."""
    session.info.setdefault(_AFTER_COMMIT, []).append(call)


async def latest(
    session: AsyncSession,
    wanted: Select[Row],
    moment: InstrumentedAttribute[Any],
    after: str | None,
    limit: int,
) -> list[Row]:
    """Return wanted rows, the latest by `moment` first, at most `limit`, after that of id `after`."""
    table: Any = moment.class_
    if after is not None:
        last: Any = await session.scalar(wanted.where(table.id == after))
        if last is None:
            return []
        wanted = wanted.where(tuple_(moment, table.id) < (getattr(last, moment.key), last.id))
    return list(await session.scalars(wanted.order_by(moment.desc(), table.id.desc()).limit(limit)))


async def try_lock(session: AsyncSession, name: str) -> bool:
    """Take the lock of this name until the transaction ends. Returns False while another has it.

    SQLite has one writer at a time, who has every lock.
    """
    if session.get_bind().dialect.name != "postgresql":
        return True
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(number))))


def known_revisions() -> list[str]:
    """Return the revisions the tables can be brought to, the newest first."""
    return [step.revision for step in ScriptDirectory.from_config(_migrations()).walk_revisions()]


async def revision_of(connection: AsyncConnection) -> str | None:
    """Return the revision that the tables have, None when there are none of ours."""
    return await connection.run_sync(_present_revision)


async def bring_to(connection: AsyncConnection, revision: str) -> None:
    """Bring the tables to `revision`, up or down, within the transaction of a `Database.remake`."""
    await connection.run_sync(_migrate, revision)


def _migrate(connection: Connection, revision: str) -> None:
    config = _migrations()
    config.attributes["connection"] = connection
    present = _present_revision(connection) or "base"
    is_down = revision != "head" and revision < present  # "base", then "v0001" and so on
    (alembic.command.downgrade if is_down else alembic.command.upgrade)(config, revision)


def _present_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


async def _take_time(connection: AsyncConnection) -> None:
    """Lift the limits of time from the transaction."""
    for name in _LIMITS_MS:
        await connection.execute(text(f"SET LOCAL {name} = 0"))


async def _is_of_use(replica: AsyncSession, reaches: Reaches) -> bool:
    try:
        return await reaches(replica)
    except (DBAPIError, PoolTimeoutError) as error:
        log.warning("a replica does not answer; asking the database itself: %s", error)
        return False


def _engine(
    url: URL, connections: int, *, is_reading: bool = False, is_remaking: bool = False
) -> AsyncEngine:
    """Return a pool of connections: to read only, to write as well, or to remake the tables themselves."""
    pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": POOL_WAIT_S, "hide_parameters": True}
    if url.get_backend_name() == "postgresql":
        # At READ COMMITTED a transaction of queries sees no more than they do without one.
        isolation = {"isolation_level": "AUTOCOMMIT"} if is_reading else {}
        return create_async_engine(url, **pool, **isolation, **_POSTGRESQL)
    engine = create_async_engine(url, **pool)
    begin = "BEGIN" if is_reading else "BEGIN IMMEDIATE"
    prepare = partial(_prepare_sqlite, is_remaking=is_remaking)
    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: Any, *, is_remaking: bool) -> None:
    """Set the connection up.

    Where references are not followed, a table may be replaced without those that refer to it losing their
    rows: the way it is altered in SQLite.
    """
    connection.isolation_level = None  # the driver's own BEGIN would come too late, and not IMMEDIATE
    cursor = connection.cursor()
    for pragma in (
        # First, since the next may have to wait as well.
        f"busy_timeout = {1000 * (_SQLITE_REMADE_S if is_remaking else _SQLITE_BUSY_S)}",
        "journal_mode = WAL",
        "synchronous = NORMAL",  # with WAL no crash of ours loses a commit; a power cut may
        f"foreign_keys = {'OFF' if is_remaking else 'ON'}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
