"""Codecs of an m-line: which of those offered the node can carry, under which payload types.

The node never decodes, so "can carry" means: it knows a key frame when it sees one, and any client
that accepts the same name and profile can play what another sends. What a codec's fmtp otherwise
says is between the clients; it is echoed as written.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sfu.signaling.plan import Codec
from sfu.signaling.sdp import Section, number

_CANONICAL: Mapping[tuple[str, str, int, int], str] = {
    ("audio", "opus", 48000, 2): "opus",
    ("audio", "red", 48000, 2): "red",
    ("video", "vp8", 90000, 1): "VP8",
    ("video", "vp9", 90000, 1): "VP9",
    ("video", "h264", 90000, 1): "H264",
    ("video", "av1", 90000, 1): "AV1",
}
"""Canonical names by m-line kind and rtpmap: encoding name in lower case, clock rate in Hz, channels."""

_H264_PROFILES = ("constrained-baseline", "baseline", "main", "constrained-high", "high")
"""Profiles of H.264 that clients play, the most widely played first."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """A section's codec attributes by payload type; of contradicting lines the first counts."""

    rtpmap: Mapping[int, str]
    fmtp: Mapping[int, str]
    feedback: Mapping[int, tuple[str, ...]]
    repairs: Mapping[int, int]


def acceptable(section: Section, order: tuple[str, ...], feedback: frozenset[str]) -> tuple[Codec, ...]:
    """Return the offered codecs that are in `order`, in that order, with the offered `feedback` kept.

    A codec has a retransmission payload type (RFC 4588) only where NACKs ask for retransmissions.
    """
    lines = _read(section, feedback)
    codecs = [
        codec
        for payload_type in lines.rtpmap
        if (codec := _codec(section.kind, payload_type, lines)) and codec.name in order
    ]
    usable = [codec for codec in codecs if codec.name != "red" or _repeats_opus(codec, codecs)]
    return tuple(sorted(usable, key=lambda codec: (order.index(codec.name), _h264_rank(codec))))


def parameters(fmtp: str) -> dict[str, str]:
    """Return an fmtp's parameters, names in lower case, spaces around them dropped."""
    pairs = (item.partition("=") for item in fmtp.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


def _read(section: Section, feedback: frozenset[str]) -> _Lines:
    listed = _payload_types(section.formats)
    rtpmap = _by_payload_type(section.all("rtpmap"), listed)
    fmtp = _by_payload_type(section.all("fmtp"), listed)
    return _Lines(rtpmap, fmtp, _feedback(section, listed, feedback), _repairs(rtpmap, fmtp))


def _payload_types(formats: tuple[str, ...]) -> tuple[int, ...]:
    """Return the usable payload types. With rtcp-mux, 64 to 95 would read as RTCP (RFC 5761 section 4)."""
    numbers = (number(text, 127) for text in formats)
    return tuple(dict.fromkeys(value for value in numbers if value is not None and not 64 <= value <= 95))


def _feedback(
    section: Section, listed: tuple[int, ...], wanted: frozenset[str]
) -> dict[int, tuple[str, ...]]:
    found: dict[int, dict[str, None]] = {payload_type: {} for payload_type in listed}
    for value in dict.fromkeys(section.all("rtcp-fb")):
        target, _, rest = value.partition(" ")
        kind = " ".join(rest.split())
        if kind not in wanted:
            continue
        for payload_type in listed if target == "*" else (number(target, 127),):
            if payload_type in found:
                found[payload_type][kind] = None
    return {payload_type: tuple(kinds) for payload_type, kinds in found.items()}


def _by_payload_type(values: tuple[str, ...], listed: tuple[int, ...]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in values:
        head, _, rest = value.partition(" ")
        payload_type = number(head, 127)
        if payload_type in listed and rest:
            found.setdefault(payload_type, rest.strip())
    return {payload_type: found[payload_type] for payload_type in listed if payload_type in found}


def _repairs(rtpmap: Mapping[int, str], fmtp: Mapping[int, str]) -> dict[int, int]:
    """Return RTX payload types by the payload type they repair."""
    found: dict[int, int] = {}
    for payload_type, encoding in rtpmap.items():
        if encoding.lower().startswith("rtx/"):
            repaired = number(parameters(fmtp.get(payload_type, "")).get("apt", ""), 127)
            if repaired is not None and repaired != payload_type:
                found.setdefault(repaired, payload_type)
    return found


def _codec(kind: str, payload_type: int, lines: _Lines) -> Codec | None:
    name, clock_rate, channels = _encoding(lines.rtpmap[payload_type])
    canonical = _CANONICAL.get((kind, name, clock_rate, channels))
    if canonical is None:
        return None
    fmtp = lines.fmtp.get(payload_type, "")
    profile = _profile(canonical, parameters(fmtp))
    if profile is None:
        return None
    feedback = lines.feedback[payload_type]
    rtx = lines.repairs.get(payload_type) if "nack" in feedback else None
    return Codec(payload_type, canonical, clock_rate, channels, fmtp, rtx, feedback, profile)


def _encoding(rtpmap: str) -> tuple[str, int, int]:
    name, _, rest = rtpmap.partition("/")
    clock_rate, _, channels = rest.partition("/")
    return name.lower(), number(clock_rate, 1_000_000) or 0, number(channels or "1", 255) or 0


def _profile(name: str, values: Mapping[str, str]) -> str | None:
    """Return the profile as `Codec.profile` has it, or None for one that is not carried."""
    match name:
        case "VP9":
            return "0" if values.get("profile-id", "0") == "0" else None
        case "AV1":
            return "0" if values.get("profile", "0") == "0" else None
        case "H264":
            return _h264_profile(values)
    return ""


def _h264_profile(values: Mapping[str, str]) -> str | None:
    """Return profile and packetization mode (RFC 6184 section 8.1); baseline and mode 0 if unsaid."""
    mode = values.get("packetization-mode", "0")
    try:
        idc, constraints, _level = bytes.fromhex(values.get("profile-level-id", "42000a"))
    except ValueError:
        return None
    match idc:
        case 0x42:
            profile = "constrained-baseline" if constraints & 0x40 else "baseline"
        case 0x4D:
            profile = "constrained-baseline" if constraints & 0x80 else "main"
        case 0x64:
            profile = "constrained-high" if constraints & 0x0C == 0x0C else "high"
        case _:
            return None
    return f"{profile}/{mode}" if mode in ("0", "1") else None


def _h264_rank(codec: Codec) -> tuple[int, int]:
    if codec.name != "H264":
        return (0, 0)
    profile, _, mode = codec.profile.partition("/")
    return (-int(mode), _H264_PROFILES.index(profile))


def _repeats_opus(red: Codec, codecs: list[Codec]) -> bool:
    """Tell whether redundant audio (RFC 2198) repeats an opus payload type of the same m-line."""
    opus = {str(codec.payload_type) for codec in codecs if codec.name == "opus"}
    return bool(red.fmtp) and set(red.fmtp.split("/")) <= opus
