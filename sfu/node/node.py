"""The node: rooms, who may enter them, the ticker that keeps them going, and the way out.

Everything here runs on one event loop. State changes only in synchronous methods; what awaits is
the WebSocket endpoint, the ticker and the journal.
"""

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sfu.contract.codes import Code
from sfu.contract.operations import (
    CloseRoom,
    Drain,
    Load,
    MoveRoom,
    MutePeer,
    NodeCommand,
    RemovePeer,
    RoomCommand,
    Undrain,
    YieldRoom,
)
from sfu.contract.signals import PROTOCOL, Hello, Move, Welcome, encode
from sfu.contract.ticket import Ticket, TicketRefused, verify
from sfu.node.capacity import Strain
from sfu.node.destination import Destination, resume_token, resumed_at
from sfu.node.journal import Journal
from sfu.node.outbox import Outbox
from sfu.node.seat import Seat
from sfu.node.settings import Settings
from sfu.node.totals import Totals
from sfu.room.peer import Peer
from sfu.room.ports import Refusal
from sfu.room.room import Room
from sfu.transport.certificate import Certificate
from sfu.transport.network import Network

_log = logging.getLogger(__name__)

MEASURE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the node has used and done so far."""

    at: float
    cpu_s: float
    packets_out: int
    ticks: int
    late_s: float

    def since(self, before: "_Reading") -> Load:
        """Return what it was between two readings."""
        elapsed = self.at - before.at
        return Load(
            cpu=(self.cpu_s - before.cpu_s) / elapsed,
            loop_lag_s=(self.late_s - before.late_s) / (self.ticks - before.ticks),
            packets_out_per_s=(self.packets_out - before.packets_out) / elapsed,
        )


class Node:
    """One `sfu` process. `ticket_key` is control's public key, `cluster_secret` what both share."""

    def __init__(self, settings: Settings, ticket_key: Ed25519PublicKey, cluster_secret: bytes) -> None:
        self.settings = settings
        self.network = Network(settings.network, Certificate.generate())
        self.rooms: dict[str, Room] = {}
        self.seats: dict[str, Seat] = {}
        """By resume token."""
        self._drains_until: float | None = None
        self.totals = Totals()
        self.strain = Strain()
        self.journal = Journal(settings, cluster_secret, self.load, lambda: self.draining, self._count)
        self._ticket_key = ticket_key
        self._cluster_secret = cluster_secret
        self._here = Destination(settings.node_id, settings.commands_url)
        self._used_tickets: dict[str, int] = {}
        self._ticks = 0
        self._reading = self._read()
        self._load = Load()

    @property
    def peers(self) -> int:
        """How many peers there are in all rooms."""
        return len(self.seats)

    @property
    def draining(self) -> bool:
        """Whether no new rooms are opened here, since those that are here are to go."""
        return self._drains_until is not None

    @property
    def is_attended(self) -> bool:
        """Whether anybody here is connected."""
        return any(room.is_attended for room in self.rooms.values())

    @property
    def is_ready(self) -> bool:
        """Whether new rooms can be opened here."""
        return self.journal.introduced and not self.draining

    @property
    def fullness(self) -> float:
        """How full the node is, from 0 to 1."""
        return self.settings.capacity.fullness(self.strain, self.peers)

    @property
    def is_full(self) -> bool:
        """Whether no more rooms are opened for now."""
        return not self.settings.capacity.takes_room(self.strain, self.peers)

    # --- entering -----------------------------------------------------------------------------

    def permit(self, hello: Hello) -> Ticket | Destination:
        """Return what the client shows: a ticket, or where its stay is. Raises `Refusal`.

        A room that has been placed elsewhere since it was opened here is closed here.
        """
        if hello.resume is None:
            ticket = self._check(hello.ticket or "")
            self._yield(ticket.room, ticket.epoch)
            return ticket
        destination = resumed_at(hello.resume, self._cluster_secret)
        if destination is None:
            raise Refusal(Code.RESUME_UNKNOWN)
        return destination

    def admit(self, hello: Hello, permit: Ticket | Destination, outbox: Outbox, *, loopback: bool) -> Seat:
        """Let a client in by what it has just shown, or let it take up its stay again. Raises `Refusal`."""
        if hello.protocol != PROTOCOL:
            raise Refusal(Code.PROTOCOL_UNSUPPORTED, f"this node speaks version {PROTOCOL}")
        if isinstance(permit, Ticket):
            return self._enter(hello, permit, outbox, loopback=loopback)
        return self._resume(hello, outbox, loopback=loopback)

    def _enter(self, hello: Hello, ticket: Ticket, outbox: Outbox, *, loopback: bool) -> Seat:
        if ticket.node != self._here.node:
            raise Refusal(Code.WRONG_NODE)
        room = self._room(ticket)
        is_more = ticket.peer not in room.peers
        if is_more and not self.settings.capacity.takes_peer(self.strain, self.peers):
            raise Refusal(Code.NODE_FULL)
        resume = resume_token(self._here, self._cluster_secret)
        peer = room.enter(ticket, resume=resume, seed=secrets.token_bytes(16))
        seat = Seat(room, peer, self.network)
        answer = seat.settle(hello.offer, hello.tracks, loopback=loopback)
        self.seats[resume] = seat
        self._used_tickets[ticket.id] = ticket.expires_at
        peer.attach(outbox)
        peer.send(self._welcome(seat, answer))
        return seat

    def _room(self, ticket: Ticket) -> Room:
        """Return a ticket's room, opened if need be. One that stays empty is closed at the next tick."""
        room = self.rooms.get(ticket.room)
        if room is None:
            if self.draining:
                raise Refusal(Code.DRAINING)
            if self.is_full:
                raise Refusal(Code.NODE_FULL)
            unix_offset = time.time() - time.monotonic()
            room = Room(ticket.room, self.settings.limits, self, time.monotonic, unix_offset, ticket.epoch)
            self.rooms[ticket.room] = room
        if ticket.epoch < room.epoch:
            raise Refusal(Code.TICKET_SUPERSEDED)
        return room

    def _yield(self, id_: str, epoch: int) -> None:
        """Close the room as it is here if it has been placed anew since: it must not live twice."""
        room = self.rooms.get(id_)
        if room is not None and room.epoch < epoch:
            self._close(room, Code.ROOM_MOVED)

    def _check(self, text: str) -> Ticket:
        now = time.time()
        try:
            ticket = verify(text, self._ticket_key, now=now)
        except TicketRefused as refused:
            raise Refusal(refused.code) from refused
        self._used_tickets = {id_: expiry for id_, expiry in self._used_tickets.items() if expiry > now}
        if ticket.id in self._used_tickets:
            raise Refusal(Code.TICKET_REPLAYED)
        return ticket

    def _resume(self, hello: Hello, outbox: Outbox, *, loopback: bool) -> Seat:
        seat = self.seats.get(hello.resume or "")
        if seat is None:
            raise Refusal(Code.RESUME_UNKNOWN)
        answer = seat.settle(hello.offer, hello.tracks, loopback=loopback)
        seat.peer.attach(outbox)
        seat.peer.send(self._welcome(seat, answer))
        seat.peer.relabel()
        if seat.room.is_moving:
            seat.peer.send(encode(Move()))
        return seat

    def _welcome(self, seat: Seat, answer: str) -> str:
        return encode(
            Welcome(
                node=self.settings.node_id,
                peer=seat.peer.id,
                resume=seat.peer.resume,
                linger_s=self.settings.limits.linger_s,
                room=seat.room.snapshot,
                sdp=answer,
            )
        )

    # --- what rooms write down ----------------------------------------------------------------

    def room_opened(self, room: str, epoch: int) -> None:
        """The first peer is about to enter."""
        self.journal.room_opened(room, epoch)

    def _count(self) -> None:
        """Write down all that is here, as if it had come just now."""
        for room in self.rooms.values():
            self.journal.room_opened(room.id, room.epoch)
            for peer in room.peers.values():
                self.journal.peer_entered(room.id, peer)

    def room_closed(self, room: str, code: Code) -> None:
        """Nobody is left."""
        self.journal.room_closed(room, code)

    def peer_entered(self, room: str, peer: Peer) -> None:
        """A peer came."""
        self.totals.joins += 1
        self.journal.peer_entered(room, peer)

    def peer_gone(self, room: str, peer: Peer, code: Code) -> None:
        """A peer is gone for good: its place cannot be taken up again."""
        self.seats.pop(peer.resume, None)
        self.totals.goodbyes[code] += 1
        self.totals.media.add(peer.tally)
        self.journal.peer_gone(room, peer, code)

    # --- commands -----------------------------------------------------------------------------

    def obey(self, command: NodeCommand) -> None:
        """Do what control says. What is already so, or no longer here, is no error."""
        match command:
            case Drain(deadline_s=deadline_s):
                self.drain(deadline_s)
            case Undrain():
                self._drains_until = None
                self.journal.hasten()
            case _:
                room = self.rooms.get(command.room)
                if room is not None:
                    self._obey_in(room, command)

    def _obey_in(self, room: Room, command: RoomCommand) -> None:
        match command:
            case CloseRoom():
                self._close(room, Code.ROOM_CLOSED)
            case MoveRoom(epoch=epoch):
                room.move(epoch)
            case YieldRoom(epoch=epoch):
                self._yield(room.id, epoch)
            case RemovePeer(peer=id_) if id_ in room.peers:
                room.leave(room.peers[id_], Code.REMOVED)
            case MutePeer(peer=id_, source=source) if id_ in room.peers:
                room.mute_source(room.peers[id_], source)

    def drain(self, deadline_s: float) -> None:
        """Open no new rooms, and close those that are still here after so many seconds."""
        self._drains_until = time.monotonic() + deadline_s
        self.journal.hasten()

    def _close(self, room: Room, code: Code) -> None:
        room.close(code)
        del self.rooms[room.id]

    # --- time ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick until cancelled, measuring how late each tick comes."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self.settings.tick_s, loop.time())
            await asyncio.sleep(due - loop.time())
            lag = max(0.0, loop.time() - due)
            self.totals.lag.observe(lag)
            self._ticks += 1
            self._tick()
            if time.monotonic() - self._reading.at >= MEASURE_S:
                self._measure()

    def _tick(self) -> None:
        self.network.begin()
        overdue = self._drains_until is not None and time.monotonic() >= self._drains_until
        for room in list(self.rooms.values()):
            if overdue:
                self._close(room, Code.DRAINING)
                continue
            try:
                room.tick()
            except Exception:
                _log.exception("a tick failed; its room is closed")
                self._close(room, Code.INTERNAL)
                continue
            if not room.peers:
                self._close(room, Code.LEFT)
        self.network.flush()

    def _measure(self) -> None:
        """Take the work since the last reading; control hears at once when that fills or frees the node."""
        before, self._reading = self._reading, self._read()
        self._load = load = self._reading.since(before)
        over_s, was_full = self._reading.at - before.at, self.is_full
        self.strain = self.settings.capacity.strained(self.strain, load.cpu, load.loop_lag_s, over_s)
        if self.is_full != was_full:
            self.journal.hasten()

    def _read(self) -> _Reading:
        sent = self.network.counters.datagrams_out
        return _Reading(time.monotonic(), time.process_time(), sent, self._ticks, self.totals.lag.sum)

    def load(self) -> Load:
        """Return how busy the node is."""
        return msgspec.structs.replace(
            self._load, rooms=len(self.rooms), peers=self.peers, fullness=self.fullness, full=self.is_full
        )

    def close(self) -> None:
        """Tell everybody that the node stops: their clients can join anew elsewhere."""
        self.drain(0)
        for room in list(self.rooms.values()):
            self._close(room, Code.DRAINING)
        self.network.close()
