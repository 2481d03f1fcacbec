"""What this node can do with an offer, as data: change the data and every answer follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfu.signaling import extensions
from sfu.signaling.plan import Kind
from sfu.signaling.sdp import Limits


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Codecs, feedback, header extensions and limits of all links of a node.

    `codecs` are in the order of preference, `feedback` the values of a=rtcp-fb worth accepting,
    `extensions` the known URIs (others pass through). Transport-wide congestion control is its
    feedback (transport-cc) and its extension, on together or off together: a browser that
    negotiated it and gets no feedback stays at its start bitrate. `most_rids` and `most_ssrcs` are
    limits per m-line; `max_message_size`, in bytes, is that of data channel messages from the client.
    """

    codecs: Mapping[Kind, tuple[str, ...]]
    feedback: Mapping[Kind, frozenset[str]]
    extensions: Mapping[str, extensions.Use]
    most_rids: int = 4
    most_ssrcs: int = 16
    max_message_size: int = 16 * 1024
    limits: Limits = field(default_factory=Limits)


DEFAULT = Capabilities(
    codecs={"audio": ("opus", "red"), "video": ("VP8", "VP9", "H264", "AV1")},
    feedback={
        "audio": frozenset({"transport-cc"}),
        "video": frozenset({"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"}),
    },
    extensions=extensions.KNOWN,
)
