"""One light participant of a meeting: how it presents itself, what it wants to see, what it got."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from sfu.contract.signals import Hello, PublishedTrack, SlotLabel
from sfu.contract.ticket import Source
from tests.load.light import sdp
from tests.load.light.dtls import Identity
from tests.load.light.link import State
from tests.load.light.pump import Pump
from tests.load.light.reception import AudioReception, Reception, VideoReception
from tests.load.light.rtp import LEVEL_URI, MID_URI, RID_URI, TRANSPORT_CC_URI
from tests.load.light.sdp import EXTENSION_IDS, Data, Sending, Slot
from tests.load.light.sources import AudioStream, Layer, Stream, VideoStream
from tests.load.light.traffic import Traffic
from tests.load.participant import Tally
from tests.load.signaling import Conversation, SignalingFailed

SIMULCAST = (
    Layer(320, 180, 1, 750, rid="q"),
    Layer(640, 360, 3, 800, rid="h"),
    Layer(1280, 720, 6, 1000, rid="f"),
)
"""About 150, 480 and 1200 kbit/s at 25 frames a second, like a browser's camera."""

_CONNECT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a bot sends and how many slots it has; the default is the page's.

    `camera` is empty, one layer, or simulcast layers with rids; `microphone` gives the audio level in
    -dBov for a time, None sends no audio; it may be `muted` to others. `transport_cc` numbers packets both
    ways, and tells of arrivals.
    `drawn` is the size in pixels the bot asks for every video.
    """

    camera: tuple[Layer, ...] = SIMULCAST
    microphone: Callable[[float], int] | None = None
    muted: bool = False
    microphone_bytes: int = 100
    audio_slots: int = 3
    video_slots: int = 9
    rtx: bool = True
    transport_cc: bool = True
    drawn: tuple[int, int] = (640, 360)
    data: bool = False


ReceptionOf = Callable[[str, int, Traffic], Reception]
"""Makes what takes a slot's packets, of its kind, its SSRC, and the traffic it belongs to."""


@dataclass(frozen=True)
class _Line:
    """A sending m-line, with the streams on it and how it is announced."""

    section: Sending
    streams: tuple[Stream, ...]
    track: PublishedTrack


