"""Publishers, slots and receivers without a network: real tracks and slots, recorded ways out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from sfu.congestion.allocation import Demand, allocate
from sfu.media.layer import Layer
from sfu.media.ports import Format
from sfu.media.slot import Slot, SlotLine
from sfu.media.speakers import AUDIO_LEVEL
from sfu.media.track import Track
from sfu.media.translation import Profile
from sfu.rtp import rtcp
from sfu.rtp.packet import Packet, parse
from sfu.rtp.payload import read_vp8
from sfu.rtp.sequence import Seq, Unwrapper
from tests.unit.rtp import wire

VP8 = Format("VP8", "", 96, 97, 90_000)
H264 = Format("H264", "42/1", 102, None, 90_000)
OPUS = Format("opus", "", 111, None, 48_000)
THEIR_VP8 = Format("VP8", "", 100, 101, 90_000)
THEIR_OPUS = Format("opus", "", 109, None, 48_000)
PLAIN_VP8 = Format("VP8", "", 100, None, 90_000)

VIDEO_PROFILE = Profile((THEIR_VP8,), ())
AUDIO_PROFILE = Profile((THEIR_OPUS,), ((AUDIO_LEVEL, 7),))
PLAIN_PROFILE = Profile((PLAIN_VP8,), ())

MEDIA_SSRC, RTX_SSRC = 7000, 7001


@dataclass
class Wire:
    """An outlet that keeps what it is given. `numbered` counts the packets that it was to number."""

    packets: list[bytes] = field(default_factory=list)
    compounds: list[bytes] = field(default_factory=list)
    numbered: int = 0

    def send_rtp(self, packet: bytes) -> None:
        self.packets.append(packet)

    def send_numbered_rtp(self, packet: bytes) -> None:
        self.numbered += 1
        self.packets.append(packet)

    def send_rtcp(self, compound: bytes) -> None:
        self.compounds.append(compound)

    def take(self) -> list[Packet]:
        """Return the RTP packets sent since the last call."""
        taken = [parsed for data in self.packets if (parsed := parse(data, 0.0)) is not None]
        assert len(taken) == len(self.packets)
        self.packets.clear()
        return taken

    def take_media(self) -> list[Packet]:
        """Return those that are no retransmissions."""
        return [packet for packet in self.take() if packet.ssrc == MEDIA_SSRC]

    def take_feedback(self) -> list[rtcp.Rtcp]:
        """Return the RTCP packets sent since the last call."""
        taken = [each for compound in self.compounds for each in rtcp.parse(compound)]
        self.compounds.clear()
        return taken

    def plis(self) -> list[int]:
        """Return the SSRCs of which key frames were asked since the last call of `take_feedback`."""
        return [each.media_ssrc for each in self.take_feedback() if isinstance(each, rtcp.KeyFrameRequest)]


@dataclass
class Labels:
    """Notes what slots are said to show. `prompt`: the client is told at once."""

    prompt: bool = True
    said: list[tuple[str | None, int | None]] = field(default_factory=list)

    def label(self, slot: Slot, track: Track | None, rtp_timestamp: int | None) -> None:
        self.said.append((None if track is None else track.id, rtp_timestamp))
        if self.prompt:
            slot.release()


CADENCE = (
    (0, False),
    (2, True),
    (1, True),
    (2, False),
    (0, False),
    (2, False),
    (1, False),
    (2, False),
)
"""Temporal layer of each frame, and whether it depends on the base alone, as browsers encode VP8."""


@dataclass(frozen=True)
class Piece:
    """One packet of a frame. `frame` counts from 0."""

    frame: int
    temporal: int
    seq: int
    timestamp: int
    payload: bytes
    marker: bool


class Encoder:
    """VP8 in three temporal layers, 30 frames a second. Its counters wrap soon, unless told otherwise.

    A frame refers to the last one of each layer up to its own; with sync, to the last one of the base.
    """

    def __init__(self, *, seq: int = 65_530, picture_id: int = 32_764, tl0: int = 252) -> None:
        self.frames: list[list[Piece]] = []
        self.references: list[set[int]] = []
        self._seq, self._picture_id, self._tl0 = seq, picture_id, tl0
        self._last: dict[int, int] = {}
        self._step = 0

    def encode(self, packets: int = 1, *, key: bool = False) -> list[Piece]:
        """Return the next frame."""
        key = key or not self.frames
        self._step = 0 if key else (self._step + 1) % len(CADENCE)
        temporal, sync = CADENCE[self._step]
        self._picture_id = (self._picture_id + 1) & 0x7FFF
        if temporal == 0:
            self._tl0 = (self._tl0 + 1) & 0xFF
        number = len(self.frames)
        if key:
            self._last.clear()
        below = (0,) if sync else range(temporal + 1)
        self.references.append({self._last[each] for each in below if each in self._last})
        self._last[temporal] = number
        pieces = [self._piece(number, temporal, sync, at, packets, key) for at in range(packets)]
        self.frames.append(pieces)
        return pieces

    def _piece(self, frame: int, temporal: int, sync: bool, at: int, packets: int, key: bool) -> Piece:
        self._seq += 1
        payload = bytearray(
            wire.vp8(
                key=key,
                picture_id=self._picture_id,
                tl0=self._tl0,
                tid=temporal,
                start=at == 0,
                body=b"%d/%d" % (frame, at),
            )
        )
        payload[5] |= 0x20 if sync else 0
        return Piece(frame, temporal, self._seq, 3000 * frame, bytes(payload), at == packets - 1)


@dataclass(frozen=True)
class Seen:
    """A packet of an `Encoder` as a receiver sees it. `frame` and `at` say which one it is."""

    seq: Seq
    timestamp: int
    picture_id: int
    tl0: int
    frame: int
    at: int


def seen(packets: list[Packet]) -> list[Seen]:
    """Return what a receiver sees of media packets, their numbers unwrapped."""
    found = []
    for packet, seq in zip(packets, unwrapped(packets), strict=True):
        payload = read_vp8(packet.data, packet.payload_start, packet.payload_end)
        body = packet.data[packet.payload_start + payload.size + 1 :]
        frame, _, at = body.partition(b"/")
        found.append(Seen(seq, packet.timestamp, payload.picture_id, payload.tl0, int(frame), int(at)))
    return found


class Publisher:
    """A track with layers, and what it puts on the wire. Each layer has numbers of its own."""

    def __init__(
        self,
        name: str = "a.1",
        *,
        formats: Iterable[Format] = (VP8,),
        rids: tuple[str | None, ...] = (None,),
        extensions: dict[int, str] | None = None,
        height: int = 720,
        ssrc: int = 1000,
    ) -> None:
        formats = tuple(formats)
        self.outlet = Wire()
        kind = "audio" if formats[0].codec in ("opus", "red") else "video"
        self.track = Track(name, kind, formats, extensions or {}, self.outlet)  # type: ignore[arg-type]
        self.track.height = height
        self.track.top_rank = max(0, len(rids) - 1)
        self.payload_type = formats[0].payload_type
        self.layers = [
            self.track.add_layer(rid=rid, rank=rank, ssrc=ssrc + rank) for rank, rid in enumerate(rids)
        ]

    @property
    def layer(self) -> Layer:
        """Return the smallest layer."""
        return self.layers[0]

    def send(
        self,
        seq: int,
        *,
        now: float,
        layer: int = 0,
        timestamp: int | None = None,
        clock: int = 90_000,
        payload: bytes | None = None,
        key: bool = False,
        repaired: bool = False,
        payload_type: int | None = None,
        padding: int = 0,
        extensions: bytes = b"",
        marker: bool = False,
    ) -> None:
        """Let a packet of a layer arrive. Its timestamp follows `now` unless it is given."""
        chosen = self.layers[layer]
        data = wire.rtp(
            seq,
            timestamp=round(now * clock) if timestamp is None else timestamp,
            ssrc=chosen.ssrc,
            payload_type=self.payload_type if payload_type is None else payload_type,
            payload=wire.vp8(key=key) if payload is None else payload,
            padding=padding,
            extensions=extensions,
            marker=marker,
        )
        packet = parse(data, now)
        assert packet is not None
        chosen.receive(packet, repaired=repaired)

    def send_piece(self, piece: Piece, *, now: float, layer: int = 0) -> None:
        """Let a packet of an encoded frame arrive."""
        self.send(
            piece.seq,
            now=now,
            layer=layer,
            timestamp=piece.timestamp,
            payload=piece.payload,
            marker=piece.marker,
        )

    def pad(self, seq: int, *, now: float, layer: int = 0) -> None:
        """Let a packet without payload arrive."""
        self.send(seq, now=now, layer=layer, payload=b"", padding=200)


def microphone(name: str = "a.0", ssrc: int = 2000) -> Publisher:
    """Return a publisher of Opus whose extension 1 is the audio level."""
    return Publisher(name, formats=(OPUS,), extensions={1: AUDIO_LEVEL}, ssrc=ssrc)


@dataclass
class Screen:
    """A slot, the client's link behind it, and what the client is told. The network carries everything."""

    slot: Slot
    link: Wire
    labels: Labels

    def show(self, track: Track, height: int, now: float) -> None:
        """Show a track as a room does: let the slot know, and give it the best there is for it."""
        self.slot.show(track, height, now)
        self.share(now)

    def tick(self, now: float) -> None:
        """Let time pass as a room does, every quarter of a second."""
        self.slot.tick(now)
        self.share(now)

    def share(self, now: float) -> None:
        """Give a video slot what a room with all the bandwidth would; sound needs no sharing out."""
        slot, track = self.slot, self.slot.track
        if track is None or slot.kind == "audio":
            return
        (grant,) = allocate(inf, [Demand(slot.mid, track.options(now), slot.height, "grid")])
        if grant.option is None:
            slot.give(None, 0, now)
        else:
            slot.give(track.layer(grant.option.rank), grant.option.temporal, now)


def screen(
    profile: Profile = VIDEO_PROFILE,
    *,
    start: int = 0x1234_5678,
    rtx: bool = True,
    prompt: bool = True,
) -> Screen:
    """Return an empty slot."""
    kind = "audio" if profile.formats[0].codec == "opus" else "video"
    line = SlotLine("9", kind, MEDIA_SSRC, RTX_SSRC if rtx else None, profile)  # type: ignore[arg-type]
    link, labels = Wire(), Labels(prompt)
    return Screen(Slot(line, start=start, link=link, labels=labels), link, labels)


def unwrapped(packets: Iterable[Packet]) -> list[Seq]:
    """Return the sequence numbers of a stream, unwrapped."""
    unwrapper = Unwrapper()
    return [unwrapper.unwrap(packet.seq) for packet in packets]
