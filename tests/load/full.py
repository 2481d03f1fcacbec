"""One participant with a whole media stack: an aiortc peer connection, data channels and all.

It sends what `clip` encoded beforehand, and its receivers put frames together without decoding them,
unless asked to. It rests on a few private names of aiortc and aioice, all in this module.

Under loss its freezes say more of aiortc than of the node: aiortc asks for a missing packet only when it
misses another, and its jitter buffer waits 512 packets before it gives one up. Light bots judge as
browsers do.
"""

import asyncio
import asyncio.selector_events
import contextlib
import queue
import threading
import time
from fractions import Fraction
from typing import Any

import aiohttp
import aioice.ice
import aiortc.rtcrtpreceiver
import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from sfu.contract.signals import DATA_CHANNELS, Hello, PublishedTrack, SlotLabel
from sfu.contract.ticket import Source
from tests.load import clip
from tests.load.clip import Clip
from tests.load.light import sdp
from tests.load.light.reception import Continuity, Reception
from tests.load.participant import BotFailed, Tally
from tests.load.signaling import Conversation

_CONNECT_S = 15.0
_MAX_DATAGRAM_BYTES = 2048
_AUDIO_SLOTS, _VIDEO_SLOTS = 3, 9
_CLIP_CODECS = ("video/VP8", "video/rtx")
_DRAWN = (clip.WIDTH, clip.HEIGHT)


class ClipTrack(MediaStreamTrack):
    """Plays a clip without end, in real time; jumps to a key frame when one is wanted."""

    def __init__(self, source: Clip) -> None:
        super().__init__()
        self.kind = source.kind
        self._clip = source
        self._next = 0
        self._sent = 0
        self._began_at = time.monotonic()
        self.sent_bytes = 0

    async def recv(self) -> "av.Packet[Any]":
        """Return the next frame when it is due."""
        due = self._began_at + float(self._sent * self._clip.duration)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        unit = self._clip.units[self._next]
        packet = av.Packet(unit.data)
        packet.pts, packet.time_base = self._sent, Fraction(self._clip.duration)
        self._next = (self._next + 1) % len(self._clip.units)
        self._sent += 1
        self.sent_bytes += len(unit.data)
        return packet

    def want_key_frame(self) -> None:
        """Go on at the next key frame of the clip."""
        while not self._clip.units[self._next].key:
            self._next = (self._next + 1) % len(self._clip.units)


def _pass_on(
    loop: asyncio.AbstractEventLoop,
    input_q: "queue.Queue[Any]",
    output_q: "asyncio.Queue[Any]",
    decode_error: threading.Event,
) -> None:
    """Stand in for aiortc's decoder thread: hand over encoded frames as they are."""
    while (task := input_q.get()) is not None:
        asyncio.run_coroutine_threadsafe(output_q.put(task[1]), loop)
    asyncio.run_coroutine_threadsafe(output_q.put(None), loop)


