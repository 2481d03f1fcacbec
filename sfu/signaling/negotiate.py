"""negotiate(): from a client's offer to the plan of its link and the answer. A pure function.

Only clients offer and the node answers, so nothing about a negotiation needs remembering: an offer
describes all that is to be, and the answer to the same offer is always the same. Each m-line is
judged by itself: the client sends on it (publish), receives on it (slot), keeps it for later
(inactive), exchanges messages on it (data), or it is turned down with port 0 and keeps its place.
One transport carries them all (BUNDLE, RFC 8843); on it the node is ICE-lite and the DTLS server.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu.signaling.answer import BUNDLE, LocalCandidate, LocalDescription, Terms, Verdict, write
from sfu.signaling.capabilities import DEFAULT, Capabilities
from sfu.signaling.codecs import acceptable
from sfu.signaling.extensions import RID, accepted_from_publisher, accepted_on_slot
from sfu.signaling.plan import Codec, DataPlan, InactivePlan, Kind, LinkPlan, PublishPlan, Rejected, SlotPlan
from sfu.signaling.sdp import Description, OfferRefused, Section, is_token, number, parse
from sfu.signaling.streams import signalled_ssrcs, simulcast_rids, slot_ssrcs

__all__ = [
    "DEFAULT",
    "Capabilities",
    "LocalCandidate",
    "LocalDescription",
    "Negotiation",
    "OfferRefused",
    "negotiate",
]

_RTP_PROTOCOLS = frozenset(
    {"UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF"}
)
"""Profiles read as secure RTP over the bundle's transport (RFC 8829 section 5.1.2)."""
_SCTP_PROTOCOLS = frozenset({"UDP/DTLS/SCTP", "TCP/DTLS/SCTP"})
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})*")
_HASH_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_MAX_MID = 16
_DEFAULT_SCTP_PORT = 5000
_DEFAULT_MAX_MESSAGE_SIZE = 65536
"""What a peer without a=max-message-size can take, in bytes (RFC 8841 section 6.1)."""


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The outcome of an offer: what the node needs to know, and the text the client gets."""

    plan: LinkPlan
    answer: str


def negotiate(offer: str, local: LocalDescription, capabilities: Capabilities = DEFAULT) -> Negotiation:
    """Return the plan and the answer to an offer. Raises `OfferRefused`, and nothing else, for any text."""
    description = parse(offer, capabilities.limits)
    mids = _mids(description)
    bundle = _bundle(description, mids)
    ssrcs = slot_ssrcs(mids, local.ssrc_seed)
    verdicts = [_judge(section, bundle, ssrcs, capabilities) for section in description.sections]
    _turn_down_second_data(verdicts)
    accepted = _accepted(bundle, verdicts)
    plan = _link(description, accepted[0], verdicts)
    answer = write(description, verdicts, local, Terms(accepted, capabilities.max_message_size))
    return Negotiation(plan, answer)


def _mids(description: Description) -> tuple[str, ...]:
    """Return the mids in the order of the m-lines."""
    mids = [mid for section in description.sections if (mid := section.first("mid")) is not None]
    for mid in mids:
        if len(mid) > _MAX_MID or not is_token(mid):
            raise OfferRefused(f"the mid {mid[:_MAX_MID]!r} is not a token of at most {_MAX_MID} characters")
    if len(set(mids)) < len(mids):
        raise OfferRefused("two m-lines have the same mid")
    return tuple(mids)


def _bundle(description: Description, mids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the mids that share the transport, first that which describes it. One alone needs no group."""
    for group in description.attributes.get("group", ()):
        semantics, *members = group.split() or [""]
        if semantics == BUNDLE:
            return tuple(mid for mid in dict.fromkeys(members) if mid in mids)
    return mids if len(description.sections) == 1 else ()


def _judge(
    section: Section, bundle: Sequence[str], ssrcs: Mapping[str, tuple[int, int]], capabilities: Capabilities
) -> Verdict:
    mid = section.first("mid")
    if mid is None or mid not in bundle or (section.port == 0 and not section.has("bundle-only")):
        return Rejected(mid)
    if section.protocol in _SCTP_PROTOCOLS and section.kind == "application":
        return _data(section, mid)
    if section.protocol in _RTP_PROTOCOLS and section.kind in ("audio", "video"):
        return _media(section, mid, ssrcs[mid], capabilities)
    return Rejected(mid)


def _media(section: Section, mid: str, ssrcs: tuple[int, int], capabilities: Capabilities) -> Verdict:
    kind: Kind = "audio" if section.kind == "audio" else "video"
    codecs = acceptable(section, capabilities.codecs[kind], capabilities.feedback[kind])
    if not any(codec.name != "red" for codec in codecs):
        return Rejected(mid)
    match section.direction:
        case "inactive":
            return InactivePlan(mid, kind, codecs)
        case "recvonly":
            extensions = accepted_on_slot(section, capabilities.extensions)
            repaired = any(codec.rtx_payload_type is not None for codec in codecs)
            return SlotPlan(mid, kind, codecs, extensions, ssrcs[0], ssrcs[1] if repaired else None)
    return _publish(section, mid, kind, codecs, capabilities)


def _publish(
    section: Section, mid: str, kind: Kind, codecs: tuple[Codec, ...], capabilities: Capabilities
) -> PublishPlan:
    """Accept what the client sends. Simulcast needs the rid extension, or its layers cannot be told apart."""
    extensions = accepted_from_publisher(section, capabilities.extensions, codecs[0].name)
    rids = simulcast_rids(section, capabilities.most_rids) if RID in extensions.values() else ()
    ssrcs = signalled_ssrcs(section, capabilities.most_ssrcs)
    return PublishPlan(mid, kind, codecs, extensions, rids, ssrcs)


