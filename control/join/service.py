"""Giving out tickets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import after_commit
from control.join.awaited import Awaited
from control.join.placement import Bond, Placing, candidates_of, choose
from control.meetings import store as meetings
from control.nodes import store as nodes
from control.nodes.store import Node, Placement
from control.nodes.suspicion import Suspicion
from control.people import store as people
from control.people.store import Attendance
from control.refusals import Reason, Refused
from control.turn.schema import IceServer
from control.turn.service import TurnServers
from sfu.contract import ticket as tickets
from sfu.contract.ticket import Ticket


@dataclass(frozen=True)
class Entrant:
    """Somebody who may enter: with the account `user`, or as a guest; from a `region`, if they told.

    `stay` is the peer that they were in this meeting and would go on as. A guest has proven to be it.
    """

    name: str
    user: str | None
    region: str | None
    stay: str | None = None


@dataclass(frozen=True)
class Admission:
    """A ticket that has been given out, the node it opens, and the TURN servers on the way there."""

    ticket: Ticket
    node: Node
    ice_servers: list[IceServer]


class Joining:
    """The rules of joining. `lease_s` is how long a node lives after its last report."""

    def __init__(
        self,
        clock: Clock,
        key: Ed25519PrivateKey,
        turn: TurnServers,
        lease_s: float,
        placing: Placing,
        suspicion: Suspicion,
    ) -> None:
        self.suspicion = suspicion
        self._clock = clock
        self._key = key
        self._turn = turn
        self._lease = timedelta(seconds=lease_s)
        self._placing = placing
        self._awaited = Awaited(clock)

    async def living_nodes(self, session: AsyncSession) -> list[Node]:
        """Return the nodes that may be given a room, as the first database knows them."""
        return await nodes.reported_since(session, self._clock() - self._lease)

    async def admit(
        self, session: AsyncSession, meeting_id: str, entrant: Entrant, living: Sequence[Node]
    ) -> Admission:
        """Return a ticket for the meeting's room.

        Raises `Refused` with MEETING_ENDED, MEETING_CANCELLED, NO_NODE or NODES_FULL.
        """
        meeting = await meetings.hold(session, meeting_id)
        if meeting.over is not None:
            raise Refused(meeting.over)
        node, epoch = await self._place(
            session, meeting.id, {each.id: each for each in living}, entrant.region or self._placing.region
        )
        after_commit(session, partial(self._awaited.add, node.id))
        attendance = await self._attendance(session, meeting.id, entrant)
        ticket = Ticket(
            id=uuid4().hex,
            room=meeting.id,
            peer=attendance.id,
            node=node.id,
            address=node.internal_url,
            epoch=epoch,
            name=attendance.name,
            user=entrant.user,
            expires_at=int(self._clock().timestamp()) + tickets.LIFETIME_S,
        )
        return Admission(ticket, node, self._turn.for_user(entrant.user or attendance.id))

    def sign(self, ticket: Ticket) -> str:
        """Return the ticket as nodes take it."""
        return tickets.sign(ticket, self._key)

    async def _attendance(self, session: AsyncSession, meeting_id: str, entrant: Entrant) -> Attendance:
        """Return the stay that the entrant would go on with, if it is theirs; else a new one."""
        if entrant.stay is not None:
            attendance = await people.hold(session, meeting_id, entrant.stay)
            if attendance is not None and attendance.account_id == entrant.user:
                return attendance
        attendance = Attendance(
            id=uuid4().hex,
            meeting_id=meeting_id,
            account_id=entrant.user,
            name=entrant.name,
            created_at=self._clock(),
        )
        await people.add(session, attendance)
        return attendance

    async def _place(
        self, session: AsyncSession, meeting_id: str, living: Mapping[str, Node], region: str | None
    ) -> tuple[Node, int]:
        """Return the node for the next ticket, and bind the meeting to it while the ticket is good.

        With it the epoch: how many nodes the meeting has been placed on. A room that is open on a node which
        is silent, but not given up, may well be alive: nobody is sent elsewhere.
        """
        now = self._clock()
        placement = await nodes.hold_placement(session, meeting_id)
        bond = None
        if placement is not None and (placement.room_open or now < placement.tickets_until):
            bond = Bond(placement.node_id, placement.room_open)
            if placement.room_open and placement.node_id not in living:
                raise Refused(Reason.NO_NODE, retry_after_s=1)
        candidates = candidates_of(living.values(), self._awaited.counted())
        chosen = choose(candidates, bond, self._placing.strategy, region)
        if chosen is None:
            some_full = any(node.full and not node.draining for node in living.values())
            raise Refused(Reason.NODES_FULL if some_full else Reason.NO_NODE, retry_after_s=5)
        if placement is None:
            placement = Placement(
                meeting_id=meeting_id, node_id=chosen, epoch=1, room_open=False, closing=False
            )
        if placement.node_id != chosen:
            placement.node_id, placement.room_open = chosen, False
            placement.epoch += 1
        placement.tickets_until = now + timedelta(seconds=tickets.LIFETIME_S)
        await nodes.add(session, placement)
        return living[chosen], placement.epoch
