"""The signalling protocol: every message a client and its node exchange over the WebSocket.

Messages are JSON objects with a `type`. The client speaks first (`hello`) and makes every offer;
the node answers. Room state reaches the client as one snapshot (`welcome`) and then as deltas, each
of which raises the version by one, so a client can tell that it missed none.

Client and node may be of neighbouring versions: unknown fields are ignored; a client passes over messages
and changes of unknown types (a change raises the version all the same), a node refuses them and goes on.

Identifiers: a peer's id is the one in its ticket; a track's id is `<peer>.<mid>`, the mid being
that of the publisher's m-line; a slot is named by the receiver's mid.
"""

from enum import StrEnum
from functools import partial
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from sfu.contract.codes import SENTENCES, Code
from sfu.contract.ticket import Identifier, Name, Source

PROTOCOL = 1
MAX_SDP = 512 * 1024
MAX_WANTS = 128
MAX_RIDS = 4

Mid = Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[!-~]+$(?!\n)")]
Rid = Annotated[str, Meta(max_length=16, pattern=r"^[A-Za-z0-9_-]*$(?!\n)")]
TrackId = Annotated[str, Meta(min_length=3, max_length=81)]
Sdp = Annotated[str, Meta(min_length=1, max_length=MAX_SDP)]
Pixels = Annotated[int, Meta(ge=0, le=16384)]
Share = Annotated[float, Meta(ge=0, le=1)]
RtpTimestamp = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Kind = Literal["audio", "video"]
Retry = Literal["resume", "join", "none"]


class ClientMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what a client says."""


class PublishedTrack(Struct, frozen=True, kw_only=True):
    """A sending m-line of the offer: what it carries, and the size of its largest layer in pixels."""

    mid: Mid
    source: Source
    muted: bool = False
    width: Pixels = 0
    height: Pixels = 0


class Hello(ClientMessage, frozen=True, kw_only=True, tag="hello"):
    """First message: enter the room with a ticket, or take up a lost connection with a resume token."""

    protocol: int = PROTOCOL
    ticket: Annotated[str, Meta(max_length=4096)] | None = None
    resume: Annotated[str, Meta(max_length=4096)] | None = None
    offer: Sdp
    tracks: Annotated[tuple[PublishedTrack, ...], Meta(max_length=16)] = ()


class Offer(ClientMessage, frozen=True, kw_only=True, tag="offer"):
    """A new offer on the running connection: more slots, another published track, an ICE restart."""

    id: Annotated[int, Meta(ge=0)]
    sdp: Sdp
    tracks: Annotated[tuple[PublishedTrack, ...], Meta(max_length=16)] = ()


class Want(Struct, frozen=True, kw_only=True):
    """One video track the client would show, the size it is drawn at in device pixels, and its rank."""

    track: TrackId
    width: Pixels
    height: Pixels
    priority: Literal["pinned", "screen", "speaker", "grid", "thumbnail"] = "grid"


class View(ClientMessage, frozen=True, kw_only=True, tag="view"):
    """All video the client wants now; what is not named is not sent. Replaces the view before it."""

    wants: Annotated[tuple[Want, ...], Meta(max_length=MAX_WANTS)]


class Mute(ClientMessage, frozen=True, kw_only=True, tag="mute"):
    """Mute or unmute a track the client publishes. While muted, the node forwards none of it."""

    mid: Mid
    muted: bool


class Ping(ClientMessage, frozen=True, kw_only=True, tag="ping"):
    """Answered with a `pong` that carries the same `id`."""

    id: int


class Leave(ClientMessage, frozen=True, kw_only=True, tag="leave"):
    """The client goes for good: nothing lingers."""


ClientSignal = Hello | Offer | View | Mute | Ping | Leave


class NodeMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what a node says."""


class TrackInfo(Struct, frozen=True, kw_only=True):
    """A published track as others see it. Width and height are those of its largest layer, in pixels."""

    id: TrackId
    kind: Kind
    source: Source
    muted: bool
    width: Pixels = 0
    height: Pixels = 0


class PeerInfo(Struct, frozen=True, kw_only=True):
    """A peer as others see it. `connected` is false while its link is lost and the node waits for it."""

    id: Identifier
    name: Name
    user: Identifier | None = None
    connected: bool = True
    tracks: tuple[TrackInfo, ...] = ()


class RoomSnapshot(Struct, frozen=True, kw_only=True):
    """All that is public in a room, at one version. Peers are in the order they came."""

    version: int
    room: Identifier
    peers: tuple[PeerInfo, ...]


