"""The answer as text: every m-line of the offer in its place, and what became of it.

Writes what was decided and decides nothing. The candidates stand in every m-line of the bundle,
though the first would do (RFC 8843 section 10): aiortc reads those of the last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sfu.signaling.extensions import offered
from sfu.signaling.plan import Codec, DataPlan, InactivePlan, PublishPlan, Rejected, SlotPlan
from sfu.signaling.sdp import Description, Section

BUNDLE = "BUNDLE"
SCTP_PORT = 5000

Accepted = PublishPlan | SlotPlan | InactivePlan | DataPlan
Verdict = Accepted | Rejected

_MIRRORED = {"sendonly": "/recvonly", "recvonly": "/sendonly", "sendrecv": "/sendrecv"}


@dataclass(frozen=True, slots=True)
class LocalCandidate:
    """An address at which clients reach the node. TCP candidates are passive (RFC 6544)."""

    address: str
    port: int
    priority: int
    protocol: Literal["udp", "tcp"] = "udp"


@dataclass(frozen=True, slots=True)
class LocalDescription:
    """What the node says of itself on one link.

    `fingerprint` is "sha-256 AA:BB:…"; `ssrc_seed`, 1 to 64 bytes, gives the slots their SSRCs and
    stays the same for the life of the link, as does `session_id`; `version` rises with every answer.
    `cname` is that of the node's RTCP (RFC 3550 section 6.5.1).
    """

    ufrag: str
    pwd: str
    fingerprint: str
    candidates: tuple[LocalCandidate, ...]
    ssrc_seed: bytes
    session_id: int
    version: int
    cname: str = "parley"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the m-lines of an answer share.

    `bundle` names the accepted m-lines, that with the transport first; `max_message_size`, in
    bytes, is the node's.
    """

    bundle: tuple[str, ...]
    max_message_size: int


def write(
    description: Description, verdicts: Sequence[Verdict], local: LocalDescription, terms: Terms
) -> str:
    """Return the answer to `description`, with a verdict for each of its m-lines."""
    lines = [
        "v=0",
        f"o=- {local.session_id} {local.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
    ]
    if any(group.split()[:1] == [BUNDLE] for group in description.attributes.get("group", ())):
        lines.append(f"a=group:{BUNDLE} {' '.join(terms.bundle)}")
    for section, verdict in zip(description.sections, verdicts, strict=True):
        if isinstance(verdict, Rejected):
            lines.extend(_rejected(section, verdict))
        else:
            lines.extend(_accepted(section, verdict, local, terms))
    return "".join(f"{line}\r\n" for line in lines)


def _rejected(section: Section, verdict: Rejected) -> Iterator[str]:
    yield f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
    yield _connection(None)
    if verdict.mid is not None:
        yield f"a=mid:{verdict.mid}"
    yield "a=inactive"


def _accepted(section: Section, verdict: Accepted, local: LocalDescription, terms: Terms) -> Iterator[str]:
    yield from _media_line(section, verdict, local)
    yield f"a=mid:{verdict.mid}"
    yield f"a=ice-ufrag:{local.ufrag}"
    yield f"a=ice-pwd:{local.pwd}"
    yield f"a=fingerprint:{local.fingerprint}"
    yield "a=setup:passive"
    yield from _candidates(local)
    match verdict:
        case PublishPlan():
            yield from _publish(section, verdict)
        case SlotPlan():
            yield from _slot(section, verdict, local.cname)
        case InactivePlan():
            yield from _rtp(section, "inactive", verdict.codecs, {})
        case DataPlan():
            yield f"a=sctp-port:{SCTP_PORT}"
            yield f"a=max-message-size:{terms.max_message_size}"


def _media_line(section: Section, verdict: Accepted, local: LocalDescription) -> Iterator[str]:
    """Write m= and c= with the default candidate, the best over UDP (RFC 8839 section 4.2.2)."""
    if isinstance(verdict, DataPlan):
        formats = "webrtc-datachannel"
    else:
        formats = " ".join(str(payload_type) for payload_type in _payload_types(verdict.codecs))
    udp = [candidate for candidate in local.candidates if candidate.protocol == "udp"]
    best = max(udp, key=lambda candidate: candidate.priority, default=None)
    yield f"m={section.kind} {best.port if best else 9} {section.protocol} {formats}"
    yield _connection(best)


def _connection(candidate: LocalCandidate | None) -> str:
    if candidate is None:
        return "c=IN IP4 0.0.0.0"
    return f"c=IN {'IP6' if ':' in candidate.address else 'IP4'} {candidate.address}"


def _payload_types(codecs: tuple[Codec, ...]) -> Iterator[int]:
    for codec in codecs:
        yield codec.payload_type
        if codec.rtx_payload_type is not None:
            yield codec.rtx_payload_type


def _candidates(local: LocalDescription) -> Iterator[str]:
    for foundation, candidate in enumerate(local.candidates, start=1):
        tcp = " tcptype passive" if candidate.protocol == "tcp" else ""
        yield (
            f"a=candidate:{foundation} 1 {candidate.protocol} {candidate.priority}"
            f" {candidate.address} {candidate.port} typ host{tcp}"
        )
    yield "a=end-of-candidates"


def _publish(section: Section, plan: PublishPlan) -> Iterator[str]:
    yield from _rtp(section, "recvonly", plan.codecs, plan.extensions)
    for rid in plan.rids:
        yield f"a=rid:{rid} recv"
    if plan.rids:
        yield f"a=simulcast:recv {';'.join(plan.rids)}"


def _slot(section: Section, plan: SlotPlan, cname: str) -> Iterator[str]:
    """Write a slot. Its own msid stream keeps browsers from delaying one slot to match another's audio."""
    yield from _rtp(section, "sendonly", plan.codecs, {id: uri for uri, id in plan.extensions.items()})
    yield f"a=msid:slot-{plan.mid} track-{plan.mid}"
    if plan.rtx_ssrc is not None:
        yield f"a=ssrc-group:FID {plan.ssrc} {plan.rtx_ssrc}"
    yield f"a=ssrc:{plan.ssrc} cname:{cname}"
    if plan.rtx_ssrc is not None:
        yield f"a=ssrc:{plan.rtx_ssrc} cname:{cname}"


def _rtp(
    section: Section, direction: str, codecs: tuple[Codec, ...], extensions: Mapping[int, str]
) -> Iterator[str]:
    yield f"a={direction}"
    yield "a=rtcp-mux"
    if section.has("rtcp-rsize"):
        yield "a=rtcp-rsize"
    if section.has("extmap-allow-mixed"):
        yield "a=extmap-allow-mixed"
    for extension in offered(section):
        if extensions.get(extension.id) == extension.uri:
            yield f"a=extmap:{extension.id}{_MIRRORED.get(extension.direction, '')} {extension.uri}"
    for codec in codecs:
        yield from _codec(codec)


def _codec(codec: Codec) -> Iterator[str]:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    yield f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}"
    for kind in codec.feedback:
        yield f"a=rtcp-fb:{codec.payload_type} {kind}"
    if codec.fmtp:
        yield f"a=fmtp:{codec.payload_type} {codec.fmtp}"
    if codec.rtx_payload_type is not None:
        yield f"a=rtpmap:{codec.rtx_payload_type} rtx/{codec.clock_rate}"
        yield f"a=fmtp:{codec.rtx_payload_type} apt={codec.payload_type}"
