"""The databases, and that each is the one it is taken for."""

import hashlib
import secrets
from collections.abc import Collection, Iterator, Sequence
from uuid import uuid4

from control.database import Database, Unreachable
from control.shards import store
from control.shards.ids import shard_of


class WrongDatabase(Unreachable):
    """An address leads to another database than the one that was there; says which."""


class Shards:
    """The databases in their order, which must not change; more may be added at its end."""

    def __init__(self, databases: Sequence[Database]) -> None:
        self._databases = tuple(databases)

    def __iter__(self) -> Iterator[Database]:
        return iter(self._databases)

    def __len__(self) -> int:
        return len(self._databases)

    def __getitem__(self, number: int) -> Database:
        return self._databases[number]

    @property
    def first(self) -> Database:
        """The database of accounts and nodes."""
        return self._databases[0]

    def of(self, meeting_id: str) -> Database:
        """Return the meeting's database; of an id that names none, one where it will not be found."""
        number = shard_of(meeting_id)
        return self._databases[number] if number < len(self) else self.first

    def by_database(self, meeting_ids: Collection[str]) -> Iterator[tuple[Database, list[str]]]:
        """Yield each database of some of the meetings, with the ids of those."""
        for database in self:
            if theirs := [each for each in meeting_ids if self.of(each) is database]:
                yield database, theirs

    def pick(self) -> int:
        """Return the number of the database for a new meeting."""
        return secrets.randbelow(len(self))

    def pick_by(self, name: str) -> int:
        """Return the number of the database for a new meeting, always the same for the same name."""
        return int.from_bytes(hashlib.sha256(name.encode()).digest()) % len(self)

    async def prepare(self, within_s: float) -> None:
        """Bring all up to date, and see that each is in its place.

        Raises `Unreachable` when one does not answer for so long, `WrongDatabase` when one is another's.
        """
        for database in self:
            await database.prepare(within_s)
        system = await self._settle(0, uuid4().hex)
        for number in range(1, len(self)):
            await self._settle(number, system)

    async def close(self) -> None:
        """Close all connections."""
        for database in self:
            await database.close()

    async def _settle(self, number: int, system: str) -> str:
        """Have the database be this number of `system`, or of the one it belongs to if it is the first."""
        database = self[number]
        async with database.write() as session:
            place = await store.hold_place(session)
            if place.number is None:
                place.system, place.number = system, number
            if place.number != number:
                raise WrongDatabase(
                    f"{database} is number {place.number} of the databases, not {number}: "
                    "give their addresses in the order they always had"
                )
            if number > 0 and place.system != system:
                raise WrongDatabase(f"{database} belongs to another system than the first database")
            if place.count > len(self):
                raise WrongDatabase(
                    f"{database} is one of {place.count} databases, not of {len(self)}: give all addresses"
                )
            place.count = len(self)
            return place.system or system
