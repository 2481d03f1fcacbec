"""A meeting live on a node: its peers, and what of them is public, as a version and its changes."""

from collections.abc import Callable, Iterator, Sequence

from sfu.contract import signals
from sfu.contract.codes import Code
from sfu.contract.signals import DataDelivery, DataMessage, PublishedTrack, RoomSnapshot, Speakers, Want
from sfu.contract.ticket import Source, Ticket
from sfu.media.layer import Layer
from sfu.media.speakers import Speakers as Voices
from sfu.media.track import Track
from sfu.room.peer import Peer, PeerState
from sfu.room.ports import Journal, Limits, Link, Refusal
from sfu.signaling.plan import LinkPlan

REJOIN = frozenset({Code.LINK_TIMEOUT, Code.LINK_LOST, Code.DRAINING, Code.ROOM_MOVED, Code.INTERNAL})
"""Ends after which a client may come back with a new ticket."""
ELECTION_INTERVAL_S = 0.1
SPEAKING_INTERVAL_S = 0.2
FOLLOW_INTERVAL_S = 0.25
ACKNOWLEDGE_INTERVAL_S = 0.09
"""Between transport-cc feedback packets to a publisher; clients expect 50 to 100 ms."""
NEEDS_INTERVAL_S = 0.25
WELCOME_S = 5.0
"""For so long after somebody entered, the least layer of every camera is sent: it may be wanted at once."""
MAX_TICK_S = 0.1


class Room:
    """Owns its peers. `clock` returns monotonic seconds; Unix time is that plus `unix_offset`.

    `epoch` counts the nodes that the room has been placed on.
    """

    def __init__(
        self,
        id_: str,
        limits: Limits,
        journal: Journal,
        clock: Callable[[], float],
        unix_offset: float,
        epoch: int = 0,
    ) -> None:
        self.id = id_
        self.epoch = epoch
        self.is_moving = False
        self.version = 0
        self.unix_offset = unix_offset
        self.peers: dict[str, Peer] = {}
        self._limits = limits
        self._journal = journal
        self._clock = clock
        self._tracks: dict[str, tuple[Peer, Track]] = {}
        self._awake: dict[str, Peer] = {}
        self._voices = Voices(limits.loudest)
        self._speaking: tuple[str, ...] = ()
        self._elected_at = self._spoken_at = self._followed_at = self._acknowledged_at = 0.0
        self._ticked_at = clock()
        self._needs_told_at = self._entered_at = float("-inf")
        journal.room_opened(id_, epoch)

    @property
    def snapshot(self) -> RoomSnapshot:
        """Return all that is public, at this version."""
        return RoomSnapshot(
            version=self.version, room=self.id, peers=tuple(peer.info for peer in self.peers.values())
        )

    # --- coming and going ---------------------------------------------------------------------

    def enter(self, ticket: Ticket, *, resume: str, seed: bytes) -> Peer:
        """Return a new peer, not yet seen by others. Raises `Refusal` when the room is full.

        A peer of the same id that is still here is replaced: the ticket names one stay.
        """
        if len(self.peers) >= self._limits.max_peers and ticket.peer not in self.peers:
            raise Refusal(Code.ROOM_FULL)
        return Peer(ticket, resume=resume, seed=seed, limits=self._limits, floor=self)

    def settle(self, peer: Peer, link: Link, plan: LinkPlan, declared: Sequence[PublishedTrack]) -> None:
        """Let a peer in, or let it go on, over a new link with what its offer says. Raises `Refusal`."""
        peer.check(plan, declared)
        now = self._clock()
        self._publish_changes(peer, peer.take_link(link, now))
        if self.peers.get(peer.id) is not peer:
            former = self.peers.get(peer.id)
            if former is not None:
                self.leave(former, Code.REPLACED)
            self.peers[peer.id] = peer
            self._entered_at = now
            self.layer_awaited()
            self._announce(signals.PeerJoined(peer=peer.info))
            self._journal.peer_entered(self.id, peer)
        self.reoffer(peer, plan, declared)

    def reoffer(self, peer: Peer, plan: LinkPlan, declared: Sequence[PublishedTrack]) -> None:
        """Apply a further offer on the peer's link. Raises `Refusal`, and then nothing has changed."""
        peer.check(plan, declared)
        self._publish_changes(peer, peer.apply(plan, declared))
        self._arrange(peer)

    def _arrange(self, peer: Peer) -> None:
        now = self._clock()
        peer.arrange_video(now)
        peer.arrange_audio(self._voices.heard_by(peer.own_tracks), now)

    def leave(self, peer: Peer, code: Code) -> None:
        """Take a peer out. Idempotent."""
        if self.peers.get(peer.id) is not peer:
            return
        del self.peers[peer.id]
        self._end(peer, code)
        self._announce(signals.PeerLeft(peer=peer.id, code=code))
        self._rearrange()

    def move(self, epoch: int) -> None:
        """Send everybody to where the room has been placed with `epoch`. It goes on here until they left.

        An older epoch, or the same again, sends nobody: the room has been placed here since, or is moving.
        """
        if epoch > self.epoch:
            self.epoch = epoch
            self.is_moving = True
            self._broadcast(signals.Move())

    @property
    def is_attended(self) -> bool:
        """Whether anybody in it is connected."""
        return any(peer.state is PeerState.CONNECTED for peer in self.peers.values())

    def close(self, code: Code) -> None:
        """Everybody out."""
        peers = list(self.peers.values())
        self.peers.clear()
        for peer in peers:
            self._end(peer, code)
        self._journal.room_closed(self.id, code)

    def _end(self, peer: Peer, code: Code) -> None:
        for id_ in peer.own_tracks:
            self._tracks.pop(id_, None)
            self._voices.remove(id_)
        peer.close(code, "join" if code in REJOIN else "none")
        self._journal.peer_gone(self.id, peer, code)

    # --- what is published --------------------------------------------------------------------

    def mute(self, peer: Peer, mid: str, muted: bool) -> None:
        """A peer mutes or unmutes one of its tracks. Raises `Refusal`."""
        change = peer.mute(mid, muted)
        if change is not None:
            self._publish_changes(peer, [change])

    def mute_source(self, peer: Peer, source: Source) -> None:
        """Mute a peer's tracks of one source, on the host's behalf."""
        for mid, publication in peer.publications.items():
            if publication.declared.source is source:
                self.mute(peer, mid, True)

    def view(self, peer: Peer, wants: Sequence[Want]) -> None:
        """A peer says what it would show."""
        peer.view(wants, self._clock())

    def _publish_changes(self, peer: Peer, changes: Sequence[signals.RoomChange]) -> None:
        for change in changes:
            self._announce(change)
        if not changes:
            return
        for id_ in [id_ for id_, (owner, _) in self._tracks.items() if owner is peer]:
            del self._tracks[id_]
            self._voices.remove(id_)
        for publication in peer.publications.values():
            track = publication.line.track
            self._tracks[track.id] = (peer, track)
            if track.voice is not None and not track.muted:
                self._voices.add(track.id, track.voice)
        self._rearrange()

    def _rearrange(self) -> None:
        """Let everybody's slots follow what is published now."""
        now = self._clock()
        for peer in self.peers.values():
            peer.arrange_video(now)
        self._elect(now)

    def _announce(self, change: signals.RoomChange) -> None:
        self.version += 1
        self._broadcast(signals.Delta(version=self.version, change=change))

    def _broadcast(self, message: signals.NodeMessage) -> None:
        text = signals.encode(message)
        for peer in self.peers.values():
            peer.send(text)

    # --- the room as its peers see it ---------------------------------------------------------

    def find(self, track: str) -> Track | None:
        """Return a published track."""
        found = self._tracks.get(track)
        return None if found is None else found[1]

    def layer_appeared(self, layer: Layer) -> None:
        """Show a new layer where it suits, from its very first packet."""
        now = self._clock()
        for peer in self.peers.values():
            peer.follow(layer, now)

    def layer_awaited(self) -> None:
        """Tell its publisher with the next tick."""
        self._needs_told_at = float("-inf")

    def awaken(self, peer: Peer) -> None:
        """Let the peer pace what it sends with each tick."""
        self._awake[peer.id] = peer

    def peer_ready(self, peer: Peer) -> None:
        """Begin to send."""
        self._arrange(peer)

    def connection_changed(self, peer: Peer) -> None:
        """Tell the others."""
        connected = peer.state is PeerState.CONNECTED
        self._announce(signals.PeerConnection(peer=peer.id, connected=connected))

    def relay(self, sender: Peer, label: str, message: DataMessage) -> None:
        """Pass a data message to the peer it names, or to all others."""
        delivery = DataDelivery(topic=message.topic, body=message.body, sender=sender.id)
        text = signals.encode_data(delivery)
        for peer in self._recipients(sender, message.to):
            if peer.link is not None:
                peer.link.send_data(label, text)

    def _recipients(self, sender: Peer, to: str | None) -> Iterator[Peer]:
        for peer in self.peers.values():
            if peer is not sender and to in (None, peer.id):
                yield peer

    # --- time ---------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due: repairs and reports, elections, layers, and goodbyes. Every 20 ms or so."""
        now = self._clock()
        for _, track in self._tracks.values():
            track.tick(now)
        self._pace(now)
        if now - self._acknowledged_at >= ACKNOWLEDGE_INTERVAL_S:
            self._acknowledged_at = now
            for publisher in {owner.id: owner for owner, _ in self._tracks.values()}.values():
                publisher.acknowledge()
        if now - self._needs_told_at >= NEEDS_INTERVAL_S:
            self._needs_told_at = now
            self._tell_needs(now)
        if now - self._elected_at >= ELECTION_INTERVAL_S:
            self._elected_at = now
            self._elect(now)
            for peer in self.peers.values():
                peer.report(now)
        if now - self._spoken_at >= SPEAKING_INTERVAL_S:
            self._spoken_at = now
            self._tell_speakers(now)
        if now - self._followed_at >= FOLLOW_INTERVAL_S:
            self._followed_at = now
            self._follow(now)

    def _pace(self, now: float) -> None:
        tick_s, self._ticked_at = min(now - self._ticked_at, MAX_TICK_S), now
        for peer in list(self._awake.values()):
            if not peer.pace(tick_s, now):
                del self._awake[peer.id]

    def _elect(self, now: float) -> None:
        if self._voices.elect(now):
            for peer in self.peers.values():
                peer.arrange_audio(self._voices.heard_by(peer.own_tracks), now)

    def _tell_speakers(self, now: float) -> None:
        owners = [self._tracks[track][0].id for track in self._voices.speaking(now)]
        speaking = tuple(dict.fromkeys(owners))
        if speaking != self._speaking:
            self._speaking = speaking
            self._broadcast(Speakers(peers=speaking))

    def _tell_needs(self, now: float) -> None:
        """Let publishers send the layers that somebody needs, and no others."""
        needed: dict[str, set[int]] = {}
        for peer in self.peers.values():
            for track, ranks in peer.needs():
                needed.setdefault(track.id, set()).update(ranks)
        least = {0} if now - self._entered_at < WELCOME_S else set()
        for id_, (owner, track) in self._tracks.items():
            if track.kind == "video" and not track.muted and track.need(needed.get(id_, set()) | least, now):
                owner.tell_encodings(track)

    def _follow(self, now: float) -> None:
        changed = [track for _, track in self._tracks.values() if track.measure(now)]
        for peer in list(self.peers.values()):
            code = peer.overdue(now)
            if code is not None:
                self.leave(peer, code)
            else:
                peer.follow_layers(now, anew=bool(changed))
