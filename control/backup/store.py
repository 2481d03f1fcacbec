"""Whole tables: out of a database as it is at one moment, and into an empty one."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    DateTime,
    Double,
    Float,
    Integer,
    String,
    TableClause,
    Text,
    column,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from control.backup.rows import Row
from control.backup.schema import Column, Kind, Table
from control.database import Moment
from control.shards.store import Place
from control.tables import metadata

VERSION_TABLE = "alembic_version"
BATCH = 500
"""Rows that are read at a time."""

_TYPES: dict[Kind, TypeEngine[Any]] = {
    "boolean": Boolean(),
    "integer": BigInteger(),
    "moment": Moment(),
    "number": Double(),
    "text": Text(),
}
_KINDS: dict[type[TypeEngine[Any]], Kind] = {
    Boolean: "boolean",
    Integer: "integer",
    DateTime: "moment",
    Moment: "moment",
    Float: "number",
    String: "text",
}


def tables() -> list[Table]:
    """Return all tables, those first that others refer to."""
    return [
        Table(
            str(found.name),
            tuple(Column(each.name, _kind(each.type), bool(each.nullable)) for each in found.c),
        )
        for found in metadata.sorted_tables
    ]


async def place(connection: AsyncConnection) -> tuple[str | None, int | None, int]:
    """Return which system the database belongs to, as which of its databases, and of how many."""
    found = await connection.execute(select(Place.system, Place.number, Place.count))
    system, number, count = found.one()
    return system, number, count


async def rows(connection: AsyncConnection, source: Table) -> AsyncGenerator[list[Row], None]:
    """Yield all rows of a table, some at a time."""
    wanted = select(*_clause(source).c).execution_options(yield_per=BATCH)
    async with connection.stream(wanted) as found:
        async for some in found.partitions():
            yield [tuple(row) for row in some]


async def names(connection: AsyncConnection) -> set[str]:
    """Return the names of all tables there are, ours or not."""
    return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def used(connection: AsyncConnection) -> str | None:
    """Return the name of one of our tables that has rows, None when no system has begun on them."""
    present = await names(connection)
    for each in metadata.sorted_tables:
        found = select(func.count()).select_from(each)
        if each.name == Place.__tablename__:  # a database that nobody used yet has one, unsettled
            found = found.where(Place.number.is_not(None))
        if each.name in present and await connection.scalar(select(found.scalar_subquery() > 0)):
            return each.name
    return None


async def columns(connection: AsyncConnection, name: str) -> tuple[Column, ...]:
    """Return the columns that a table of ours has, as the database tells them; none when there is none."""
    return await connection.run_sync(_columns, name)


async def clear(connection: AsyncConnection, target: Table) -> None:
    """Remove what a migration put into a table that is to be filled."""
    await connection.execute(delete(_clause(target)))


async def add(connection: AsyncConnection, target: Table, some: Sequence[Row]) -> None:
    """Add rows to a table."""
    keys = [column.name for column in target.columns]
    await connection.execute(insert(_clause(target)), [dict(zip(keys, row, strict=True)) for row in some])


async def count(connection: AsyncConnection, target: Table) -> int:
    """Return the number of a table's rows."""
    return await connection.scalar(select(func.count()).select_from(_clause(target))) or 0


async def dangling(connection: AsyncConnection) -> str | None:
    """Return the name of a table with a row that refers to none; PostgreSQL takes no such row."""
    if connection.dialect.name != "sqlite":
        return None
    found = (await connection.execute(text("PRAGMA foreign_key_check"))).first()
    return None if found is None else str(found[0])


async def renew_digest(connection: AsyncConnection, meeting_id: str, id_: str, old: str, new: str) -> None:
    """Have a file or recording known by another digest: stores that differ do not call a content the same."""
    for name in ("attachments", "recordings"):
        theirs = table(name, column("id"), column("meeting_id"), column("digest"))
        same = (theirs.c.id == id_, theirs.c.meeting_id == meeting_id, theirs.c.digest == old)
        await connection.execute(update(theirs).where(*same).values(digest=new))


def _clause(source: Table) -> TableClause:
    return table(source.name, *(column(each.name, _TYPES[each.kind]) for each in source.columns))


def _columns(connection: Connection, name: str) -> tuple[Column, ...]:
    there = inspect(connection)
    if name == VERSION_TABLE or not there.has_table(name):
        return ()
    return tuple(
        Column(str(found["name"]), _kind(found["type"]), found["nullable"])
        for found in there.get_columns(name)
    )


def _kind(type_: TypeEngine[Any]) -> Kind:
    for known, kind in _KINDS.items():
        if isinstance(type_, known):
            return kind
    raise TypeError(f"backups know no columns of the type {type_!r}")