class _Slot:
    """A receiving m-line: counts what comes in, and plays it.

    Counting stands in front of aiortc's own handling of a packet, which goes on as it would.
    """

    def __init__(self, kind: str, receiver: RTCRtpReceiver) -> None:
        self.kind = kind
        self.continuity = Continuity()
        self.reception: Reception | None = None
        self.nacks = 0
        self.first_frame_at: float | None = None
        self._repairs: int | None = None
        self._receiver = receiver
        self._playing: asyncio.Task[None] | None = None
        self._handle = receiver._handle_rtp_packet
        self._ask = receiver._send_rtcp_nack
        receiver._handle_rtp_packet = self._count  # type: ignore[method-assign]
        receiver._send_rtcp_nack = self._count_nack  # type: ignore[method-assign]

    def expect(self, section: sdp.Section) -> None:
        """Learn the slot's SSRCs from the node's answer."""
        if section.ssrcs:
            self.reception = Reception(section.ssrcs[0])
            self._repairs = section.repairs.get(section.ssrcs[0])

    def play(self) -> None:
        """Start to play: the track is there once the answer is set."""
        self._playing = asyncio.create_task(self._play(self._receiver.track), name="slot")

    async def close(self) -> None:
        """Stop playing."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.wait([self._playing])

    async def _count(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        now = time.monotonic()
        if self.reception is not None:
            if packet.ssrc == self.reception.ssrc:
                self.reception.count(len(packet.payload), packet.sequence_number, now)
            elif packet.ssrc == self._repairs and len(packet.payload) > 2:
                original = int.from_bytes(packet.payload[:2], "big")
                self.reception.count(len(packet.payload), original, now)
        await self._handle(packet, arrival_time_ms)

    async def _count_nack(self, media_ssrc: int, lost: list[int]) -> None:
        self.nacks += len(lost)
        await self._ask(media_ssrc, lost)

    async def _play(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                now = time.monotonic()
                self.first_frame_at = self.first_frame_at or now
                self.continuity.renew(now)


class FullBot:
    """Call `join`, later `leave`. `decode` decodes everything that comes; otherwise nothing is.

    A `muted` microphone sends, but others do not get it.
    """

    def __init__(self, *, microphone: bool, muted: bool, camera: bool, decode: bool) -> None:
        self._decode = decode
        self._muted = muted
        self._sources = [Source.MICROPHONE] * microphone + [Source.CAMERA] * camera
        self._slots: dict[str, _Slot] = {}
        self._tracks: list[ClipTrack] = []
        self._channels: list[RTCDataChannel] = []
        self._settled = asyncio.Event()
        self._connection: RTCPeerConnection | None = None
        self.conversation = Conversation(
            audio_slots=_AUDIO_SLOTS, video_slots=_VIDEO_SLOTS, drawn=_DRAWN, labelled=self._label
        )

    async def join(self, http: aiohttp.ClientSession, url: str, ticket: str) -> None:
        """Enter the room and connect. Raises BotFailed."""
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        connection = self._connection = RTCPeerConnection(configuration)
        connection.on("connectionstatechange", self._state_changed)
        sending = [(source, self._send(connection, source)) for source in self._sources]
        receiving = [
            connection.addTransceiver(kind, direction="recvonly")
            for kind in ["audio"] * _AUDIO_SLOTS + ["video"] * _VIDEO_SLOTS
        ]
        self._channels = [
            connection.createDataChannel(label, ordered=reliable, maxRetransmits=None if reliable else 0)
            for label, reliable in DATA_CHANNELS.items()
        ]
        await connection.setLocalDescription(await connection.createOffer())
        self._slots = {str(each.mid): _Slot(each.kind, each.receiver) for each in receiving}
        offer = connection.localDescription.sdp
        tracks = tuple(self._published(source, str(each.mid)) for source, each in sending)
        answer = await self.conversation.open(http, url, Hello(ticket=ticket, offer=offer, tracks=tracks))
        for section in sdp.parse(answer).sections:
            if section.mid in self._slots:
                self._slots[section.mid].expect(section)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        for slot in self._slots.values():
            slot.play()
        await self._wait_connected(connection)

    async def leave(self) -> None:
        """Leave the room. Leaving what was never entered does nothing."""
        await self.conversation.close()
        if self._connection is not None:
            await self._connection.close()
        for slot in self._slots.values():
            await slot.close()

    @property
    def first_media_at(self) -> float | None:
        """When the first packet came to any slot, in monotonic seconds."""
        arrivals = [each.first_at for each in self._receptions if each.first_at is not None]
        return min(arrivals, default=None)

    @property
    def first_picture_at(self) -> float | None:
        """When the first picture was decoded, in monotonic seconds; None if nothing is decoded."""
        if not self._decode:
            return None
        pictures = [slot.first_frame_at for slot in self._slots.values() if slot.kind == "video"]
        return min((at for at in pictures if at is not None), default=None)

    def tally(self) -> Tally:
        """Return what was counted so far; bytes are of payloads."""
        now = time.monotonic()
        slots, receptions = tuple(self._slots.values()), self._receptions
        pauses = [slot.continuity.so_far(now) for slot in slots]
        return Tally(
            packets_in=sum(each.packets for each in receptions),
            bytes_in=sum(each.bytes for each in receptions),
            bytes_out=sum(track.sent_bytes for track in self._tracks),
            expected=sum(each.expected for each in receptions),
            lost=sum(each.gone for each in receptions),
            recovered=sum(each.recovered for each in receptions),
            nacks=sum(slot.nacks for slot in slots),
            frames=sum(slot.continuity.renewals for slot in slots if slot.kind == "video"),
            freezes=sum(freezes for freezes, _ in pauses),
            frozen_s=sum(frozen_s for _, frozen_s in pauses),
        )

    def missing(self) -> str:
        """Return what should have come and did not."""
        assert self._connection is not None
        if self._connection.connectionState != "connected":
            return f"the connection is {self._connection.connectionState}"
        closed = [channel.label for channel in self._channels if channel.readyState != "open"]
        if closed:
            return f"data channels not open: {', '.join(closed)}"
        played = {mid for mid, slot in self._slots.items() if slot.continuity.renewals}
        pictures = {mid for mid in played if self._slots[mid].kind == "video"}
        return self.conversation.unmet(pictures, len(played - pictures))

    @property
    def _receptions(self) -> list[Reception]:
        return [slot.reception for slot in self._slots.values() if slot.reception is not None]

    def _send(self, connection: RTCPeerConnection, source: Source) -> RTCRtpTransceiver:
        track = ClipTrack(clip.picture() if source is Source.CAMERA else clip.sound())
        self._tracks.append(track)
        transceiver = connection.addTransceiver(track, direction="sendonly")
        transceiver.sender._send_keyframe = track.want_key_frame  # type: ignore[method-assign]
        if track.kind == "video":  # the clip is VP8, whatever else aiortc could encode
            codecs = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([each for each in codecs if each.mimeType in _CLIP_CODECS])
        return transceiver

    async def _wait_connected(self, connection: RTCPeerConnection) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), _CONNECT_S)
        if connection.connectionState != "connected":
            raise BotFailed(f"still {connection.connectionState} after {_CONNECT_S:.0f} s")

    def _state_changed(self) -> None:
        assert self._connection is not None
        if self._connection.connectionState in {"connected", "failed", "closed"}:
            self._settled.set()

    def _published(self, source: Source, mid: str) -> PublishedTrack:
        if source is Source.CAMERA:
            return PublishedTrack(mid=mid, source=source, width=clip.WIDTH, height=clip.HEIGHT)
        return PublishedTrack(mid=mid, source=source, muted=self._muted)

    def _label(self, label: SlotLabel) -> None:
        slot = self._slots.get(label.mid)
        if slot is not None:
            slot.continuity.label(label.track is not None, time.monotonic())


def prepare(*, decode: bool) -> None:
    """Encode the clips, and make aiortc fit for many bots: once, before the first is made."""
    clip.picture()
    clip.sound()
    _gather_loopback_too()
    if not decode:
        aiortc.rtcrtpreceiver.decoder_worker = _pass_on
    # asyncio would read every datagram into a fresh buffer of 256 KiB.
    transport: Any = asyncio.selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]
    transport.max_size = _MAX_DATAGRAM_BYTES


def _gather_loopback_too() -> None:
    """Offer 127.0.0.1 as well, which aioice leaves out: a machine may have no other address."""
    gather = aioice.ice.get_host_addresses

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        found: list[str] = gather(use_ipv4, use_ipv6)
        return list(dict.fromkeys([*found, "127.0.0.1"]))

    aioice.ice.get_host_addresses = addresses
