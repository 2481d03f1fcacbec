"""What an offer and its answer agree on, as the node needs it: the plan of one link.

Plain values, equal when they say the same. They know no SDP text; nothing below `signaling` ever
sees any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["audio", "video"]


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec of an m-line under its payload type.

    `name` is canonical (opus, red, VP8, VP9, H264, AV1); `fmtp` is as the client wrote it. Media of
    one codec plays as another's if `name` and `profile` are the same: the profile is empty for
    opus, red and VP8, the number for VP9 and AV1, and "<profile>/<packetization mode>" for H264.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    fmtp: str
    rtx_payload_type: int | None
    feedback: tuple[str, ...]
    profile: str = ""


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """An m-line on which the client sends.

    `codecs` are in the node's order of preference, `extensions` URIs by id, `rids` the accepted
    simulcast layers in the offer's order (empty: no simulcast), `ssrcs` the media SSRCs the offer
    names, each with that of its RTX stream.
    """

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]
    extensions: Mapping[int, str]
    rids: tuple[str, ...]
    ssrcs: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """An m-line on which the client receives. `extensions` are ids by URI; the SSRCs are the node's."""

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]
    extensions: Mapping[str, int]
    ssrc: int
    rtx_ssrc: int | None


@dataclass(frozen=True, slots=True)
class InactivePlan:
    """An m-line that the client keeps for later: agreed on, but nothing flows."""

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The m-line of data channels (RFC 8841): the client's port and largest message (bytes, 0: any)."""

    mid: str
    sctp_port: int
    max_message_size: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """An m-line that was turned down, by the client or by the node; it keeps its place."""

    mid: str | None


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """Everything the node must know of one offer and its answer.

    `session` is the offer's session id and version; `ufrag`, `pwd`, `fingerprints` (hash name,
    value) and `setup` are the client's. `inactive` and `rejected` hold the mids of m-lines that
    carry nothing. `sctp_port` and `max_message_size` (bytes, 0: any) are the client's and mean
    something only if `data` is true.
    """

    session: tuple[str, int]
    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    publish: tuple[PublishPlan, ...]
    slots: tuple[SlotPlan, ...]
    inactive: tuple[str, ...]
    rejected: tuple[str, ...]
    data: bool
    sctp_port: int
    max_message_size: int