class LightBot:
    """Call `join`, later `leave`. What it received is in `slots`, by mid."""

    def __init__(
        self, pump: Pump, identity: Identity, shape: Shape, reception_of: ReceptionOf | None = None
    ) -> None:
        self.first_picture_at = None  # a light bot decodes nothing
        self.slots: dict[str, Reception] = {}
        self._shape = shape
        self._lines = tuple(_lines(shape))
        self._reception_of = reception_of or watch
        streams = [stream for line in self._lines for stream in line.streams]
        self.traffic = Traffic(pump, identity, streams)
        self.conversation = Conversation(
            audio_slots=shape.audio_slots,
            video_slots=shape.video_slots,
            drawn=shape.drawn,
            labelled=self._label,
        )

    async def join(
        self, http: aiohttp.ClientSession, url: str, ticket: str, send_after_s: float = 0.0
    ) -> None:
        """Enter the room and connect; media is sent from `send_after_s` later on.

        Raises BotFailed.
        """
        hello = Hello(ticket=ticket, offer=self._offer(), tracks=tuple(line.track for line in self._lines))
        text = await self.conversation.open(http, url, hello)
        try:
            answer = sdp.parse(text)
        except ValueError as error:
            raise SignalingFailed(str(error)) from error
        self._lay_slots(answer)
        self._agree_on_numbers(answer)
        self.traffic.link.connect(answer, "client")
        await self.traffic.link.wait_connected(_CONNECT_S)
        self.traffic.begin(time.monotonic() + send_after_s)

    async def leave(self) -> None:
        """Leave the room. Leaving what was never entered does nothing."""
        await self.conversation.close()
        self.traffic.close()

    @property
    def first_media_at(self) -> float | None:
        """When the first packet came to any slot, in monotonic seconds."""
        arrivals = [slot.first_at for slot in self.slots.values() if slot.first_at is not None]
        return min(arrivals, default=None)

    def tally(self) -> Tally:
        """Return what was counted so far."""
        now = time.monotonic()
        slots = tuple(self.slots.values())
        played = [slot for slot in slots if isinstance(slot, AudioReception | VideoReception)]
        videos = [slot for slot in played if isinstance(slot, VideoReception)]
        pauses = [slot.continuity.so_far(now) for slot in played]
        return Tally(
            packets_in=sum(slot.packets for slot in slots),
            bytes_in=sum(slot.bytes for slot in slots),
            bytes_out=self.traffic.link.sent_bytes,
            expected=sum(slot.expected for slot in slots),
            lost=sum(slot.gone for slot in slots),
            recovered=sum(slot.recovered for slot in slots),
            nacks=self.traffic.nacks_sent,
            key_frames=sum(video.key_frames for video in videos),
            frames=sum(video.continuity.renewals for video in videos),
            freezes=sum(freezes for freezes, _ in pauses),
            frozen_s=sum(frozen_s for _, frozen_s in pauses),
        )

    def missing(self) -> str:
        """Return what should have come and did not, or came and should not have, as `reason: details`."""
        if self.traffic.link.state is not State.CONNECTED:
            return f"the link ended: {self.traffic.link.ended_because}"
        if self.traffic.strangers:
            return f"strange packets: {self.traffic.strangers} of streams the answer did not name"
        pictures = {mid for mid, slot in self.slots.items() if _shown(slot)}
        voices = sum(isinstance(slot, AudioReception) and slot.packets > 0 for slot in self.slots.values())
        return self.conversation.unmet(pictures, voices)

    def _offer(self) -> str:
        first_slot = len(self._lines)
        audio = range(first_slot, first_slot + self._shape.audio_slots)
        video = range(audio.stop, audio.stop + self._shape.video_slots)
        numbers = _numbers(self._shape)
        sections: list[Sending | Slot | Data] = [
            *(line.section for line in self._lines),
            *(Slot("audio", str(mid), extensions=numbers) for mid in audio),
            *(Slot("video", str(mid), rtx=self._shape.rtx, extensions=numbers) for mid in video),
            *([Data(str(video.stop))] if self._shape.data else []),
        ]
        return sdp.offer(self.traffic.link.credentials, sections)

    def _lay_slots(self, answer: sdp.Description) -> None:
        for section in answer.sections:
            if section.direction == "sendonly" and section.accepted:
                if not section.ssrcs:
                    raise SignalingFailed(f"the slot {section.mid} has no SSRC")
                ssrc = section.ssrcs[0]
                reception = self._reception_of(section.kind, ssrc, self.traffic)
                self.slots[section.mid] = reception
                self.traffic.expect(reception, section.repairs.get(ssrc))

    def _agree_on_numbers(self, answer: sdp.Description) -> None:
        """Number what is sent, and acknowledge what comes, where the answer has it."""
        numbered = {section.mid for section in answer.sections if TRANSPORT_CC_URI in section.extensions}
        extension_id = EXTENSION_IDS[TRANSPORT_CC_URI]
        for line in self._lines:
            if line.section.mid in numbered:
                for stream in line.streams:
                    stream.number(extension_id)
        if not numbered.isdisjoint(self.slots):
            self.traffic.acknowledge(extension_id)

    def _label(self, label: SlotLabel) -> None:
        reception = self.slots.get(label.mid)
        if isinstance(reception, AudioReception | VideoReception):
            reception.continuity.label(label.track is not None, time.monotonic())


def _shown(slot: Reception) -> bool:
    return isinstance(slot, VideoReception) and slot.continuity.renewals > 0


def watch(kind: str, ssrc: int, traffic: Traffic) -> Reception:
    """Return the reception that judges whether a slot could be played."""
    return AudioReception(ssrc) if kind == "audio" else VideoReception(ssrc, traffic.link.unprotect)


def _lines(shape: Shape) -> Iterable[_Line]:
    """Make the sending m-lines, microphone first, with mids from 0."""
    mid = 0
    if shape.microphone is not None:
        stream = AudioStream(
            level=shape.microphone,
            level_extension=EXTENSION_IDS[LEVEL_URI],
            packet_bytes=shape.microphone_bytes,
        )
        extensions = (LEVEL_URI, *_numbers(shape))
        section = Sending("audio", str(mid), ssrc=stream.ssrc, extensions=extensions)
        yield _Line(
            section, (stream,), PublishedTrack(mid=str(mid), source=Source.MICROPHONE, muted=shape.muted)
        )
        mid += 1
    if shape.camera:
        yield _camera(str(mid), shape.camera, _numbers(shape))


def _numbers(shape: Shape) -> tuple[str, ...]:
    return (TRANSPORT_CC_URI,) if shape.transport_cc else ()


def _camera(mid: str, layers: tuple[Layer, ...], extensions: tuple[str, ...]) -> _Line:
    rids = tuple(layer.rid for layer in layers if layer.rid is not None)
    options: dict[str, Any] = {}
    if rids:
        streams = tuple(
            VideoStream(
                layer,
                {EXTENSION_IDS[MID_URI]: mid.encode(), EXTENSION_IDS[RID_URI]: str(layer.rid).encode()},
            )
            for layer in layers
        )
        options = {"rids": rids}
        extensions = (MID_URI, RID_URI, *extensions)
    else:
        streams = (VideoStream(layers[0]),)
        options = {"ssrc": streams[0].ssrc}
    largest = layers[-1]
    track = PublishedTrack(mid=mid, source=Source.CAMERA, width=largest.width, height=largest.height)
    return _Line(Sending("video", mid, extensions=extensions, **options), streams, track)
