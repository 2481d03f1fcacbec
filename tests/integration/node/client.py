"""An aiortc client of the node: one RTCPeerConnection, a WebSocket, the messages of the contract."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import aiohttp
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from sfu.contract import signals
from sfu.contract.signals import NodeSignal, PublishedTrack
from sfu.contract.ticket import Source

Message = TypeVar("Message")


class Client:
    """Joins with a ticket; keeps what the node says in `messages` and what arrives in `received`."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.messages: list[NodeSignal] = []
        self.received: list[MediaStreamTrack] = []
        self.texts: list[tuple[str, str]] = []
        self.channels: dict[str, RTCDataChannel] = {}
        self.close_code: int | None = None
        self._http = http
        self._url = url
        self._headers = headers
        self._changed = asyncio.Condition()
        self._sources: list[tuple[Any, Source]] = []
        self._reader: asyncio.Task[None] | None = None
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.pc.on("track", self.received.append)

    def publish(self, track: MediaStreamTrack, source: Source) -> None:
        """Add a sending m-line, before `join` or before a further offer."""
        self._sources.append((self.pc.addTransceiver(track, direction="sendonly"), source))

    def add_slots(self, audio: int, video: int) -> None:
        """Add receiving m-lines."""
        for kind, count in (("audio", audio), ("video", video)):
            for _ in range(count):
                self.pc.addTransceiver(kind, direction="recvonly")

    def open_channels(self) -> None:
        """Open both data channels."""
        for label, reliable in signals.DATA_CHANNELS.items():
            channel = self.pc.createDataChannel(
                label, ordered=reliable, maxRetransmits=None if reliable else 0
            )
            channel.on("message", lambda text, label=label: self.texts.append((label, text)))
            self.channels[label] = channel

    async def offer(self) -> tuple[str, tuple[PublishedTrack, ...]]:
        """Return the local description and what its sending m-lines carry."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        tracks = tuple(PublishedTrack(mid=t.mid, source=source, height=480) for t, source in self._sources)
        return self.pc.localDescription.sdp, tracks

    async def connect(self) -> None:
        """Open the WebSocket and begin to read it."""
        self.socket = await self._http.ws_connect(
            f"{self._url}/signal", max_msg_size=0, headers=self._headers
        )
        self._reader = asyncio.create_task(self._read(self.socket))

    async def join(self, ticket: str | None = None, *, resume: str | None = None) -> signals.Welcome:
        """Say hello and take the answer."""
        sdp, tracks = await self.offer()
        await self.connect()
        await self.send(signals.Hello(ticket=ticket, resume=resume, offer=sdp, tracks=tracks))
        welcome = await self.expect(signals.Welcome)
        await self.answered(welcome)
        return welcome

    async def answered(self, welcome: signals.Welcome) -> None:
        """Take the answer to the first offer."""
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=welcome.sdp, type="answer"))

    async def send(self, message: signals.ClientMessage) -> None:
        """Send a message."""
        assert self.socket is not None
        await self.socket.send_str(signals.encode(message))

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            message = signals.decode_node(frame.data)
            async with self._changed:
                self.messages.append(message)
                self._changed.notify_all()
        self.close_code = socket.close_code

    async def expect(
        self, kind: type[Message], where: Callable[[Message], bool] = lambda _: True, timeout_s: float = 15
    ) -> Message:
        """Return the first message of a kind that fits, waiting for it if need be."""

        def found() -> Message | None:
            return next((each for each in self.messages if isinstance(each, kind) and where(each)), None)

        async with self._changed:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait_for(lambda: found() is not None)
        message = found()
        assert message is not None
        return message

    def receivers(self, kind: str) -> list[RTCRtpReceiver]:
        """Return the receivers of one kind."""
        return [t.receiver for t in self.pc.getTransceivers() if t.kind == kind and t.direction == "recvonly"]

    async def drop(self) -> None:
        """Lose the WebSocket without a word."""
        assert self.socket is not None
        await self.socket.close()

    async def close(self) -> None:
        """End everything."""
        if self.socket is not None:
            await self.socket.close()
        if self._reader is not None:
            await self._reader
        await self.pc.close()
