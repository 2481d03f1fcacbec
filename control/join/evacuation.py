"""Moving rooms off nodes that drain: each is placed on another, and the old one told to send people there.

Whoever comes meanwhile is sent to the new node at once. A room that no other node takes stays where it is.
"""

import logging
from datetime import timedelta

from control.clock import Clock
from control.database import Database
from control.join.awaited import Awaited
from control.join.placement import Strategy, candidates_of, choose
from control.nodes import store
from control.nodes.commands import Commands
from control.nodes.store import Node
from control.shards.shards import Shards
from sfu.contract import ticket as tickets
from sfu.contract.operations import MoveRoom

log = logging.getLogger(__name__)

BATCH = 20
"""Rooms moved in one step, of each database: who moves joins anew, and they should not all come at once."""


class Evacuation:
    """Empties nodes that drain, step by step. `lease_s` is how long a node lives after its last report."""

    def __init__(
        self, shards: Shards, clock: Clock, commands: Commands, strategy: Strategy, *, lease_s: float
    ) -> None:
        self._shards = shards
        self._clock = clock
        self._commands = commands
        self._strategy = strategy
        self._lease = timedelta(seconds=lease_s)
        self._awaited = Awaited(clock)

    async def step(self) -> None:
        """Move some rooms of each node that drains."""
        async with self._shards.first.read() as session:
            living = await store.reported_since(session, self._clock() - self._lease)
        draining = {node.id: node for node in living if node.draining}
        if len(draining) in (0, len(living)):
            return
        for database in self._shards:
            async with database.read() as session:
                rooms = await store.open_rooms(session, draining, BATCH)
            for meeting_id in rooms:
                await self._move(database, meeting_id, draining, living)

    async def _move(
        self, database: Database, meeting_id: str, draining: dict[str, Node], living: list[Node]
    ) -> None:
        async with database.write() as session:
            placement = await store.hold_placement(session, meeting_id)
            if placement is None or not placement.room_open or placement.closing:
                return
            old = draining.get(placement.node_id)
            if old is None:
                return
            chosen = choose(candidates_of(living, self._awaited.counted()), None, self._strategy, old.region)
            if chosen is None:
                return
            placement.node_id, placement.room_open = chosen, False
            placement.epoch += 1
            placement.tickets_until = self._clock() + timedelta(seconds=tickets.LIFETIME_S)
            move = MoveRoom(room=meeting_id, epoch=placement.epoch)
            await self._commands.command(session, old.id, move)
        self._awaited.add(chosen)
        log.info("a room of node %s, which drains, moves to node %s", old.id, chosen)
