"""SDP as a participant needs it: write an offer like the page's, read a description.

An offer holds what the bot sends, then slots: receive-only m-lines in which the node shows what it likes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.load.light.rtp import LEVEL_URI, MID_URI, RID_URI, TRANSPORT_CC_URI

Kind = Literal["audio", "video"]

OPUS = 111
VP8 = 96
RTX = 97
_FEEDBACK = ("goog-remb", "ccm fir", "nack", "nack pli")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
EXTENSION_IDS = {MID_URI: 1, RID_URI: 2, LEVEL_URI: 3, TRANSPORT_CC_URI: 4}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a link is: ICE user name fragment and password, certificate fingerprint."""

    ufrag: str
    password: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Sending:
    """An m-line the bot sends on: one stream of a known SSRC, or simulcast layers of these rids."""

    kind: Kind
    mid: str
    ssrc: int | None = None
    rids: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """An m-line the bot receives on."""

    kind: Kind
    mid: str
    rtx: bool = True
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """The m-line of data channels."""

    mid: str


@dataclass(frozen=True, slots=True)
class Section:
    """An m-line of somebody's description. `payloads` maps codec names in lower case to payload types.

    `extensions` are the URIs of header extensions.
    """

    kind: str
    mid: str
    direction: str
    accepted: bool
    payloads: dict[str, int]
    extensions: frozenset[str]
    ssrcs: tuple[int, ...]
    repairs: dict[int, int]
    """RTX SSRC by the SSRC it repairs."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the other side says: how to reach it, who it is, and its m-lines."""

    credentials: Credentials
    setup: str
    candidates: tuple[tuple[str, int], ...]
    sections: tuple[Section, ...]


def offer(credentials: Credentials, sections: Iterable[Sending | Slot | Data], setup: str = "actpass") -> str:
    """Return the offer of one bundled connection."""
    written = tuple(sections)
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in written),
        "a=msid-semantic: WMS *",
    ]
    for section in written:
        lines += _section(section, credentials, setup)
    return "\r\n".join(lines) + "\r\n"


def _section(section: Sending | Slot | Data, credentials: Credentials, setup: str) -> Iterator[str]:
    if isinstance(section, Data):
        yield "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
        yield from _transport(section.mid, credentials, setup)
        yield "a=sctp-port:5000"
        return
    rtx = isinstance(section, Slot) and section.rtx and section.kind == "video"
    payloads = str(OPUS) if section.kind == "audio" else f"{VP8} {RTX}" if rtx else str(VP8)
    yield f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {payloads}"
    yield from _transport(section.mid, credentials, setup)
    yield "a=rtcp-mux"
    yield "a=rtcp-rsize"
    if section.kind == "audio":
        yield f"a=rtpmap:{OPUS} opus/48000/2"
        yield f"a=fmtp:{OPUS} minptime=10;useinbandfec=1"
    else:
        yield f"a=rtpmap:{VP8} VP8/90000"
        yield from (f"a=rtcp-fb:{VP8} {feedback}" for feedback in _FEEDBACK)
    yield from (f"a=extmap:{EXTENSION_IDS[uri]} {uri}" for uri in section.extensions)
    if TRANSPORT_CC_URI in section.extensions:
        yield f"a=rtcp-fb:{OPUS if section.kind == 'audio' else VP8} transport-cc"
    if rtx:
        yield f"a=rtpmap:{RTX} rtx/90000"
        yield f"a=fmtp:{RTX} apt={VP8}"
    if isinstance(section, Slot):
        yield "a=recvonly"
    else:
        yield from _sending(section)


def _transport(mid: str, credentials: Credentials, setup: str) -> Iterator[str]:
    yield "c=IN IP4 0.0.0.0"
    yield f"a=mid:{mid}"
    yield f"a=ice-ufrag:{credentials.ufrag}"
    yield f"a=ice-pwd:{credentials.password}"
    yield f"a=fingerprint:sha-256 {credentials.fingerprint}"
    yield f"a=setup:{setup}"


def _sending(section: Sending) -> Iterator[str]:
    yield "a=sendonly"
    yield f"a=msid:bot {section.kind}-{section.mid}"
    if section.ssrc is not None:
        yield f"a=ssrc:{section.ssrc} cname:bot"
    if section.rids:
        yield from (f"a=rid:{rid} send" for rid in section.rids)
        yield "a=simulcast:send " + ";".join(section.rids)


@dataclass(slots=True)
class _Lines:
    """Attributes of one part of a description, by name, each with all its values in order."""

    media: list[str] = field(default_factory=list)
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str | None:
        return self.attributes.get(name, [None])[0]


def parse(text: str) -> Description:
    """Return what a description says. Raises ValueError if it lacks what a connection needs."""
    parts = [_Lines()]
    for line in text.splitlines():
        if line.startswith("m="):
            parts.append(_Lines(media=line[2:].split()))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            parts[-1].attributes.setdefault(name, []).append(value)
    session, media = parts[0], parts[1:]
    return Description(
        credentials=Credentials(
            ufrag=_needed("ice-ufrag", media, session),
            password=_needed("ice-pwd", media, session),
            fingerprint=_fingerprint(media, session),
        ),
        setup=_needed("setup", media, session),
        candidates=_candidates([session, *media]),
        sections=tuple(_read_section(part) for part in media),
    )


def _needed(name: str, media: list[_Lines], session: _Lines) -> str:
    for part in (*media, session):
        value = part.first(name)
        if value is not None:
            return value
    raise ValueError(f"the description has no {name}")


def _fingerprint(media: list[_Lines], session: _Lines) -> str:
    for part in (*media, session):
        for value in part.attributes.get("fingerprint", ()):
            algorithm, _, digits = value.partition(" ")
            if algorithm.lower() == "sha-256":
                return digits
    raise ValueError("the description has no SHA-256 fingerprint")


def _candidates(parts: list[_Lines]) -> tuple[tuple[str, int], ...]:
    """Return the UDP candidates, best priority first, each once."""
    found: dict[tuple[str, int], int] = {}
    for part in parts:
        for value in part.attributes.get("candidate", ()):
            fields = value.split()
            if fields[2].lower() == "udp" and not fields[4].endswith(".local"):
                found.setdefault((fields[4], int(fields[5])), int(fields[3]))
    return tuple(sorted(found, key=lambda address: -found[address]))


def _read_section(part: _Lines) -> Section:
    payloads: dict[str, int] = {}
    for value in part.attributes.get("rtpmap", ()):
        number, _, codec = value.partition(" ")
        payloads.setdefault(codec.split("/")[0].lower(), int(number))
    repairs = {}
    for value in part.attributes.get("ssrc-group", ()):
        if value.startswith("FID "):
            media, repair = value.split()[1:3]
            repairs[int(media)] = int(repair)
    ssrcs = dict.fromkeys(int(value.split()[0]) for value in part.attributes.get("ssrc", ()))
    return Section(
        kind=part.media[0],
        mid=part.first("mid") or "",
        direction=next((name for name in _DIRECTIONS if name in part.attributes), "sendrecv"),
        accepted=part.media[1] != "0",
        payloads=payloads,
        extensions=frozenset(value.split()[1] for value in part.attributes.get("extmap", ())),
        ssrcs=tuple(ssrc for ssrc in ssrcs if ssrc not in repairs.values()),
        repairs=repairs,
    )
