"""A bot's side of the WebSocket: says hello, then keeps the room as the node tells of it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec

from sfu.contract import signals
from sfu.contract.signals import PeerInfo, SlotLabel, TrackInfo

_MAX_MESSAGE_BYTES = 1 << 20


class SignalingFailed(Exception):
    """The node refused, closed, or said what this bot does not understand."""


@dataclass
class Room:
    """The room as snapshot and deltas tell it."""

    version: int = 0
    peers: dict[str, PeerInfo] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: signals.RoomSnapshot) -> "Room":
        """Return the room of a snapshot."""
        return cls(snapshot.version, {peer.id: peer for peer in snapshot.peers})

    def apply(self, delta: signals.Delta) -> None:
        """Take one step. Raises SignalingFailed if a step is missing, or is about somebody unknown."""
        if delta.version != self.version + 1:
            raise SignalingFailed(f"delta {delta.version} came after version {self.version}")
        self.version = delta.version
        try:
            self._take(delta.change)
        except KeyError as error:
            raise SignalingFailed(f"delta {delta.version} is about {error}, who is not here") from error

    def _take(self, change: signals.RoomChange) -> None:
        match change:
            case signals.PeerJoined(peer=joined):
                self.peers[joined.id] = joined
            case signals.PeerLeft(peer=peer):
                del self.peers[peer]
            case signals.PeerConnection(peer=peer, connected=connected):
                self.peers[peer] = msgspec.structs.replace(self.peers[peer], connected=connected)
            case signals.TrackPublished() | signals.TrackChanged():
                self._set_tracks(change.peer, {**self._tracks(change.peer), change.track.id: change.track})
            case signals.TrackUnpublished(peer=peer, track=gone):
                kept = {id_: track for id_, track in self._tracks(peer).items() if id_ != gone}
                self._set_tracks(peer, kept)

    def tracks_of_others(self, me: str, kind: signals.Kind) -> list[TrackInfo]:
        """Return the unmuted tracks of a kind that others publish, in the order they came."""
        return [
            track
            for peer in self.peers.values()
            if peer.id != me
            for track in peer.tracks
            if track.kind == kind and not track.muted
        ]

    def _tracks(self, peer: str) -> dict[str, TrackInfo]:
        return {track.id: track for track in self.peers[peer].tracks}

    def _set_tracks(self, peer: str, tracks: dict[str, TrackInfo]) -> None:
        self.peers[peer] = msgspec.structs.replace(self.peers[peer], tracks=tuple(tracks.values()))


class Conversation:
    """One WebSocket with a node. `room_changed` and `slots_changed` are called as messages come."""

    def __init__(self) -> None:
        self.room = Room()
        self.welcome: signals.Welcome
        self.speakers: tuple[str, ...] = ()
        self.room_changed: Callable[[], None] = lambda: None
        self.slots_changed: Callable[[tuple[SlotLabel, ...]], None] = lambda _labels: None
        self.ended_because = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(
        self, http: aiohttp.ClientSession, url: str, hello: signals.Hello, timeout_s: float
    ) -> signals.Welcome:
        """Enter the room. Raises SignalingFailed."""
        try:
            async with asyncio.timeout(timeout_s):
                socket = await http.ws_connect(url, max_msg_size=_MAX_MESSAGE_BYTES)
                self._socket = socket
                await self.say(hello)
                first = await _hear(socket)
        except TimeoutError as error:
            raise SignalingFailed(f"no welcome within {timeout_s:.0f} s") from error
        except aiohttp.ClientError as error:
            raise SignalingFailed(f"cannot reach {url}: {error}") from error
        if not isinstance(first, signals.Welcome):
            raise SignalingFailed(f"no welcome but {_told(first)}")
        self.welcome = first
        self.room = Room.of(first.room)
        return first

    def listen(self) -> None:
        """Start to follow what the node says."""
        assert self._socket is not None
        self._listening = asyncio.create_task(self._listen(self._socket), name="signaling")

    async def say(self, message: signals.ClientMessage) -> None:
        """Send a message on the open connection."""
        assert self._socket is not None
        await self._socket.send_str(signals.encode(message))

    async def close(self) -> None:
        """Leave for good. Closing what never opened does nothing."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self.say(signals.Leave())
            await self._socket.close()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            while True:
                self._take(await _hear(socket))
        except SignalingFailed as error:
            self.ended_because = str(error)

    def _take(self, message: signals.NodeMessage) -> None:
        match message:
            case signals.Delta():
                self.room.apply(message)
                self.room_changed()
            case signals.Slots(slots=labels):
                self.slots_changed(labels)
            case signals.Speakers(peers=peers):
                self.speakers = peers
            case signals.Refused() | signals.Closed():
                raise SignalingFailed(_told(message))


def _told(message: signals.NodeMessage) -> str:
    if isinstance(message, signals.Closed | signals.Refused):
        return f"{message.code.value}: {message.message}"
    return type(message).__name__


async def _hear(socket: aiohttp.ClientWebSocketResponse) -> signals.NodeMessage:
    message = await socket.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise SignalingFailed(f"the node closed the WebSocket (code {socket.close_code})")
    try:
        return signals.decode_node(message.data)
    except msgspec.DecodeError as error:
        raise SignalingFailed(f"the node said what is no message: {error}") from error
