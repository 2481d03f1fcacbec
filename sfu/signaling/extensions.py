"""RTP header extensions: which the node accepts where, and why (RFC 8285, extmap in SDP).

An extension that is not in the table passes through: it is accepted wherever it is offered, and the
forwarding path carries it from publisher to slot, mapping ids by URI. The table holds those the node
itself reads or writes, and those that would mislead a receiver who is not the publisher's only peer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sfu.signaling.sdp import Section, number

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
CSRC_AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:csrc-audio-level"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ENCRYPT = "urn:ietf:params:rtp-hdrext:encrypt"
TRANSMISSION_OFFSET = "urn:ietf:params:rtp-hdrext:toffset"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_WEBRTC = "http://www.webrtc.org/experiments/rtp-hdrext/"
TRANSPORT_CC_02 = _WEBRTC + "transport-wide-cc-02"
ABS_SEND_TIME = _WEBRTC + "abs-send-time"
ABS_CAPTURE_TIME = _WEBRTC + "abs-capture-time"
PLAYOUT_DELAY = _WEBRTC + "playout-delay"
COLOR_SPACE = _WEBRTC + "color-space"
VIDEO_CONTENT_TYPE = _WEBRTC + "video-content-type"
VIDEO_TIMING = _WEBRTC + "video-timing"
VIDEO_LAYERS_ALLOCATION = _WEBRTC + "video-layers-allocation00"
GENERIC_FRAME_DESCRIPTOR = _WEBRTC + "generic-frame-descriptor-00"
GENERIC_FRAME_DESCRIPTOR_01 = _WEBRTC + "generic-frame-descriptor-01"
DEPENDENCY_DESCRIPTOR = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

MOST_ID = 14
"""The largest id that is accepted: up to here a packet needs only one-byte headers (RFC 8285)."""


@dataclass(frozen=True, slots=True)
class Use:
    """Whether an extension is accepted from publishers and on slots, and the reason.

    From publishers, if `codecs` has any, only with one of those as the first.
    """

    publish: bool
    slot: bool
    reason: str
    codecs: frozenset[str] = frozenset()

    def is_accepted_with(self, codec: str) -> bool:
        """Whether a publisher whose first codec is this may send it."""
        return self.publish and (not self.codecs or codec in self.codecs)


PASSED = Use(True, True, "carried from publisher to slot, not read")

KNOWN: Mapping[str, Use] = {
    MID: Use(True, False, "names the m-line; on a slot the SSRC does, and Firefox drops RTX without it"),
    RID: Use(True, False, "names the simulcast layer; a slot has only one stream"),
    REPAIRED_RID: Use(True, False, "names the layer an RTX stream repairs; a slot names it by SSRC"),
    AUDIO_LEVEL: Use(True, True, "finds the speakers; pages show it (RFC 6464)"),
    CSRC_AUDIO_LEVEL: Use(False, False, "for mixers (RFC 6465); the node never mixes"),
    ABS_SEND_TIME: Use(False, True, "written by the node for the receiver's estimate (goog-remb)"),
    TRANSPORT_CC: Use(True, True, "numbers the packets of a link, for feedback and estimate both ways"),
    TRANSPORT_CC_02: Use(False, False, "offers feedback on request; the version before it does"),
    DEPENDENCY_DESCRIPTOR: Use(
        True,
        True,
        "tells the layers of AV1 and H.264; rewritten for each slot (with it, Chromium's VP8 says nothing)",
        frozenset({"AV1", "H264"}),
    ),
    GENERIC_FRAME_DESCRIPTOR: Use(False, False, "the dependency descriptor's forerunner"),
    GENERIC_FRAME_DESCRIPTOR_01: Use(False, False, "the dependency descriptor's forerunner"),
    VIDEO_ORIENTATION: Use(False, False, "Firefox cannot read it: let browsers rotate before encoding"),
    TRANSMISSION_OFFSET: Use(False, False, "tells of the publisher's own path (RFC 5450), not of a slot's"),
    VIDEO_TIMING: Use(False, False, "tells of the publisher's encoder and pacer, not of a slot's"),
    VIDEO_LAYERS_ALLOCATION: Use(False, False, "speaks of all layers; a slot carries one"),
    ENCRYPT: Use(False, False, "the node would have to read and map what is encrypted (RFC 6904)"),
    ABS_CAPTURE_TIME: PASSED,
    PLAYOUT_DELAY: PASSED,
    COLOR_SPACE: PASSED,
    VIDEO_CONTENT_TYPE: PASSED,
}


@dataclass(frozen=True, slots=True)
class Offered:
    """One extmap line; `direction` is the client's, empty if the line has none."""

    id: int
    direction: str
    uri: str


def offered(section: Section) -> Iterator[Offered]:
    """Yield the section's well-formed extmap lines; of those that share an id or a URI, the first."""
    ids: set[int] = set()
    uris: set[str] = set()
    for value in section.all("extmap"):
        head, _, rest = value.partition(" ")
        id_text, _, direction = head.partition("/")
        id = number(id_text, MOST_ID)
        uri = next(iter(rest.split()), "")
        if id and uri and id not in ids and uri not in uris:
            ids.add(id)
            uris.add(uri)
            yield Offered(id, direction, uri)


def accepted_from_publisher(section: Section, known: Mapping[str, Use], codec: str) -> Mapping[int, str]:
    """Return the extensions, URI by id, that the client may send on this m-line; `codec` is its first."""
    return {
        extension.id: extension.uri
        for extension in offered(section)
        if extension.direction in ("", "sendrecv", "sendonly")
        and known.get(extension.uri, PASSED).is_accepted_with(codec)
    }


def accepted_on_slot(section: Section, known: Mapping[str, Use]) -> Mapping[str, int]:
    """Return the extensions, id by URI, that the node may send on this m-line."""
    return {
        extension.uri: extension.id
        for extension in offered(section)
        if extension.direction in ("", "sendrecv", "recvonly") and known.get(extension.uri, PASSED).slot
    }
