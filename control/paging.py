"""Pages of a list: at most `limit` items, and an opaque cursor that continues after the last of them."""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from control.refusals import invalid

LIMIT_DEFAULT = 50
LIMIT_MAX = 100

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
"""Sort key of lists in the order of time: the row's id, whose moment the store looks up."""

Row = TypeVar("Row")
Item = TypeVar("Item")
Key = TypeVar("Key")


class PageQuery(msgspec.Struct, frozen=True):
    """Which part of a list is wanted."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many items at most.")] = LIMIT_DEFAULT
    cursor: Annotated[str, Meta(description="The `next_cursor` of the page before.")] | UnsetType = UNSET


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a list. `next_cursor` asks for the next one; it is null on the last."""

    items: list[Item]
    next_cursor: str | None


class Window(msgspec.Struct, Generic[Key], frozen=True):
    """The part of a list that is wanted: `limit` items after the one whose sort key is `after`."""

    limit: int
    after: Key | None


def window(query: PageQuery, key: type[Key]) -> Window[Key]:
    """Return what `query` asks for. Raises `Refused` with INVALID when its cursor makes no sense."""
    return Window(query.limit, None if query.cursor is UNSET else _decode(query.cursor, key))


def page(
    rows: Sequence[Row], limit: int, *, key: Callable[[Row], object], item: Callable[[Row], Item]
) -> Page[Item]:
    """Return the page of `rows`, of which the store fetched one more than `limit` if there were as many."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page([item(row) for row in shown], _encode(key(shown[-1])) if more else None)


def _encode(key: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def _decode(cursor: str, key: type[Key]) -> Key:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=key)
    except (msgspec.DecodeError, ValueError) as error:
        raise invalid(cursor="Must be the next_cursor of the page before.") from error
