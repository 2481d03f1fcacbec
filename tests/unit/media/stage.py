"""Publishers, slots and receivers without a network: real tracks and slots, recorded ways out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sfu.media.layer import Layer
from sfu.media.ports import Format
from sfu.media.slot import Slot, SlotLine
from sfu.media.speakers import AUDIO_LEVEL
from sfu.media.track import Track
from sfu.media.translation import Profile
from sfu.rtp import rtcp
from sfu.rtp.packet import Packet, parse
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
    """An outlet that keeps what it is given."""

    packets: list[bytes] = field(default_factory=list)
    compounds: list[bytes] = field(default_factory=list)

    def send_rtp(self, packet: bytes) -> None:
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

    def pad(self, seq: int, *, now: float, layer: int = 0) -> None:
        """Let a packet without payload arrive."""
        self.send(seq, now=now, layer=layer, payload=b"", padding=200)


def microphone(name: str = "a.0", ssrc: int = 2000) -> Publisher:
    """Return a publisher of Opus whose extension 1 is the audio level."""
    return Publisher(name, formats=(OPUS,), extensions={1: AUDIO_LEVEL}, ssrc=ssrc)


@dataclass
class Screen:
    """A slot, the client's link behind it, and what the client is told."""

    slot: Slot
    link: Wire
    labels: Labels


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
