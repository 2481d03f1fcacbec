"""What clients send over Socket.IO, and how it is acknowledged. The rules are those of HTTP's routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from control.chat.posting import Posting
from control.conflicts import begun_anew
from control.edge.answers import mishap, problem_of
from control.edge.body import fit
from control.events.schema import Author
from control.meetings.codes import canonical
from control.meetings.store import Meeting
from control.metrics import Metrics
from control.people import store as people
from control.people.members import Members
from control.people.service import person_of
from control.refusals import Reason, Refused, invalid
from control.scopes import Scope
from control.settings import Limits
from control.shards.shards import Shards
from control.socket_io.connection import Connection, Member
from control.socket_io.schema import Join, Joined, Leave, NewMessage
from control.socket_io.telling import Ear, Telling

Acknowledgement = dict[str, Any]
"""`{"ok": true, …}`, or `{"error": …}` with what HTTP has there."""

Doer = Callable[[Connection, Member, object], Awaitable[Acknowledgement]]


@dataclass(frozen=True)
class Rules:
    """What HTTP's routes go by, too."""

    shards: Shards
    members: Members
    posting: Posting
    limits: Limits
    metrics: Metrics


class Answering:
    """Answers what members send; each event is authorised anew."""

    def __init__(self, rules: Rules, telling: Telling) -> None:
        self._shards = rules.shards
        self._members = rules.members
        self._posting = rules.posting
        self._limits = rules.limits
        self._metrics = rules.metrics
        self._telling = telling
        self._events: dict[str, Doer] = {
            "join": self._join,
            "leave": self._leave,
            "send-message": self._post,
        }

    async def answer(
        self, connection: Connection, member: Member, event: str, arguments: tuple[object, ...]
    ) -> Acknowledgement:
        """Do what the event asks for; return its acknowledgement, and raise nothing."""
        try:
            do = self._doer(event)
            done = await begun_anew(lambda: do(connection, member, _only(arguments)), self._metrics)
        except Refused as refused:
            return self.refuse(connection, refused)
        except Exception as error:
            return self.refuse(connection, mishap(error, connection.request_id))
        return {"ok": True} | done

    def _doer(self, event: str) -> Doer:
        do = self._events.get(event)
        if do is None:
            raise Refused(Reason.BAD_REQUEST, fields={"event": f"Must be one of {', '.join(self._events)}."})
        return do

    def refuse(self, connection: Connection, refused: Refused) -> Acknowledgement:
        """Return the acknowledgement of what is refused, and count it."""
        self._metrics.refusals.labels(refused.reason.value).inc()
        return {"error": msgspec.to_builtins(problem_of(refused, connection.request_id))}

    async def _join(self, connection: Connection, member: Member, data: object) -> Acknowledgement:
        """Begin to tell of a meeting; answer with where it is and who is in the call."""
        wanted = fit(data, Join)
        meeting, _ = await self._admit(connection, member, wanted.meeting)
        if meeting.ended_at is not None and wanted.after is None:
            raise Refused(Reason.MEETING_ENDED)
        joined = connection.meetings.keys() | {meeting.code}
        if len(joined) > self._limits.socket_meetings:
            raise invalid(meeting=f"At most {self._limits.socket_meetings} can be joined at a time.")
        ear = Ear(connection, member, meeting)
        database = self._shards.of(meeting.id)
        async with self._telling.begun(ear, wanted.after) as latest, database.read() as session:
            rows = await people.present(session, meeting.id, self._limits.socket_present + 1)
        present = [person_of(row) for row in rows[: self._limits.socket_present]]
        answer = Joined(meeting=meeting.code, id=latest, present=present, more=len(rows) > len(present))
        return _builtins(answer)

    async def _leave(self, connection: Connection, _member: Member, data: object) -> Acknowledgement:
        """Tell no more of a meeting."""
        unwanted = fit(data, Leave)
        connection.leave(canonical(unwanted.meeting) or "")
        return {}

    async def _post(self, connection: Connection, member: Member, data: object) -> Acknowledgement:
        """Post a message, once per author and client id."""
        member.grant.require(Scope.CHAT_WRITE)
        draft = fit(data, NewMessage)
        meeting, author = await self._admit(connection, member, draft.meeting)
        return {"message": _builtins(await self._posting.post(meeting, author, draft))}

    async def _admit(self, connection: Connection, member: Member, code: str) -> tuple[Meeting, Author]:
        return await self._members.admit_as(member.grant.identity, code, connection.caller)


def _only(arguments: tuple[object, ...]) -> object:
    """Return what came with an event, which is one object."""
    if len(arguments) != 1:
        raise invalid(body="Must be a JSON object.")
    return arguments[0]


def _builtins(value: msgspec.Struct) -> dict[str, Any]:
    """Return the object as Socket.IO takes it."""
    fields: dict[str, Any] = msgspec.to_builtins(value)
    return fields
