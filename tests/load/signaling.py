"""A bot's side of the WebSocket: says hello, then keeps the room as the node tells of it."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec

from sfu.contract import signals
from sfu.contract.signals import PeerInfo, SlotLabel, TrackInfo
from tests.load.participant import BotFailed

_MAX_MESSAGE_BYTES = 1 << 20
_WELCOME_S = 10.0
_VIEW_AFTER_S = 0.1


class SignalingFailed(BotFailed):
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
    """One WebSocket with a node: what the room is, what each slot shows, and what this bot wants to see.

    It wants the first videos of others that fit `video_slots`, drawn at `drawn` pixels, and says so anew
    whenever the room changes. `labelled` is called with each new label of a slot.
    """

    def __init__(
        self,
        *,
        audio_slots: int,
        video_slots: int,
        drawn: tuple[int, int],
        labelled: Callable[[SlotLabel], None],
    ) -> None:
        self.room = Room()
        self.me = ""
        self.labels: dict[str, str | None] = {}
        self.ended_because = ""
        self._moves = False
        self._over = asyncio.Event()
        self._audio_slots = audio_slots
        self._video_slots = video_slots
        self._drawn = drawn
        self._labelled = labelled
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listening: asyncio.Task[None] | None = None
        self._viewing: asyncio.Task[None] | None = None

    @property
    def wanted(self) -> list[str]:
        """The ids of the video tracks this bot wants to see."""
        tracks = self.room.tracks_of_others(self.me, "video")
        return [track.id for track in tracks[: self._video_slots]]

    async def open(self, http: aiohttp.ClientSession, url: str, hello: signals.Hello) -> str:
        """Enter the room, say what is wanted, and follow what happens; return the node's answer as SDP.

        Raises SignalingFailed.
        """
        try:
            async with asyncio.timeout(_WELCOME_S):
                socket = await http.ws_connect(url, max_msg_size=_MAX_MESSAGE_BYTES)
                self._socket = socket
                await socket.send_str(signals.encode(hello))
                first = await _hear(socket)
        except TimeoutError as error:
            raise SignalingFailed(f"no welcome within {_WELCOME_S:.0f} s") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise SignalingFailed(f"cannot reach {url}: {error}") from error
        if not isinstance(first, signals.Welcome):
            raise SignalingFailed(f"no welcome but {_told(first)}")
        self.me = first.peer
        self.room = Room.of(first.room)
        self._listening = asyncio.create_task(self._listen(socket), name="signaling")
        await self._view(socket)
        return first.sdp

    async def close(self) -> None:
        """Leave for good. Closing what never opened does nothing."""
        for task in (self._viewing, self._listening):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_str(signals.encode(signals.Leave()))
            await self._socket.close()

    async def over(self) -> bool:
        """Wait until the room moves, and return True; or until signalling ends, and return False."""
        await self._over.wait()
        return self._moves and not self.ended_because

    def unmet(self, pictures: set[str], voices: int) -> str:
        """Return what is missing, as `reason: details`, of `pictures` seen in slots and `voices` heard.

        Due are all wanted videos, and as many voices as there are audio slots or speakers.
        """
        if self.ended_because:
            return f"signalling ended: {self.ended_because}"
        seen = {self.labels.get(mid) for mid in pictures}
        unseen = [track for track in self.wanted if track not in seen]
        if unseen:
            return f"pictures missing: {', '.join(unseen)}"
        due = min(self._audio_slots, len(self.room.tracks_of_others(self.me, "audio")))
        return f"voices missing: {voices} of {due} heard" if voices < due else ""

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            while True:
                self._take(await _hear(socket), socket)
        except SignalingFailed as error:
            self.ended_because = str(error)
            self._over.set()

    def _take(self, message: signals.NodeMessage, socket: aiohttp.ClientWebSocketResponse) -> None:
        match message:
            case signals.Delta():
                self.room.apply(message)
                if self._viewing is None or self._viewing.done():
                    self._viewing = asyncio.create_task(self._view_soon(socket), name="view")
            case signals.Slots(slots=labels):
                for label in labels:
                    self.labels[label.mid] = label.track
                    self._labelled(label)
            case signals.Move():
                self._moves = True
                self._over.set()
            case signals.Refused() | signals.Closed():
                raise SignalingFailed(_told(message))

    async def _view_soon(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Say what is wanted, once for all that changes in a moment."""
        await asyncio.sleep(_VIEW_AFTER_S)
        with contextlib.suppress(ConnectionError):
            await self._view(socket)

    async def _view(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        width, height = self._drawn
        wants = tuple(signals.Want(track=track, width=width, height=height) for track in self.wanted)
        await socket.send_str(signals.encode(signals.View(wants=wants)))


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
