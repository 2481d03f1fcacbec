"""Session descriptions as data: text to sections and attributes (RFC 8866), and no meaning yet.

Offers come from strangers, so the reader is total and bounded: any text gives a `Description` or
`OfferRefused`, in time linear in its length, and the limits are checked before anything is kept.
It is tolerant where browsers and SIP stacks differ (bare newlines, blank lines, attributes in any
order, unknown lines) and knows nothing of codecs, ICE or what this node can do.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

Attributes = Mapping[str, tuple[str, ...]]
"""Attribute values by name, each name's in the order of the text. A flag's value is empty."""

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_LINE = re.compile(r"[a-z]=")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")


class OfferRefused(Exception):
    """The offer cannot be answered; `detail` says why, for the developer of the client."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest offer that is read."""

    characters: int = 512 * 1024
    lines: int = 16384
    line_characters: int = 4096
    sections: int = 128
    section_attributes: int = 1024


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line and its attributes, the session's among them where the section has none of that name.

    `direction` is the offerer's: one of `DIRECTIONS`.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    direction: str
    attributes: Attributes

    def first(self, name: str) -> str | None:
        """Return the first value of an attribute, or None."""
        values = self.attributes.get(name)
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of an attribute."""
        return self.attributes.get(name, ())

    def has(self, name: str) -> bool:
        """Tell whether the attribute is there."""
        return name in self.attributes


@dataclass(frozen=True, slots=True)
class Description:
    """A whole description. `origin` is the value of its o= line."""

    origin: str
    attributes: Attributes
    sections: tuple[Section, ...]


def parse(text: str, limits: Limits) -> Description:
    """Return what the text says. Raises `OfferRefused`."""
    head, *blocks = _blocks(_lines(text, limits), limits)
    if head[:1] != ["v=0"]:
        raise OfferRefused("a session description begins with v=0")
    session = _attributes(head, limits)
    sections = tuple(_section(block, session, limits) for block in blocks)
    origin = next((line[2:] for line in head if line.startswith("o=")), "")
    return Description(origin, session, sections)


def number(text: str, most: int) -> int | None:
    """Return the unsigned decimal number a field holds, or None if it is none or above `most`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        return None
    value = int(text)
    return value if value <= most else None


def is_token(text: str) -> bool:
    """Tell whether the text is a `token` of RFC 8866 section 9."""
    return _TOKEN.fullmatch(text) is not None


def _lines(text: str, limits: Limits) -> list[str]:
    if len(text) > limits.characters:
        raise OfferRefused(f"the offer is longer than {limits.characters} characters")
    if text.count("\n") > limits.lines:
        raise OfferRefused(f"the offer has more than {limits.lines} lines")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if any(len(line) > limits.line_characters for line in lines):
        raise OfferRefused(f"a line of the offer is longer than {limits.line_characters} characters")
    return [line for line in lines if _is_readable(line)]


def _is_readable(line: str) -> bool:
    """Tell whether a line matters. Only free text (s=, i=) may leave printable ASCII; none of it is read."""
    if line.isascii() and line.isprintable():
        return _LINE.match(line) is not None
    if line.startswith("m="):
        raise OfferRefused("an m-line has characters that do not belong there")
    return False


def _blocks(lines: list[str], limits: Limits) -> list[list[str]]:
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > limits.sections:
        raise OfferRefused(f"the offer has more than {limits.sections} m-lines")
    bounds = [0, *starts, len(lines)]
    return [lines[start:end] for start, end in itertools.pairwise(bounds)]


def _section(block: list[str], session: Attributes, limits: Limits) -> Section:
    match block[0][2:].split():
        case [kind, port_text, protocol, *formats] if formats:
            port = number(port_text.partition("/")[0], 65535)
            if port is not None:
                own = _attributes(block, limits)
                direction = next((name for name in (*own, *session) if name in DIRECTIONS), "sendrecv")
                return Section(kind, port, protocol, tuple(formats), direction, {**session, **own})
    raise OfferRefused(f"the m-line {block[0][:60]!r} is malformed")


def _attributes(block: list[str], limits: Limits) -> dict[str, tuple[str, ...]]:
    lines = [line for line in block if line.startswith("a=")]
    if len(lines) > limits.section_attributes:
        raise OfferRefused(f"an m-line has more than {limits.section_attributes} attributes")
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line[2:].partition(":")
        found.setdefault(name, []).append(value.strip())
    return {name: tuple(values) for name, values in found.items()}
