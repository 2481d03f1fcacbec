"""One light participant of a meeting: how it presents itself, what it wants to see, what it got."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from sfu.contract.signals import Hello, PublishedTrack, SlotLabel, View, Want
from sfu.contract.ticket import Source
from tests.load.light import sdp
from tests.load.light.dtls import Identity
from tests.load.light.link import LinkFailed
from tests.load.light.pump import Pump
from tests.load.light.reception import AudioReception, Reception, VideoReception
from tests.load.light.rtp import LEVEL_URI, MID_URI, RID_URI
from tests.load.light.sdp import EXTENSION_IDS, Data, Sending, Slot
from tests.load.light.sources import AudioStream, Layer, Stream, VideoStream
from tests.load.light.traffic import Traffic
from tests.load.signaling import Conversation, SignalingFailed

SIMULCAST = (
    Layer(320, 180, 1, 750, rid="q"),
    Layer(640, 360, 3, 800, rid="h"),
    Layer(1280, 720, 6, 1000, rid="f"),
)
"""About 150, 480 and 1200 kbit/s at 25 frames a second, like a browser's camera."""

_STEP_S = 10.0
_VIEW_AFTER_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a bot sends and how many slots it has; the default is the page's.

    `camera` is empty, one layer, or simulcast layers with rids; `microphone` gives the audio level in
    -dBov for a time, None sends no audio. `drawn` is the size in pixels the bot asks for every video.
    """

    camera: tuple[Layer, ...] = SIMULCAST
    microphone: Callable[[float], int] | None = None
    microphone_bytes: int = 100
    audio_slots: int = 3
    video_slots: int = 9
    rtx: bool = True
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
    """Call `join`, later `leave`. What it received is in `traffic`, by slot in `slots`."""

    def __init__(
        self,
        pump: Pump,
        identity: Identity,
        shape: Shape,
        reception_of: ReceptionOf | None = None,
    ) -> None:
        self.shape = shape
        self.slots: dict[str, Reception] = {}
        self.labels: dict[str, str | None] = {}
        self.conversation = Conversation()
        self._lines = tuple(_lines(shape))
        self._reception_of = reception_of or watch
        self._viewing: asyncio.Task[None] | None = None
        streams = [stream for line in self._lines for stream in line.streams]
        self.traffic = Traffic(pump, identity, streams)

    async def join(
        self, http: aiohttp.ClientSession, url: str, ticket: str, send_after_s: float = 0.0
    ) -> None:
        """Enter the room and connect; media is sent from `send_after_s` later on.

        Raises SignalingFailed or LinkFailed.
        """
        hello = Hello(ticket=ticket, offer=self._offer(), tracks=tuple(line.track for line in self._lines))
        welcome = await self.conversation.open(http, url, hello, _STEP_S)
        try:
            answer = sdp.parse(welcome.sdp)
        except ValueError as error:
            raise SignalingFailed(str(error)) from error
        self._lay_slots(answer)
        self.conversation.room_changed = self._look
        self.conversation.slots_changed = self._label
        self.conversation.listen()
        self.traffic.link.connect(answer, "client")
        await self._send_view()
        await self.traffic.link.wait_connected(_STEP_S)
        self.traffic.begin(time.monotonic() + send_after_s)

    async def leave(self) -> None:
        """Leave the room. Leaving what was never entered does nothing."""
        if self._viewing is not None:
            self._viewing.cancel()
            await asyncio.wait([self._viewing])
        await self.conversation.close()
        self.traffic.close()

    def _offer(self) -> str:
        first_slot = len(self._lines)
        audio = range(first_slot, first_slot + self.shape.audio_slots)
        video = range(audio.stop, audio.stop + self.shape.video_slots)
        sections: list[Sending | Slot | Data] = [
            *(line.section for line in self._lines),
            *(Slot("audio", str(mid)) for mid in audio),
            *(Slot("video", str(mid), rtx=self.shape.rtx) for mid in video),
            *([Data(str(video.stop))] if self.shape.data else []),
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

    def _look(self) -> None:
        """Ask for the others' videos shortly, once for all that changes until then."""
        if self._viewing is None or self._viewing.done():
            self._viewing = asyncio.create_task(self._view_soon(), name="view")

    async def _view_soon(self) -> None:
        await asyncio.sleep(_VIEW_AFTER_S)
        await self._send_view()

    async def _send_view(self) -> None:
        width, height = self.shape.drawn
        wants = tuple(Want(track=track, width=width, height=height) for track in self.wanted_video)
        with contextlib.suppress(ConnectionError):
            await self.conversation.say(View(wants=wants))

    @property
    def wanted_video(self) -> list[str]:
        """The ids of the tracks this bot wants to see: the first of others that fit its slots."""
        me = self.conversation.welcome.peer
        tracks = self.conversation.room.tracks_of_others(me, "video")
        return [track.id for track in tracks[: self.shape.video_slots]]

    def _label(self, labels: tuple[SlotLabel, ...]) -> None:
        now = time.monotonic()
        for label in labels:
            self.labels[label.mid] = label.track
            reception = self.slots.get(label.mid)
            if isinstance(reception, AudioReception | VideoReception):
                if label.track is None:
                    reception.continuity.hide(now)
                else:
                    reception.continuity.show(now)


def watch(kind: str, ssrc: int, traffic: Traffic) -> Reception:
    """Return the reception that judges whether a slot could be played."""
    return AudioReception(ssrc) if kind == "audio" else VideoReception(ssrc, traffic.link.unprotect)


def count(_kind: str, ssrc: int, _traffic: Traffic) -> Reception:
    """Return the cheapest reception, which only counts."""
    return Reception(ssrc)


def _lines(shape: Shape) -> Iterable[_Line]:
    """Make the sending m-lines, microphone first, with mids from 0."""
    mid = 0
    if shape.microphone is not None:
        stream = AudioStream(
            level=shape.microphone,
            level_extension=EXTENSION_IDS[LEVEL_URI],
            packet_bytes=shape.microphone_bytes,
        )
        section = Sending("audio", str(mid), ssrc=stream.ssrc, extensions=(LEVEL_URI,))
        yield _Line(section, (stream,), PublishedTrack(mid=str(mid), source=Source.MICROPHONE))
        mid += 1
    if shape.camera:
        yield _camera(str(mid), shape.camera)


def _camera(mid: str, layers: tuple[Layer, ...]) -> _Line:
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
        options = {"rids": rids, "extensions": (MID_URI, RID_URI)}
    else:
        streams = (VideoStream(layers[0]),)
        options = {"ssrc": streams[0].ssrc}
    largest = layers[-1]
    track = PublishedTrack(mid=mid, source=Source.CAMERA, width=largest.width, height=largest.height)
    return _Line(Sending("video", mid, **options), streams, track)


__all__ = ["SIMULCAST", "LightBot", "LinkFailed", "Shape", "count", "watch"]