class Change(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of one step from a room's version to the next."""


class PeerJoined(Change, frozen=True, kw_only=True, tag="peer_joined"):
    """A peer came; it stands last in the list."""

    peer: PeerInfo


class PeerLeft(Change, frozen=True, kw_only=True, tag="peer_left"):
    """A peer and all its tracks are gone."""

    peer: Identifier
    code: Code


class PeerConnection(Change, frozen=True, kw_only=True, tag="peer_connection"):
    """A peer's connection was lost, or is back."""

    peer: Identifier
    connected: bool


class TrackPublished(Change, frozen=True, kw_only=True, tag="track_published"):
    """A peer publishes one more track; it stands last among the peer's tracks."""

    peer: Identifier
    track: TrackInfo


class TrackChanged(Change, frozen=True, kw_only=True, tag="track_changed"):
    """A track was muted, unmuted or resized; it keeps its place."""

    peer: Identifier
    track: TrackInfo


class TrackUnpublished(Change, frozen=True, kw_only=True, tag="track_unpublished"):
    """A peer stopped publishing a track."""

    peer: Identifier
    track: TrackId


RoomChange = PeerJoined | PeerLeft | PeerConnection | TrackPublished | TrackChanged | TrackUnpublished


class Welcome(NodeMessage, frozen=True, kw_only=True, tag="welcome"):
    """The answer to `hello`: who the client is here, the room, and the answer to its offer.

    `resume` takes the peer's place again within `linger_s` seconds of a lost connection.
    """

    protocol: int = PROTOCOL
    node: Identifier
    peer: Identifier
    resume: str
    linger_s: float
    room: RoomSnapshot
    sdp: Sdp


class Answer(NodeMessage, frozen=True, kw_only=True, tag="answer"):
    """The answer to the `offer` with the same id."""

    id: int
    sdp: Sdp


class Delta(NodeMessage, frozen=True, kw_only=True, tag="delta"):
    """One change to the room; `version` is the version it leads to."""

    version: int
    change: RoomChange


class Speakers(NodeMessage, frozen=True, kw_only=True, tag="speakers"):
    """Ids of the peers who speak now, the most prominent first. Empty when all are silent."""

    peers: tuple[Identifier, ...]


class SlotLabel(Struct, frozen=True, kw_only=True):
    """What a slot shows from now on: a track, or nothing.

    For video, the new source begins at the first frame whose RTP timestamp is not before
    `rtp_timestamp` (modulo 2^32); earlier frames still belong to the label before.
    """

    mid: Mid
    track: TrackId | None
    rtp_timestamp: RtpTimestamp | None = None


class Slots(NodeMessage, frozen=True, kw_only=True, tag="slots"):
    """New labels of some slots; the others keep theirs."""

    slots: tuple[SlotLabel, ...]


class SlotClock(Struct, frozen=True, kw_only=True):
    """When a slot's media was captured: the RTP timestamp at `captured_ms` of its publisher's clock.

    The rest follows by the medium's RTP clock rate. The clock's epoch is the publisher's own.
    """

    mid: Mid
    rtp_timestamp: RtpTimestamp
    captured_ms: float


class Clocks(NodeMessage, frozen=True, kw_only=True, tag="clocks"):
    """Capture times of what some slots show; the others keep theirs. A new label ends a slot's clock.

    All tracks of one peer share a clock, so a client can play sound and picture of one moment together
    in whichever slots they are: it knows by RTP timestamps what plays, and browsers keep sender reports
    to themselves. Sent once known, and again when it has drifted by some milliseconds.
    """

    slots: tuple[SlotClock, ...]


class Encodings(NodeMessage, frozen=True, kw_only=True, tag="encodings"):
    """Which layers of a published video m-line somebody needs; the client does not send the others.

    The layer of a track without simulcast has the empty RID. No RIDs: nobody needs any of it. Replaces
    the message before it. A track begins with all layers needed, and the client keeps what it was told
    over an ICE restart. Told again after a `welcome`: what was under way is lost.
    """

    mid: Mid
    rids: Annotated[tuple[Rid, ...], Meta(max_length=MAX_RIDS)]


class QualityReason(StrEnum):
    """Why a slot gets what it gets."""

    FULL = "full"
    """As large as it is drawn."""
    BANDWIDTH = "bandwidth"
    """More would not fit the receiver's network."""
    SOURCE = "source"
    """The publisher sends nothing better."""
    NO_BANDWIDTH = "no_bandwidth"
    """Not even the least fits the receiver's network: the picture is held back."""
    NOT_SENT = "not_sent"
    """The publisher sends nothing."""


class SlotQuality(Struct, frozen=True, kw_only=True):
    """What a video slot gets of its track: heights in pixels (0: nothing), the share of the frames, and why.

    `wanted_height` is that of the layer it would get with all the bandwidth there is.
    """

    mid: Mid
    track: TrackId
    wanted_height: Pixels
    given_height: Pixels
    frame_share: Share
    reason: QualityReason


class Quality(NodeMessage, frozen=True, kw_only=True, tag="quality"):
    """All video slots that have a track now. Replaces the message before it; a `welcome` begins with none."""

    slots: tuple[SlotQuality, ...]


class Move(NodeMessage, frozen=True, kw_only=True, tag="move"):
    """The room goes on at another node: get a new ticket, as the same peer, and enter it there.

    This stay goes on until the client leaves, or the node must end.
    """


class Pong(NodeMessage, frozen=True, kw_only=True, tag="pong"):
    """The answer to a ping."""

    id: int


class Refused(NodeMessage, frozen=True, kw_only=True, tag="refused"):
    """The client's last message of that type was not acted on. The connection goes on."""

    code: Code
    message: str
    id: int | None = None


class Closed(NodeMessage, frozen=True, kw_only=True, tag="closed"):
    """The node's last message before it closes the WebSocket.

    `retry` tells what can work: `resume` this stay, `join` anew with a new ticket, or `none`.
    """

    code: Code
    message: str
    retry: Retry = "none"


NodeSignal = (
    Welcome
    | Answer
    | Delta
    | Speakers
    | Slots
    | Clocks
    | Encodings
    | Quality
    | Move
    | Pong
    | Refused
    | Closed
)


class DataMessage(Struct, frozen=True, kw_only=True):
    """What a client sends on a data channel: JSON text, to one peer of the room or (None) to all others."""

    topic: Annotated[str, Meta(min_length=1, max_length=32)]
    body: msgspec.Raw = msgspec.field(default_factory=partial(msgspec.Raw, b"null"))
    to: Identifier | None = None


class DataDelivery(Struct, frozen=True, kw_only=True):
    """What the node passes on: the same with the sender's id, which the sender cannot choose.

    The body is never read: it is checked to be JSON, and copied.
    """

    topic: str
    body: msgspec.Raw
    sender: Identifier = msgspec.field(name="from")


DATA_CHANNELS: dict[str, bool] = {"reliable": True, "lossy": False}
"""Labels of the data channels a client may open, and whether each is ordered and reliable."""

_Message = TypeVar("_Message")
_client_decoder: msgspec.json.Decoder[ClientSignal] = msgspec.json.Decoder(ClientSignal)
_node_decoder: msgspec.json.Decoder[NodeSignal] = msgspec.json.Decoder(NodeSignal)
_data_decoder = msgspec.json.Decoder(DataMessage)
_encoder = msgspec.json.Encoder()


def decode_client(text: str | bytes) -> ClientSignal:
    """Return the client's message. Raises `msgspec.DecodeError` (of which ValidationError is one)."""
    return _decode(_client_decoder, text)


def decode_node(text: str | bytes) -> NodeSignal:
    """Return the node's message. Raises `msgspec.DecodeError`."""
    return _decode(_node_decoder, text)


def decode_data(text: str) -> DataMessage:
    """Return what a client sent on a data channel. Raises `msgspec.DecodeError`."""
    return _decode(_data_decoder, text)


def _decode(decoder: msgspec.json.Decoder[_Message], text: str | bytes) -> _Message:
    try:
        return decoder.decode(text)
    except (RecursionError, UnicodeError) as error:
        raise msgspec.DecodeError(str(error)) from error


def encode(message: ClientMessage | NodeMessage) -> str:
    """Return the message as JSON text."""
    return _encoder.encode(message).decode()


def encode_data(delivery: DataDelivery) -> str:
    """Return a data-channel delivery as JSON text."""
    return _encoder.encode(delivery).decode()


def refused(code: Code, *, id: int | None = None, detail: str | None = None) -> Refused:
    """Return a refusal with the code's sentence, and `detail` after it where that helps."""
    return Refused(code=code, message=sentence(code, detail), id=id)


def closed(code: Code, retry: Retry = "none", detail: str | None = None) -> Closed:
    """Return the last message of a connection, with the code's sentence, and `detail` where that helps."""
    return Closed(code=code, message=sentence(code, detail), retry=retry)


def sentence(code: Code, detail: str | None = None) -> str:
    """Return the sentence that explains a code, with `detail` in parentheses."""
    return SENTENCES[code] if detail is None else f"{SENTENCES[code]} ({detail})"
