"""What a room needs from the node around it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sfu.congestion.estimate import Settings
from sfu.contract.codes import Code
from sfu.contract.signals import DataMessage, Retry, sentence
from sfu.rtp.transport_cc import SentPackets

if TYPE_CHECKING:
    from sfu.media.layer import Layer
    from sfu.media.track import Track
    from sfu.room.peer import Peer


class Refusal(Exception):
    """A message cannot be acted on, for a reason the client is told."""

    def __init__(self, code: Code, detail: str | None = None) -> None:
        super().__init__(sentence(code, detail))
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Limits:
    """A room's settings. `loudest` is how many microphones each peer hears; 0 means all.

    A lost peer's place is kept for `linger_s`; that of a page that was closed or is reloading, which
    says so (WebSocket code 1001), for `reload_s`.
    """

    max_peers: int = 300
    max_tracks: int = 8
    max_slots: int = 128
    loudest: int = 3
    linger_s: float = 30.0
    reload_s: float = 6.0
    link_timeout_s: float = 20.0
    silent_link_s: float = 8.0
    publisher_max_bps: int = 6_000_000
    downlink: Settings = field(default_factory=Settings)


class Link(Protocol):
    """A peer's encrypted pipe, as `sfu.transport` has it."""

    @property
    def last_heard(self) -> float:
        """Monotonic time of the last authenticated datagram, in seconds."""

    def send_rtp(self, packet: bytes) -> None:
        """Send a packet, in the clear."""

    def send_numbered_rtp(self, packet: bytes) -> None:
        """Send a packet whose first extension element is an empty transport-wide sequence number."""

    def number(self, sent: SentPackets) -> None:
        """Number packets transport-wide, and note in `sent` when each left."""

    def send_rtcp(self, compound: bytes) -> None:
        """Send a compound, in the clear."""

    def send_data(self, label: str, text: str) -> bool:
        """Send text on a data channel; False when it could not be queued."""

    def close(self) -> None:
        """Give up the pipe."""


class Outbox(Protocol):
    """A peer's way out over the WebSocket. Bounded: a client too slow for it is disconnected."""

    def send(self, text: str, sent: Callable[[], None] | None = None) -> None:
        """Queue a message; `sent` is called when it was handed to the socket."""

    def close(self, code: Code, retry: Retry) -> None:
        """Say why, and close the WebSocket after what is queued."""


class Journal(Protocol):
    """Where comings and goings are written down for control."""

    def room_opened(self, room: str, epoch: int) -> None:
        """The first peer is about to enter."""

    def room_closed(self, room: str, code: Code) -> None:
        """Nobody is left."""

    def peer_entered(self, room: str, peer: "Peer") -> None:
        """A peer came."""

    def peer_gone(self, room: str, peer: "Peer", code: Code) -> None:
        """A peer is gone for good."""


class Floor(Protocol):
    """The room as one of its peers sees it. Unix time is monotonic time plus `unix_offset`."""

    unix_offset: float

    def find(self, track: str) -> "Track | None":
        """Return a published track."""

    def layer_appeared(self, layer: "Layer") -> None:
        """A track has one more layer; its first packet follows at once."""

    def layer_awaited(self) -> None:
        """A peer was given a layer that its publisher does not send at present: have it sent."""

    def awaken(self, peer: "Peer") -> None:
        """A peer has something to send with each tick: `Peer.pace` is called until it says otherwise."""

    def peer_ready(self, peer: "Peer") -> None:
        """A peer's link is open: it can be sent media from now on."""

    def connection_changed(self, peer: "Peer") -> None:
        """A peer's link came up or fell silent."""

    def relay(self, sender: "Peer", label: str, message: DataMessage) -> None:
        """Pass a data message on."""
