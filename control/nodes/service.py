"""Taking in what nodes report, and noticing those that fall silent."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import Database
from control.events import store as feeds
from control.metrics import Metrics
from control.nodes import store
from control.nodes.commands import Commands
from control.nodes.store import Boot, Node
from control.people.service import People, Whereabouts
from control.shards.shards import Shards
from sfu.contract.operations import (
    CloseRoom,
    LaterEvent,
    NodeEvent,
    PeerEntered,
    PeerGone,
    Report,
    ReportReply,
    RoomClosed,
    RoomOpened,
    YieldRoom,
)

log = logging.getLogger(__name__)

FORGET_AFTER = timedelta(days=1)

Told = NodeEvent | LaterEvent


class Nodes:
    """The rules of the register. A node lives while its last report is younger than `lease_s`."""

    def __init__(
        self,
        shards: Shards,
        clock: Clock,
        people: People,
        commands: Commands,
        metrics: Metrics,
        *,
        lease_s: float,
    ) -> None:
        self._shards = shards
        self._clock = clock
        self._people = people
        self._commands = commands
        self._metrics = metrics
        self.lease = timedelta(seconds=lease_s)

    async def report(self, report: Report, events: Sequence[Told]) -> ReportReply:
        """Take in a heartbeat and its events, as they read.

        The first database comes last: what it knows of, the others have taken in.
        """
        async with self._shards.first.read() as session:
            node = (await store.by_ids(session, [report.node])).get(report.node)
            is_known = await store.is_current(session, report.node, report.boot)
        last_seen = self._clock() if node is None else node.reported_at
        for number in range(1, len(self._shards)):
            theirs = self._of_shard(events, number)
            if theirs or not is_known:
                async with self._shards[number].write() as session:
                    await self._take_in(session, report, theirs, last_seen)
        async with self._shards.first.write() as session:
            boot = await self._take_in(session, report, self._of_shard(events, 0), last_seen)
            boot.last_seq = max([boot.last_seq, *(event.seq for event in events)])
            was_lost = boot.current and await self._register(session, report)
            moving = report.draining and await self._has_refuge(session)
        return ReportReply(acknowledged=boot.last_seq, census=was_lost, moving=moving)

    async def sweep(self) -> None:
        """Give up the nodes that have fallen silent; forget those long gone."""
        now = self._clock()
        async with self._shards.first.read() as session:
            silent = await store.silent_since(session, now - self.lease)
            gone = await store.lost_since(session, now - FORGET_AFTER)
        for node in silent:
            log.warning("node %s has fallen silent", node.id)
            await self.lose(node)
        for node, database in product(gone, self._last_first):
            async with database.write() as session:
                await store.forget_node(session, node.id)

    async def lose(self, node: Node) -> None:
        """Give a node up: who was on it has left, and its rooms may be placed anew.

        Should it report again, it is asked what it has.
        """
        people = 0
        for database in self._last_first:
            async with database.write() as session:
                people += await self._people.lost(session, node.id, None, node.reported_at)
                await store.close_rooms(session, node.id)
                if database is self._shards.first:
                    await store.lose(session, node.id, self._clock())
        log.warning("node %s is lost; %d people were on it", node.id, people)

    @property
    def _last_first(self) -> Iterator[Database]:
        """The databases, the first of them last: what it knows of, the others have taken in."""
        return reversed(list(self._shards))

    def _of_shard(self, events: Sequence[Told], number: int) -> list[Told]:
        """Return the events of the meetings in the database with this number."""
        return [event for event in events if self._shards.of(event.room) is self._shards[number]]

    async def _take_in(
        self, session: AsyncSession, report: Report, events: Sequence[Told], last_seen: datetime
    ) -> Boot:
        """Apply those of the `events` that are new here; return what it knows of the run."""
        boot = await store.hold_boot(session, report.node, report.boot)
        if boot is None:
            boot = await self._booted(session, report, last_seen)
        for event in events:
            if event.seq > boot.last_seq:
                await self._apply(session, report, event)
        boot.last_seq = max([boot.last_seq, *(event.seq for event in events)])
        if not boot.current:  # the last word of a run that another has followed
            await self._people.lost(session, report.node, report.boot, last_seen)
        return boot

    async def _booted(self, session: AsyncSession, report: Report, last_seen: datetime) -> Boot:
        """Note a new run of a node; what the run before it held is gone."""
        await self._people.lost(session, report.node, None, last_seen)
        await store.supersede_boots(session, report.node)
        await store.close_rooms(session, report.node)
        await store.remove_commands(session, report.node)
        boot = Boot(node_id=report.node, id=report.boot, last_seq=0, current=True)
        await store.add(session, boot)
        log.info("node %s is up, boot %s, version %s", report.node, report.boot, report.version)
        return boot

    async def _has_refuge(self, session: AsyncSession) -> bool:
        """Tell whether a node takes rooms."""
        living = await store.reported_since(session, self._clock() - self.lease)
        return any(not (node.draining or node.full) for node in living)

    async def _register(self, session: AsyncSession, report: Report) -> bool:
        """Note that the node lives; return whether it had been lost."""
        node = await store.hold_node(session, report.node) or Node(id=report.node)
        node.boot, node.reported_at = report.boot, self._clock()
        node.signal_url, node.signal_port = report.signal_url, report.signal_port
        node.internal_url = report.internal_url
        node.region, node.version, node.draining = report.region, report.version, report.draining
        load = report.load
        node.full, node.fullness, node.rooms, node.peers = load.full, load.fullness, load.rooms, load.peers
        node.cpu, node.loop_lag_s = load.cpu, load.loop_lag_s
        node.packets_out_per_s = load.packets_out_per_s
        was_lost, node.lost_at = node.lost_at is not None, None
        await store.add(session, node)
        return was_lost

    async def _apply(self, session: AsyncSession, report: Report, event: Told) -> None:
        if isinstance(event, LaterEvent):
            log.info("node %s told of %r, which this version does not know", report.node, event.type)
            self._metrics.node_events.labels("not_understood").inc()
            return
        await feeds.hold(session, event.room)
        at = self._moment(event.at)
        match event:
            case RoomOpened():
                known = await self._opened(session, report.node, event)
            case RoomClosed():
                known = await self._closed(session, report.node, event)
            case PeerEntered():
                placement = await store.placement(session, event.room)
                where = Whereabouts(event.room, event.peer, report.node, report.boot)
                is_there = placement is not None and placement.node_id == report.node
                known = is_there and await self._people.entered(session, where, at)
            case PeerGone():
                where = Whereabouts(event.room, event.peer, report.node, report.boot)
                known = await self._people.gone(session, where, at)
        self._metrics.node_events.labels("applied" if known else "unknown").inc()

    async def _opened(self, session: AsyncSession, node_id: str, event: RoomOpened) -> bool:
        """Note that a room opened; have it closed if it should not be there.

        A late ticket may open it after its meeting's end, or a node that was lost have kept it.
        """
        placement = await store.hold_placement(session, event.room)
        if placement is None:
            return False
        if placement.node_id != node_id or 0 < event.epoch < placement.epoch:
            stale = YieldRoom(room=event.room, epoch=placement.epoch)
            await self._commands.command(session, node_id, stale)
            return False
        placement.room_open = True
        if placement.closing:
            await self._commands.command(session, node_id, CloseRoom(room=event.room))
        return True

    async def _closed(self, session: AsyncSession, node_id: str, event: RoomClosed) -> bool:
        """Note that nobody is in a room any more."""
        placement = await store.hold_placement(session, event.room)
        if placement is None or placement.node_id != node_id:
            return False
        placement.room_open = False
        return True

    def _moment(self, unix_s: float) -> datetime:
        """Return a node's time, which is never later than ours."""
        now = self._clock()
        return datetime.fromtimestamp(min(max(unix_s, 0.0), now.timestamp()), UTC)
