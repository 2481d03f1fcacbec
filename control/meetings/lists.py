"""Lists of one account's meetings, gathered from all databases."""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from control.accounts.store import Account
from control.clock import Clock, Timestamp
from control.meetings import store
from control.meetings.store import Meeting, When
from control.paging import Id, Window
from control.people import store as people
from control.people.attendance import Attendance, attendance
from control.shards.shards import Shards
from control.verification.service import Verification

STAYS_LISTED = 200


class Place(Struct, frozen=True, array_like=True):
    """Sort key of lists of meetings: by which moment one stands there, and its id."""

    at: Timestamp
    id: Id

    @classmethod
    def of(cls, meeting: Meeting, when: When | None) -> "Place":
        """Return the meeting's place in the list."""
        return cls(meeting.moment(when), meeting.id)


class Lists:
    """Reads the lists. A database's replica is asked once it has the meeting after which the page begins."""

    def __init__(self, shards: Shards, verification: Verification, clock: Clock) -> None:
        self._shards = shards
        self._verification = verification
        self._clock = clock

    async def of_account(
        self, account: Account, when: When | None, wanted: Window[Place]
    ) -> Sequence[Meeting]:
        """Return the wanted meetings of the account, and one more."""
        address = account.email if self._verification.is_verified(account) else None
        last = wanted.after
        after = None if last is None else (last.at, last.id)
        reaches = partial(store.is_there, meeting_id=None if last is None else last.id)
        found: list[Meeting] = []
        for database in self._shards:
            async with database.history(reaches) as session:
                found += await store.of_account(session, account.id, address, when, after, wanted.limit + 1)
        found.sort(key=lambda each: (each.moment(when), each.id), reverse=when is not When.COMING)
        return found[: wanted.limit + 1]

    async def attendance(self, meetings: Sequence[Meeting], account: Account) -> dict[str, Attendance]:
        """Return who attended those of the meetings that the account hosted or attended, by meeting."""
        found: dict[str, Attendance] = {}
        by_id = {meeting.id: meeting for meeting in meetings}
        for database, ids in self._shards.by_database(by_id):
            async with database.read() as session:
                open_to = await people.attended(session, account.id, ids)
                open_to |= {each for each in ids if by_id[each].host_id == account.id}
                for meeting_id in open_to:
                    stays = await people.first(session, meeting_id, STAYS_LISTED + 1)
                    until = by_id[meeting_id].ended_at or self._clock()
                    found[meeting_id] = attendance(stays, STAYS_LISTED, until)
        return found
