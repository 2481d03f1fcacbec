"""Rows of tables as lines of JSON. Pure, and exact: what is read is what was written."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import GenericAlias
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from control.backup.schema import Column, Kind

Row = tuple[Any, ...]

TYPES: dict[Kind, Any] = {
    "boolean": bool,
    "integer": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "number": float,
    "moment": Annotated[datetime, Meta(tz=True)],
    "text": str,
}

_encoder = msgspec.json.Encoder()


def encode(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return the rows as lines."""
    return _encoder.encode_lines(rows)


def decoder(columns: Sequence[Column]) -> Callable[[bytes], Row]:
    """Return what reads a line as a row of these columns. It raises msgspec.DecodeError for anything else."""
    types = tuple(TYPES[column.kind] | None if column.optional else TYPES[column.kind] for column in columns)
    return msgspec.json.Decoder(GenericAlias(tuple, types)).decode
