"""From stays to attendance: who was in a meeting, from when to when, and for how long. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct

from control.clock import Timestamp

RECONNECT = timedelta(minutes=1)
"""Who is back within this time was there all along."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = ("name", "user", "first_joined_at", "last_left_at", "seconds", "stays")


@dataclass(frozen=True)
class Stay:
    """One stay of one person; `user` is the account's id, None for guests, `left_at` None while they stay."""

    user: str | None
    name: str
    joined_at: datetime
    left_at: datetime | None


class Attendee(Struct, frozen=True, kw_only=True):
    """One person's part in a meeting. `last_left_at` is null while they are there.

    Guests are told apart by their name alone. `seconds` is time in the call; who came back within a minute
    was there all along.
    """

    name: str
    user: str | None
    first_joined_at: Timestamp
    last_left_at: Timestamp | None
    seconds: int
    stays: int


class Attendance(Struct, frozen=True):
    """Who attended a meeting, by when they first came. Not `complete` when there were too many stays."""

    items: list[Attendee]
    complete: bool


def attendance(stays: Sequence[Stay], limit: int, now: datetime) -> Attendance:
    """Return who attended, by the first `limit` of these stays."""
    return Attendance(attendees(stays[:limit], now), complete=len(stays) <= limit)


def attendees(stays: Iterable[Stay], now: datetime) -> list[Attendee]:
    """Return the people of these stays, by when they first came."""
    by_person: dict[tuple[str | None, str], list[Stay]] = {}
    for stay in sorted(stays, key=lambda stay: stay.joined_at):
        by_person.setdefault((stay.user, "" if stay.user else stay.name), []).append(stay)
    return [_attendee(theirs, now) for theirs in by_person.values()]


def table(people: Iterable[Attendee]) -> str:
    """Return the attendance as CSV (RFC 4180), in which no spreadsheet takes a name for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    for person in people:
        left = person.last_left_at
        writer.writerow(
            [
                _plain(person.name),
                person.user or "",
                person.first_joined_at.isoformat(),
                left.isoformat() if left else "",
                person.seconds,
                person.stays,
            ]
        )
    return text.getvalue()


def _attendee(stays: list[Stay], now: datetime) -> Attendee:
    """Return the person of these stays, which are in the order of their beginnings, and may overlap."""
    spans: list[tuple[datetime, datetime]] = []
    for stay in stays:
        until = max(stay.left_at or now, stay.joined_at)
        if spans and stay.joined_at - spans[-1][1] <= RECONNECT:
            spans[-1] = (spans[-1][0], max(spans[-1][1], until))
        else:
            spans.append((stay.joined_at, until))
    lefts = [stay.left_at for stay in stays if stay.left_at is not None]
    return Attendee(
        name=stays[-1].name,
        user=stays[-1].user,
        first_joined_at=stays[0].joined_at,
        last_left_at=max(lefts) if len(lefts) == len(stays) else None,
        seconds=round(sum((end - begin).total_seconds() for begin, end in spans)),
        stays=len(spans),
    )


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell
