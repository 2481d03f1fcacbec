"""A room, its peers and the networks between them, on a clock that runs as fast as it can be computed.

The room is the real one. Around it stand plain objects that do what a node, its clients and their
networks do: links that lose and delay, WebSockets that may be slow, clients that keep the room's
state by applying deltas. What clients publish is in `publishers`, what they make of what they are
sent in `receivers`.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sfu.contract.codes import Code
from sfu.contract.signals import (
    Closed,
    Delta,
    PublishedTrack,
    RoomSnapshot,
    SlotLabel,
    Slots,
    Speakers,
    Want,
    decode_node,
)
from sfu.contract.ticket import Rights, Source, Ticket
from sfu.room.peer import Peer
from sfu.room.ports import Limits
from sfu.room.room import Room
from sfu.rtp import rtcp
from sfu.rtp.packet import parse
from sfu.rtp.transport_cc import SentPackets
from sfu.signaling.plan import LinkPlan
from tests.scenario import plans
from tests.scenario.deltas import applied
from tests.scenario.publishers import Camera, Microphone
from tests.scenario.receivers import Picture, Sound
from tests.unit.rtp.wire import numbered

UNIX_OFFSET = 1_800_000_000.0
HANDSHAKE_S = 0.05
KEEPALIVE_S = 1.0


@dataclass
class Journal:
    """Writes down comings and goings."""

    lines: list[tuple[Any, ...]] = field(default_factory=list)

    def room_opened(self, room: str, epoch: int) -> None:
        self.lines.append(("opened", room))

    def room_closed(self, room: str, code: Code) -> None:
        self.lines.append(("closed", room, code))

    def peer_entered(self, room: str, peer: Peer) -> None:
        self.lines.append(("entered", peer.id))

    def peer_gone(self, room: str, peer: Peer, code: Code) -> None:
        self.lines.append(("gone", peer.id, code))


@dataclass
class Path:
    """One direction of a network. `loses` is asked about each packet by its number on the path."""

    delay_s: float = 0.0
    loses: Callable[[int], bool] = lambda _number: False
    up: bool = True
    carried: int = 0
    lost: int = 0

    def carry(self, world: "World", deliver: Callable[[bytes], None], packet: bytes) -> None:
        number, self.carried = self.carried, self.carried + 1
        if not self.up or self.loses(number):
            self.lost += 1
        elif self.delay_s:
            world.later(self.delay_s, deliver, packet)
        else:
            deliver(packet)


class Link:
    """The node's end of a pipe to one client."""

    def __init__(self, client: "Client") -> None:
        self.last_heard = client.world.now
        self.closed = False
        self._client = client
        self._sent: SentPackets | None = None

    def number(self, sent: SentPackets) -> None:
        self._sent = sent

    def send_numbered_rtp(self, packet: bytes) -> None:
        if self._sent is not None:
            packet = numbered(packet, self._sent.note(int(self._client.world.now * 1e6), len(packet)))
        self.send_rtp(packet)

    def send_rtp(self, packet: bytes) -> None:
        if not self.closed:  # what waited for its label may come late
            self._client.down.carry(self._client.world, self._client.receive_rtp, packet)

    def send_rtcp(self, compound: bytes) -> None:
        assert not self.closed
        self._client.down.carry(self._client.world, self._client.receive_rtcp, compound)

    def send_data(self, label: str, text: str) -> bool:
        assert not self.closed
        self._client.data.append((label, text))
        return True

    def close(self) -> None:
        self.closed = True