def _data(section: Section, mid: str) -> Verdict:
    port = number(section.first("sctp-port") or "", 65535)
    if port == 0 or "webrtc-datachannel" not in section.formats:
        return Rejected(mid)
    size = number(section.first("max-message-size") or "", 1 << 63)
    return DataPlan(mid, port or _DEFAULT_SCTP_PORT, _DEFAULT_MAX_MESSAGE_SIZE if size is None else size)


def _turn_down_second_data(verdicts: list[Verdict]) -> None:
    """Keep the first m-line of data channels; a link has one SCTP association (RFC 8831 section 6.7)."""
    data = [index for index, verdict in enumerate(verdicts) if isinstance(verdict, DataPlan)]
    for index in data[1:]:
        verdicts[index] = Rejected(verdicts[index].mid)


def _accepted(bundle: Sequence[str], verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the accepted mids of the bundle.

    RFC 8843 lets the answerer turn down the first of them, but to Chromium that is the end of all.
    """
    if not bundle:
        raise OfferRefused("the m-lines must have mids and share one transport, by a=group:BUNDLE")
    kept = {verdict.mid for verdict in verdicts if not isinstance(verdict, Rejected)}
    if bundle[0] not in kept:
        raise OfferRefused(
            f"the first m-line of the bundle, with mid {bundle[0]}, cannot be accepted:"
            " it needs a port, a protocol over DTLS and a codec that this node carries"
        )
    return tuple(mid for mid in bundle if mid in kept)


def _link(description: Description, transport_mid: str, verdicts: Sequence[Verdict]) -> LinkPlan:
    """Put the plan together; the m-line of `transport_mid` describes the transport of all."""
    transport = next(section for section in description.sections if section.first("mid") == transport_mid)
    publish = tuple(verdict for verdict in verdicts if isinstance(verdict, PublishPlan))
    slots = tuple(verdict for verdict in verdicts if isinstance(verdict, SlotPlan))
    data = next((verdict for verdict in verdicts if isinstance(verdict, DataPlan)), None)
    if (publish or slots) and not any(section.has("rtcp-mux") for section in description.sections):
        raise OfferRefused("RTP and RTCP must share a port: a=rtcp-mux is missing")
    _check_unambiguous(publish)
    ufrag, pwd = _ice(description, transport)
    return LinkPlan(
        session=_session(description.origin),
        ufrag=ufrag,
        pwd=pwd,
        fingerprints=_fingerprints(transport),
        setup=_setup(transport),
        publish=publish,
        slots=slots,
        inactive=tuple(verdict.mid for verdict in verdicts if isinstance(verdict, InactivePlan)),
        rejected=tuple(v.mid for v in verdicts if isinstance(v, Rejected) and v.mid is not None),
        data=data is not None,
        sctp_port=data.sctp_port if data else _DEFAULT_SCTP_PORT,
        max_message_size=data.max_message_size if data else _DEFAULT_MAX_MESSAGE_SIZE,
    )


def _check_unambiguous(publish: Sequence[PublishPlan]) -> None:
    """Refuse what would let one packet belong to two m-lines of the bundle (RFC 8843 sections 9.2, 15)."""
    uris: dict[int, str] = {}
    for plan in publish:
        for id, uri in plan.extensions.items():
            if uris.setdefault(id, uri) != uri:
                raise OfferRefused(f"header extension id {id} means different things in two m-lines")
    ssrcs = [ssrc for plan in publish for pair in plan.ssrcs for ssrc in pair if ssrc is not None]
    if len(set(ssrcs)) < len(ssrcs):
        raise OfferRefused("two streams have the same SSRC")


def _ice(description: Description, transport: Section) -> tuple[str, str]:
    if "ice-lite" in description.attributes:
        raise OfferRefused("the node is ICE-lite, so the client cannot be")
    ufrag, pwd = transport.first("ice-ufrag") or "", transport.first("ice-pwd") or ""
    if not (_UFRAG.fullmatch(ufrag) and _PWD.fullmatch(pwd)):
        raise OfferRefused("a=ice-ufrag or a=ice-pwd is missing or malformed")
    return ufrag, pwd


def _fingerprints(transport: Section) -> tuple[tuple[str, str], ...]:
    """Return the fingerprints by hashes that the node accepts (RFC 8122), values in upper case."""
    found = []
    for line in transport.all("fingerprint"):
        name, _, value = line.partition(" ")
        name, value = name.lower(), value.strip().upper()
        if _FINGERPRINT.fullmatch(value) and len(value) == 3 * _HASH_BYTES.get(name, 0) - 1:
            found.append((name, value))
    if not found:
        raise OfferRefused("a=fingerprint with sha-256, sha-384 or sha-512 is missing or malformed")
    return tuple(found)


def _setup(transport: Section) -> str:
    """Return the client's DTLS role; unsaid it is active (RFC 4145 section 4.1)."""
    setup = transport.first("setup") or "active"
    if setup not in ("actpass", "active"):
        raise OfferRefused("the node is the DTLS server: a=setup must be actpass or active")
    return setup


def _session(origin: str) -> tuple[str, int]:
    match origin.split():
        case [_, session_id, version_text, *_] if number(session_id, (1 << 64) - 1) is not None:
            version = number(version_text, (1 << 64) - 1)
            if version is not None:
                return session_id, version
    raise OfferRefused("the o= line is missing or malformed")
