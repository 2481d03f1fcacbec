"""What control and its nodes say to each other: commands down, reports up.

A node reports by `POST {control}/internal/nodes/report`, every few seconds and at once when
something happened. Events carry sequence numbers that rise by one within a node's `boot`; the node
sends an event again until control acknowledges it, and control applies each (boot, seq) once.
Control commands a node by `POST {internal_url}/internal/commands`. Both directions carry a bearer
JWT of `TOKEN_LIFETIME_S`, signed with HS256 under the cluster secret that control and its nodes
share, whose audience is the receiver.

Two neighbouring versions may serve one cluster. An event of a type that control does not know is
acknowledged and left alone; a command that a node does not know is answered with status 400, and
control forgets it. Unknown fields are ignored.
"""

from typing import Annotated, get_args

import jwt
import msgspec
from msgspec import Meta, Struct

from sfu.contract.codes import Code
from sfu.contract.ticket import Identifier, Source

TOKEN_LIFETIME_S = 60
CONTROL_AUDIENCE = "parley-control"


Label = Annotated[str, Meta(max_length=64, pattern=r"^[ -~]*$(?!\n)")]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Measure = Annotated[float, Meta(ge=0, le=1e9)]


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what happened on a node. `at` is Unix time in seconds."""

    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    at: float
    room: Identifier


class RoomOpened(Event, frozen=True, kw_only=True, tag="room_opened"):
    """The first peer entered, by a ticket of this epoch; or the room is still here, when that was asked.

    A node that knows of no epochs says 0.
    """

    epoch: Annotated[int, Meta(ge=0)] = 0


class RoomClosed(Event, frozen=True, kw_only=True, tag="room_closed"):
    """The last peer left, or the room was closed by command."""

    code: Code


class PeerEntered(Event, frozen=True, kw_only=True, tag="peer_entered"):
    """A ticket was used, `ticket` being its id; or the peer is still here, when that was asked."""

    peer: Identifier
    ticket: Identifier


class PeerGone(Event, frozen=True, kw_only=True, tag="peer_gone"):
    """A peer left, was removed, or did not come back in time."""

    peer: Identifier
    code: Code


NodeEvent = RoomOpened | RoomClosed | PeerEntered | PeerGone


class LaterEvent(Struct, frozen=True, kw_only=True):
    """An event of a `type` that only a later version knows: its number is taken, and nothing else."""

    type: str
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    at: float
    room: Identifier


class Load(Struct, frozen=True, kw_only=True):
    """How busy a node is. Rates and means are over about a second; `cpu` is a share of one core.

    `fullness` is a share of what the node bears: at 1 it lets nobody in. While `full` it opens no rooms.
    """

    rooms: Count = 0
    peers: Count = 0
    packets_out_per_s: Measure = 0.0
    loop_lag_s: Measure = 0.0
    cpu: Measure = 0.0
    fullness: Annotated[float, Meta(ge=0, le=1)] = 0.0
    full: bool = False


class Report(Struct, frozen=True, kw_only=True):
    """A node's heartbeat and its unacknowledged events, oldest first, each for `events_of` to read.

    `signal_url` is where browsers reach its WebSocket; empty means: the host the page came from, at
    `signal_port`.
    """

    node: Identifier
    boot: Identifier
    signal_url: str = ""
    signal_port: int
    internal_url: str
    region: Label = ""
    version: Label
    draining: bool = False
    load: Load
    events: Annotated[tuple[msgspec.Raw, ...], Meta(max_length=512)] = ()


class ReportReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`acknowledged` is the highest event number applied for the node's boot.

    With `census` control asks which rooms and peers are there: it had taken the node for lost. With
    `moving` it tells a node that drains that another one takes its rooms.
    """

    acknowledged: int
    census: bool = False
    moving: bool = False


class Command(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what control tells a node to do. Repeating a command changes nothing."""


class CloseRoom(Command, frozen=True, kw_only=True, tag="close_room"):
    """Everybody out; the room is gone."""

    room: Identifier


class YieldRoom(Command, frozen=True, kw_only=True, tag="yield_room"):
    """The room has been placed anew, with this epoch: what the node has of an older one ends."""

    room: Identifier
    epoch: Annotated[int, Meta(ge=0)]


class RemovePeer(Command, frozen=True, kw_only=True, tag="remove_peer"):
    """One peer out."""

    room: Identifier
    peer: Identifier


class MutePeer(Command, frozen=True, kw_only=True, tag="mute_peer"):
    """Mute the peer's tracks of one source; the peer may unmute."""

    room: Identifier
    peer: Identifier
    source: Source


class MoveRoom(Command, frozen=True, kw_only=True, tag="move_room"):
    """The room has been placed anew, with this epoch: send its people there; it goes on until they left."""

    room: Identifier
    epoch: Annotated[int, Meta(ge=0)]


class Drain(Command, frozen=True, kw_only=True, tag="drain"):
    """Accept no new rooms. Those that are still here when the deadline, in seconds from now, is over end."""

    deadline_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0


class Undrain(Command, frozen=True, kw_only=True, tag="undrain"):
    """Accept new rooms again."""


RoomCommand = CloseRoom | YieldRoom | MoveRoom | RemovePeer | MutePeer
NodeCommand = RoomCommand | Drain | Undrain


_KNOWN_EVENTS = frozenset(kind.__struct_config__.tag for kind in get_args(NodeEvent))
_event_decoder: msgspec.json.Decoder[NodeEvent] = msgspec.json.Decoder(NodeEvent)
_later_decoder = msgspec.json.Decoder(LaterEvent)


def written(event: NodeEvent) -> msgspec.Raw:
    """Return an event as reports have it."""
    return msgspec.Raw(msgspec.json.encode(event))


def events_of(report: Report) -> list[NodeEvent | LaterEvent]:
    """Return a report's events. Raises `msgspec.ValidationError`."""
    return [_event(text) for text in report.events]


def _event(text: msgspec.Raw) -> NodeEvent | LaterEvent:
    later = _later_decoder.decode(text)
    return _event_decoder.decode(text) if later.type in _KNOWN_EVENTS else later


def sign_token(secret: bytes, *, audience: str, now: float) -> str:
    """Return a bearer token for `audience` (a node's id, or CONTROL_AUDIENCE), good from Unix time `now`."""
    return jwt.encode({"aud": audience, "exp": int(now) + TOKEN_LIFETIME_S}, secret, algorithm="HS256")


def verify_token(token: str, secret: bytes, *, audience: str, now: float) -> bool:
    """Tell whether `token` was signed under `secret` for `audience` and is valid at Unix time `now`."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=audience,
            options={"require": ["exp"], "verify_exp": False},
        )
    except (jwt.InvalidTokenError, UnicodeError):
        return False
    expires = claims["exp"]
    return isinstance(expires, int) and now < expires


report_decoder = msgspec.json.Decoder(Report)
reply_decoder = msgspec.json.Decoder(ReportReply)
command_decoder: msgspec.json.Decoder[NodeCommand] = msgspec.json.Decoder(NodeCommand)
