"""Backups' rows and files, without a database: what is written is read, and nothing else is."""

import asyncio
import gzip
import importlib.util
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from control.backup import backup_cli, restore_cli, store
from control.backup.commands import objects_of
from control.backup.folder import FolderShelf
from control.backup.rows import decoder, encode
from control.backup.schema import Column, Kind, Manifest, Table
from control.backup.streams import CHUNK_BYTES, LINE_BYTES, Measured, compressed, decompressed, lines
from control.settings import Settings
from control.tables import metadata

KINDS: dict[Kind, st.SearchStrategy[object]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "moment": st.datetimes(
        min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
    ),
    "text": st.text(),
}


async def each(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def gathered(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[tuple[object, ...]]]:
    """Some columns, and rows of them."""
    kinds = draw(st.lists(st.tuples(st.sampled_from(list(KINDS)), st.booleans()), min_size=1, max_size=6))
    columns = [Column(f"c{number}", kind, optional) for number, (kind, optional) in enumerate(kinds)]
    values = (KINDS[kind] | st.none() if optional else KINDS[kind] for kind, optional in kinds)
    return columns, draw(st.lists(st.tuples(*values), max_size=6))


@given(tables(), st.integers(1, 100))
def test_what_is_read_is_what_was_written(
    table: tuple[list[Column], list[tuple[object, ...]]], chunk: int
) -> None:
    columns, rows = table

    async def there_and_back() -> list[tuple[object, ...]]:
        packed = await gathered(compressed(each([encode(rows)])))
        pieces = each(packed[at : at + chunk] for at in range(0, len(packed), chunk))
        decode = decoder(columns)
        return [decode(line) async for some in lines(decompressed(pieces)) for line in some]

    found = asyncio.run(there_and_back())
    assert found == rows
    assert [[type(value) for value in row] for row in found] == [
        [type(value) for value in row] for row in rows
    ]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("boolean", b"[1]"),
        ("boolean", b"[null]"),
        ("integer", b"[1.5]"),
        ("integer", b'["1"]'),
        ("integer", b"[9223372036854775808]"),
        ("moment", b'["2031-01-01T00:00:00"]'),
        ("moment", b'["yesterday"]'),
        ("moment", b"[0]"),
        ("text", b"[0]"),
        ("text", b'["a", "b"]'),
        ("text", b"[]"),
        ("text", b'{"c": "a"}'),
        ("text", b'["\xff"]'),
        ("text", b"["),
        ("text", b""),
    ],
)
def test_lines_that_are_no_such_rows_are_refused(kind: Kind, line: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError)):
        decoder([Column("c", kind, False)])(line)


def test_other_zones_are_read_as_the_same_moment() -> None:
    moment = datetime(2031, 1, 1, 5, tzinfo=timezone(timedelta(hours=9)))
    assert decoder([Column("c", "moment", False)])(encode([(moment,)])) == (moment,)


def test_every_table_can_be_backed_up() -> None:
    """A column of a kind that backups do not know, or a table that numbers its rows by itself, fails here.

    The numbers would begin anew in a restored database.
    """
    assert {table.name for table in store.tables()} == set(metadata.tables)
    for table in metadata.tables.values():
        assert table.autoincrement_column is None or table.name == "place", table.name
        assert not [column for column in table.c if column.computed is not None], table.name


def test_the_store_of_objects_is_backed_up() -> None:
    """As soon as there is one, `objects_of` has to give it."""
    if importlib.util.find_spec("control.objects.folder") is not None:
        assert objects_of(Settings()) is not None


async def test_a_stream_that_is_cut_off_anywhere_or_goes_on_is_noticed() -> None:
    packed = await gathered(compressed(each([b"line\n" * 100])))
    assert gzip.decompress(packed) == b"line\n" * 100  # so that everybody can read it
    assert await gathered(decompressed(each([packed]))) == b"line\n" * 100
    for wrong in (*(packed[:end] for end in range(len(packed))), packed + b"x", packed + packed):
        with pytest.raises(ValueError, match=r"is cut off|goes on after its end"):
            await gathered(decompressed(each([wrong])))


async def test_what_grows_without_end_is_never_in_memory() -> None:
    bomb = gzip.compress(b"\0" * (LINE_BYTES + CHUNK_BYTES))
    assert max([len(chunk) async for chunk in decompressed(each([bomb]))]) <= CHUNK_BYTES
    with pytest.raises(ValueError, match="longer than any"):
        _ = [some async for some in lines(decompressed(each([bomb])))]


async def test_a_line_without_an_end_is_noticed() -> None:
    with pytest.raises(ValueError, match="in the middle of a line"):
        _ = [some async for some in lines(each([b"a\nb"]))]


async def test_size_and_digest_are_those_of_what_went_by() -> None:
    measured = Measured(each([b"a", b"", b"bc"]))
    assert [chunk async for chunk in measured] == [b"a", b"", b"bc"]
    assert measured.file.bytes == 3
    assert measured.file.sha256.startswith("ba7816bf")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "a\n", "a" * 64, "/etc/passwd"])
def test_names_in_a_manifest_lead_nowhere_else(name: str) -> None:
    table = msgspec.json.encode({"name": name, "columns": []})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(table, type=Table)


def test_a_manifest_with_more_in_it_than_is_known_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"path": "/etc/passwd"}', type=Manifest)


async def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "backups")
    with pytest.raises(ZeroDivisionError):
        async with shelf.draft(datetime(2031, 1, 1, tzinfo=UTC)) as archive:
            await archive.put("database-0/accounts.jsonl.gz", each([b"x"]))
            raise ZeroDivisionError
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--to", "a", "--verify", "b"],
        ["--verify", "b", "--keep", "1"],
        ["--verify", "b", "--with-secrets"],
        ["--to", "a", "--keep", "0"],
        ["--to", "a", "--database-url", "mysql://parley:hush@host/db"],
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(backup_cli.command, arguments)
    assert result.exit_code == 2
    assert "hush" not in result.output


def test_help_tells_the_settings_and_the_exit_codes() -> None:
    for command in (backup_cli.command, restore_cli.command):
        text = CliRunner().invoke(command, ["--help"]).output
        for part in ("PARLEY_DATA", "PARLEY_DATABASE_URL", "PARLEY_SHARD_URLS", "--with-secrets"):
            assert part in text
        assert "  3  the backup is damaged\n" in text
