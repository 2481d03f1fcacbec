"""Giving out tickets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.join.placement import Bond, Candidate, choose
from control.meetings import store as meetings
from control.nodes import store as nodes
from control.nodes.store import Node, Placement
from control.people import store as people
from control.people.store import Attendance
from control.refusals import Reason, Refused
from control.relays.schema import IceServer
from control.relays.service import Relays
from sfu.contract import ticket as tickets
from sfu.contract.ticket import Ticket


@dataclass(frozen=True)
class Entrant:
    """Somebody who may enter: with the account `user`, or as a guest."""

    name: str
    user: str | None


@dataclass(frozen=True)
class Admission:
    """A ticket that has been given out, the node it opens, and the relays on the way there."""

    ticket: Ticket
    node: Node
    ice_servers: list[IceServer]


class Joining:
    """The rules of joining. `lease_s` is how long a node lives after its last report."""

    def __init__(self, clock: Clock, key: Ed25519PrivateKey, relays: Relays, lease_s: float) -> None:
        self._clock = clock
        self._key = key
        self._relays = relays
        self._lease = timedelta(seconds=lease_s)

    async def living_nodes(self, session: AsyncSession) -> list[Node]:
        """Return the nodes that may be given a room, as the first database knows them."""
        return await nodes.reported_since(session, self._clock() - self._lease)

    async def admit(
        self, session: AsyncSession, meeting_id: str, entrant: Entrant, living: Sequence[Node]
    ) -> Admission:
        """Return a ticket for the meeting's room.

        Raises `Refused` with MEETING_ENDED, MEETING_CANCELLED or NO_NODE.
        """
        meeting = await meetings.hold(session, meeting_id)
        if meeting.over is not None:
            raise Refused(meeting.over)
        node = await self._place(session, meeting.id, {each.id: each for each in living})
        now = self._clock()
        peer = uuid4().hex
        await people.add(
            session,
            Attendance(
                id=peer, meeting_id=meeting.id, account_id=entrant.user, name=entrant.name, created_at=now
            ),
        )
        ticket = Ticket(
            id=uuid4().hex,
            room=meeting.id,
            peer=peer,
            node=node.id,
            name=entrant.name,
            user=entrant.user,
            expires_at=int(now.timestamp()) + tickets.LIFETIME_S,
        )
        return Admission(ticket, node, self._relays.for_user(entrant.user or peer))

    def sign(self, ticket: Ticket) -> str:
        """Return the ticket as nodes take it."""
        return tickets.sign(ticket, self._key)

    async def _place(self, session: AsyncSession, meeting_id: str, living: Mapping[str, Node]) -> Node:
        """Return the node for the next ticket, and bind the meeting to it while the ticket is good."""
        now = self._clock()
        placement = await nodes.hold_placement(session, meeting_id)
        bond = None
        if placement is not None and (placement.room_open or now < placement.tickets_until):
            bond = Bond(placement.node_id, placement.room_open)
        candidates = [Candidate(node.id, node.peers, node.draining) for node in living.values()]
        chosen = choose(candidates, bond)
        if chosen is None:
            raise Refused(Reason.NO_NODE, retry_after_s=5)
        if placement is None:
            placement = Placement(meeting_id=meeting_id, node_id=chosen, room_open=False, closing=False)
        if placement.node_id != chosen:
            placement.node_id, placement.room_open = chosen, False
        placement.tickets_until = now + timedelta(seconds=tickets.LIFETIME_S)
        await nodes.add(session, placement)
        return living[chosen]