class Outbox:
    """The node's end of a WebSocket. While `stuck`, messages wait and their hooks with them."""

    def __init__(self, client: "Client") -> None:
        self.stuck = False
        self.end: Closed | tuple[Code, str] | None = None
        self._client = client
        self._waiting: list[tuple[str, Callable[[], None] | None]] = []

    def send(self, text: str, sent: Callable[[], None] | None = None) -> None:
        assert self.end is None
        self._waiting.append((text, sent))
        if not self.stuck:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits, one after the other."""
        while self._waiting:
            self.step()

    def step(self) -> None:
        """Hand over one message."""
        text, sent = self._waiting.pop(0)
        self._client.receive_message(text)
        if sent is not None:
            sent()

    def close(self, code: Code, retry: str) -> None:
        if self.end is None:
            self.flush()
            self.end = (code, retry)


class World:
    """A clock, a room and its clients."""

    def __init__(self, *, limits: Limits | None = None) -> None:
        self.now = 1000.0
        self.journal = Journal()
        self.room = Room("room", limits or Limits(), self.journal, lambda: self.now, UNIX_OFFSET)
        self.clients: dict[str, Client] = {}
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self.numbers = count(1)
        self._order = count()
        self.every(0.02, self.room.tick)

    def later(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        """Let something happen in so many seconds."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), act, args))

    def every(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen over and over, until it returns False."""

        def again() -> None:
            if act() is not False:
                self.later(seconds, again)

        self.later(seconds, again)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self._due and self._due[0][0] <= until:
            self.now, _, act, args = heapq.heappop(self._due)
            act(*args)
        self.now = until

    def until(self, condition: Callable[[], object], within: float = 10.0) -> float:
        """Let time pass until something is so; return how long it took."""
        began = self.now
        while not condition():
            assert self.now - began < within, "it did not become so"
            self.run(0.005)
        return self.now - began

    def join(self, id_: str, **how: Any) -> "Client":
        """Let a client join, and its link come up."""
        client = Client(self, id_, **how)
        client.enter()
        return client

    def meeting(self, *ids: str, **how: Any) -> list["Client"]:
        """Let several clients join and see each other; return them."""
        clients = [self.join(id_, **how) for id_ in ids]
        for client in clients:
            client.show_all()
        self.run(1.0)
        return clients


class Client:
    """One client: what it publishes, what it is sent, and what it knows of the room."""

    def __init__(
        self,
        world: World,
        id_: str,
        *,
        camera: Sequence[str] | None = ("q", "h", "f"),
        microphone: bool = True,
        rights: Rights | None = None,
        audio_slots: int = 3,
        video_slots: int = 9,
        delay_s: float = 0.0,
        rtx: bool = True,
        silent: bool = False,
    ) -> None:
        self.world = world
        self.id = id_
        self.number = next(world.numbers)
        self.ticket = Ticket(
            id=f"t-{id_}",
            room="room",
            peer=id_,
            node="node",
            name=id_.title(),
            rights=rights or Rights(),
            expires_at=2_000_000_000,
        )
        self.up, self.down = Path(delay_s), Path(delay_s)
        self.data: list[tuple[str, str]] = []
        self.speakers: tuple[str, ...] = ()
        self.labels: dict[str, list[SlotLabel]] = {}
        self._view: RoomSnapshot | None = None
        self._deltas: list[Delta] = []
        self.feedback: Counter[str] = Counter()
        self._clocks: dict[int, tuple[int, float]] = {}
        self.silent = silent
        self.microphone = Microphone(self, "m")
        self.camera = Camera(self, "c", tuple(camera or ()))
        self.has_microphone = microphone
        self.has_camera = camera is not None
        self.tracks = self.published()
        self.audio_slots, self.video_slots = audio_slots, video_slots
        self._rtx = rtx
        self.sounds: dict[int, Sound] = {}
        self.pictures: dict[int, Picture] = {}
        self.peer: Peer
        self.link: Link
        self.outbox: Outbox

    # --- signalling -------------------------------------------------------------------------------

    def published(self, **muted: bool) -> tuple[PublishedTrack, ...]:
        """Return what the client would declare: everything it has."""
        tracks = []
        if self.has_microphone:
            tracks.append(PublishedTrack(mid="m", source=Source.MICROPHONE, muted=muted.get("m", False)))
        if self.has_camera:
            tracks.append(
                PublishedTrack(
                    mid="c", source=Source.CAMERA, muted=muted.get("c", False), width=1280, height=720
                )
            )
        return tuple(tracks)

    def plan(self) -> LinkPlan:
        """Return what a node would have negotiated with the client."""
        number = self.number
        publish = [each.line for each in (self.microphone, self.camera) if each is not None]
        slots = [plans.slot(f"a{at}", "audio", number * 10_000 + at, None) for at in range(self.audio_slots)]
        slots += [
            plans.slot(
                f"v{at}",
                "video",
                number * 10_000 + 100 + at,
                number * 10_000 + 500 + at if self._rtx else None,
            )
            for at in range(self.video_slots)
        ]
        return plans.link(publish, slots)

    def enter(self) -> None:
        """Join with a ticket."""
        self.world.clients[self.id] = self
        self.peer = self.world.room.enter(self.ticket, resume=f"r-{self.id}", seed=self.id.encode())
        self.connect()
        if self.has_microphone:
            self.world.every(self.microphone.interval_s, self.microphone.send)
        if self.has_camera:
            self.world.every(self.camera.interval_s, self.camera.send)
        self.world.every(0.02, self._tick)
        self.world.every(KEEPALIVE_S, self._keepalive)

    def connect(self) -> None:
        """Offer a new link, with a new WebSocket."""
        link = Link(self)
        plan = self.plan()
        self.world.room.settle(self.peer, link, plan, self.tracks)
        self.link = link
        self.sounds.clear()
        self.pictures.clear()
        self.labels.clear()
        self._receive_with(plan)
        self.listen()
        self.world.later(HANDSHAKE_S, self._connected, link)

    def reoffer(self) -> None:
        """Offer again on the same link."""
        plan = self.plan()
        self.world.room.reoffer(self.peer, plan, self.tracks)
        self._receive_with(plan)

    def resume_signalling(self) -> None:
        """Come back over a new WebSocket; the link goes on."""
        self.reoffer()
        self.listen()
        self.peer.relabel()

    def listen(self) -> None:
        """Take what the welcome says, and all that follows."""
        self.outbox = Outbox(self)
        self.peer.attach(self.outbox)
        self._view = self.world.room.snapshot
        self._deltas.clear()

    def lose_signalling(self, **how: Any) -> None:
        """Let the WebSocket break."""
        self.outbox.end = (Code.LINK_LOST, "resume")
        self.peer.lose(self.outbox, self.world.now, **how)

    def leave(self) -> None:
        self.world.room.leave(self.peer, Code.LEFT)

    def _connected(self, link: Link) -> None:
        if self.link is link and not link.closed and self.up.up:
            self.peer.link_connected()

    def _keepalive(self) -> None:
        if self.up.up and not self.link.closed:
            self.link.last_heard = self.world.now

    def receive_message(self, text: str) -> None:
        match decode_node(text):
            case Delta() as delta:
                self._deltas.append(delta)
            case Slots(slots=labels):
                for label in labels:
                    self.labels.setdefault(label.mid, []).append(label)
            case Speakers(peers=peers):
                self.speakers = peers

    @property
    def view(self) -> RoomSnapshot:
        """The room as the client knows it: its last snapshot, and the deltas since."""
        assert self._view is not None
        for delta in self._deltas:
            self._view = applied(self._view, delta)
        self._deltas.clear()
        return self._view

    @property
    def here(self) -> bool:
        """Whether the client is still in the room."""
        return self.world.room.peers.get(self.id) is self.peer

    # --- what is shown ----------------------------------------------------------------------------

    def show(self, *wants: tuple[str, int] | str, priority: str = "grid") -> None:
        """Ask for the cameras of these peers, each with the height of its tile (or 720)."""
        named = [(want, 720) if isinstance(want, str) else want for want in wants]
        self.world.room.view(
            self.peer,
            [
                Want(track=f"{peer}.c", width=height * 16 // 9, height=height, priority=priority)  # type: ignore[arg-type]
                for peer, height in named
            ],
        )

    def show_all(self) -> None:
        """Ask for everybody's camera."""
        self.show(*(id_ for id_ in self.world.clients if id_ != self.id))

    def watching(self) -> dict[str, str]:
        """Return slot → peer for the video slots, as the labels say."""
        last = {mid: labels[-1].track for mid, labels in self.labels.items()}
        return {mid: track[:-2] for mid, track in last.items() if track and mid[0] == "v"}

    def picture_of(self, peer: str) -> Picture:
        """Return the picture that shows a peer now."""
        (mid,) = (mid for mid, shown in self.watching().items() if shown == peer)
        return next(picture for picture in self.pictures.values() if picture.mid == mid)

    def sees(self, peer: str, since: float = 0.0) -> bool:
        """Whether a slot shows the peer, and a frame of it was decoded since then."""
        return peer in self.watching().values() and any(
            frame.track == f"{peer}.c" and frame.at >= since for frame in self.picture_of(peer).frames
        )

    def heard(self, since: float = 0.0) -> set[str]:
        """Return the peers of whom sound arrived since then."""
        return {track[:-2] for sound in self.sounds.values() for at, track in sound.packets if at >= since}

    # --- media ------------------------------------------------------------------------------------

    def _receive_with(self, plan: LinkPlan) -> None:
        known = {slot.ssrc for slot in plan.slots}
        for gone in [ssrc for ssrc in (*self.sounds, *self.pictures) if ssrc not in known]:
            self.sounds.pop(gone, None)
            self.pictures.pop(gone, None)
        for slot in plan.slots:
            if slot.kind == "audio":
                self.sounds.setdefault(slot.ssrc, Sound(self, slot))
            else:
                self.pictures.setdefault(slot.ssrc, Picture(self, slot))

    def send_rtp(self, packet: bytes) -> None:
        if not self.silent:
            self.up.carry(self.world, self._node_receives_rtp, packet)

    def send_rtcp(self, compound: bytes) -> None:
        self.up.carry(self.world, self._node_receives_rtcp, compound)

    def _node_receives_rtp(self, packet: bytes) -> None:
        if not self.link.closed:
            self.link.last_heard = self.world.now
            self.peer.received_rtp(packet, self.world.now)

    def _node_receives_rtcp(self, compound: bytes) -> None:
        if not self.link.closed:
            self.link.last_heard = self.world.now
            self.peer.received_rtcp(compound, self.world.now)

    def receive_rtp(self, data: bytes) -> None:
        packet = parse(data, self.world.now)
        assert packet is not None
        sound = self.sounds.get(packet.ssrc)
        if sound is not None:
            sound.receive(packet)
            return
        for picture in self.pictures.values():
            if packet.ssrc in (picture.ssrc, picture.rtx_ssrc):
                picture.receive(packet)
                return
        raise AssertionError(f"a packet of SSRC {packet.ssrc}, which nobody agreed on")

    def receive_rtcp(self, compound: bytes) -> None:
        for each in rtcp.parse(compound):
            self.feedback[type(each).__name__] += 1
            if isinstance(each, rtcp.KeyFrameRequest):
                self.camera.asked_for_key_frame(each.media_ssrc)
            elif isinstance(each, rtcp.Nack):
                self.camera.resend(each.media_ssrc, each.lost)
            elif isinstance(each, rtcp.SenderReport):
                self._clocks[each.ssrc] = (each.ntp, self.world.now)

    def report(self) -> None:
        """Send a receiver report for every slot that had a sender report."""
        blocks = [
            rtcp.ReportBlock(ssrc, 0, 0, 0, 0, ntp >> 16 & 0xFFFF_FFFF, round((self.world.now - at) * 65_536))
            for ssrc, (ntp, at) in self._clocks.items()
        ]
        self.send_rtcp(rtcp.receiver_report(1, blocks))

    def _tick(self) -> None:
        for picture in self.pictures.values():
            picture.tick()
