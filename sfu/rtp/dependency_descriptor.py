"""The dependency descriptor: what a packet's frame depends on, and who may go without it.

A header extension that names a frame's layers, the frames it refers to and what it is to each
*decode target* (a subset of the stream worth decoding: "360 lines at 15 frames per second"), whatever
the codec and even if the payload is encrypted. "RTP Payload Format For AV1 (v1.0)", appendix A; the
section numbers below are its own.

What most frames have in common is sent once, as the templates of a `Structure`, with the first packet
of a key frame; other packets mostly name a template, in three bytes. So a reader needs the structure
it has read last: it is handed in, and handed back in the `Descriptor`. Which frames to forward is
decided elsewhere (`scalability`).

Reading is total: what is cut short, out of bounds or names a template nobody sent gives None.
Writing changes what a forwarder must change: the numbers, when it makes one stream of several, and
the set of decode targets, when it leaves some out.
"""

from collections.abc import Iterable

EXTENSION = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
MAX_TEMPLATES = 64
MAX_SPATIAL = 8
MAX_TEMPORAL = 8
"""Layers of each kind. The identifiers of every codec fit three bits."""
NOT_PRESENT, DISCARDABLE, SWITCH, REQUIRED = range(4)
"""Decode target indications: what a frame is to a target (table A.1)."""

_MANDATORY_BITS = 24
_FLAGS_END = 29
"""Where the mandatory fields end, and behind them the five flags of the extended ones (§A.8.2)."""
_STRUCTURE_FLAG = 0b10000
_ACTIVE_FLAG = 0b01000
_CUSTOM_INDICATIONS = 0b00100
_CUSTOM_FRAME_DIFFS = 0b00010
_CUSTOM_CHAIN_DIFFS = 0b00001


class _Malformed(Exception):
    """The descriptor ends within a field, or says what cannot be."""


class _Bits:
    """Reads fields from high to low bits."""

    __slots__ = ("_value", "at", "size")

    def __init__(self, data: bytes, at: int) -> None:
        self._value = int.from_bytes(data, "big")
        self.size = 8 * len(data)
        self.at = at

    def take(self, count: int) -> int:
        """Return the next `count` bits: f(n) of §A.8.2."""
        self.at += count
        if self.at > self.size:
            raise _Malformed
        return self._value >> (self.size - self.at) & ((1 << count) - 1)

    def below(self, limit: int) -> int:
        """Return a number below `limit`, the lower ones in one bit less: ns(n) of §A.8.2."""
        width = limit.bit_length()
        short = (1 << width) - limit
        value = self.take(width - 1)
        return value if value < short else (value << 1) - short + self.take(1)


class Frame:
    """What is known of a frame but its number; shared by all packets that name the same template.

    `indications` has one entry per decode target, `chain_diffs` one per chain: how many frames back
    the chain's last frame was, 0: none is needed. `frame_diffs` says how many frames back each frame
    lies that this one refers to. `present`, `needed` and `switches` are sets of decode targets, as bits:
    to which the frame belongs, of those for which it is not discardable, and of those with a switch
    indication.
    """

    __slots__ = (
        "chain_diffs",
        "frame_diffs",
        "indications",
        "needed",
        "present",
        "spatial",
        "switches",
        "temporal",
    )

    def __init__(self, spatial: int, temporal: int) -> None:
        self.spatial = spatial
        self.temporal = temporal
        self.indications: tuple[int, ...] = ()
        self.frame_diffs: tuple[int, ...] = ()
        self.chain_diffs: tuple[int, ...] = ()
        self.present = self.needed = self.switches = 0

    def indicate(self, indications: tuple[int, ...]) -> None:
        """Note what the frame is to each decode target."""
        self.indications = indications
        self.present = _targets(each != NOT_PRESENT for each in indications)
        self.needed = _targets(each in (SWITCH, REQUIRED) for each in indications)
        self.switches = _targets(each == SWITCH for each in indications)

    def copy(self) -> "Frame":
        """Return a frame of the same template, to be given what is its own."""
        other = Frame(self.spatial, self.temporal)
        for name in ("indications", "frame_diffs", "chain_diffs", "present", "needed", "switches"):
            setattr(other, name, getattr(self, name))
        return other


def _targets(belongs: Iterable[bool]) -> int:
    """Return the set of decode targets for which `belongs` holds, as bits."""
    return sum(1 << target for target, each in enumerate(belongs) if each)


class Structure:
    """The frame dependency structure of a coded video sequence.

    `offset` is the id of the first of `templates`. `layers` has the highest (spatial, temporal) layer
    of each decode target, `protected_by` its chain (empty: there are no chains). `resolutions` are
    (width, height) in pixels by spatial layer, empty when not said. `best_first` are the decode targets by
    layers, those of the highest spatial layer first. `contained` says for each decode target which
    targets, as bits, have no frame that it lacks; `above` for each spatial layer which have higher ones.
    """

    __slots__ = (
        "above",
        "best_first",
        "chains",
        "contained",
        "layers",
        "offset",
        "protected_by",
        "resolutions",
        "templates",
    )

    def __init__(self, offset: int, templates: tuple[Frame, ...]) -> None:
        self.offset = offset
        self.templates = templates
        self.chains = 0
        self.protected_by: tuple[int, ...] = ()
        self.resolutions: tuple[tuple[int, int], ...] = ()
        targets = range(len(templates[0].indications))
        self.layers = tuple(_layers(templates, target) for target in targets)
        self.best_first = tuple(sorted(targets, key=self.layers.__getitem__, reverse=True))
        self.contained = tuple(_contained(templates, target, len(self.layers)) for target in targets)
        self.above = tuple(
            _targets(highest > spatial for highest, _ in self.layers) for spatial in range(MAX_SPATIAL)
        )

    @property
    def every_target(self) -> int:
        """Return the set of all decode targets."""
        return (1 << len(self.layers)) - 1


def _layers(templates: tuple[Frame, ...], target: int) -> tuple[int, int]:
    """Return the highest layers of a decode target (decode_target_layers of §A.8.2)."""
    frames = [frame for frame in templates if frame.indications[target]]
    return (
        max((frame.spatial for frame in frames), default=0),
        max((frame.temporal for frame in frames), default=0),
    )


def _contained(templates: tuple[Frame, ...], target: int, targets: int) -> int:
    lacking = 0
    for frame in templates:
        if not frame.indications[target]:
            lacking |= frame.present
    return ~lacking & ((1 << targets) - 1)


class Descriptor:
    """What the extension of one packet says. `number` is the frame's, modulo 2^16.

    `structure` is the one in force, `attached` whether it came with this packet: then this is the first
    packet of a key frame. `active` is the set of decode targets available from here on, None when
    unchanged.
    """

    __slots__ = (
        "_active_at",
        "_active_bits",
        "_end",
        "active",
        "attached",
        "ends_frame",
        "frame",
        "number",
        "starts_frame",
        "structure",
    )

    def __init__(self, value: bytes, structure: Structure, frame: Frame) -> None:
        self.starts_frame = value[0] >= 0x80
        self.ends_frame = bool(value[0] & 0x40)
        self.number = value[1] << 8 | value[2]
        self.structure = structure
        self.frame = frame
        self.attached = False
        self.active: int | None = None
        self._active_at = _FLAGS_END
        self._active_bits = 0
        self._end = _MANDATORY_BITS

    def announce(self, value: bytes, active: int) -> bytes:
        """Return `value` saying that the decode targets of `active` are available.

        `value` is what this was read from; its numbers may have been moved (`move`).
        """
        at, end = self._active_at, max(self._end, _FLAGS_END)
        bits = int.from_bytes(value, "big") << 5 >> 5 + 8 * len(value) - end
        behind = end - at - self._active_bits
        before = bits >> end - at | _ACTIVE_FLAG << at - _FLAGS_END
        rest = bits & ((1 << behind) - 1)
        width = len(self.structure.layers)
        active &= self.structure.every_target
        return _octets((before << width | active) << behind | rest, at + width + behind)


def _octets(bits: int, size: int) -> bytes:
    """Return `size` bits, filled up with zeros."""
    return (bits << -size % 8).to_bytes((size + 7) // 8, "big")


class Reader:
    """Reads the descriptors of one stream, whose packets may come late or be sent again."""

    __slots__ = ("_since", "_structure")

    def __init__(self) -> None:
        self._structure: Structure | None = None
        self._since = 0

    def read(self, value: bytes, seq: int) -> Descriptor | None:
        """Return what the packet with this number, unwrapped, says; None if that cannot be known."""
        descriptor = read(value, self._structure)
        if descriptor is not None and descriptor.attached and (self._structure is None or seq > self._since):
            self._structure, self._since = descriptor.structure, seq
        return descriptor


def read(value: bytes, structure: Structure | None) -> Descriptor | None:
    """Return what an extension's `value` says, `structure` being the one last seen in its stream."""
    if len(value) == 3 and structure is not None:
        index = (value[0] - structure.offset) & 63
        if index >= len(structure.templates):
            return None
        return Descriptor(value, structure, structure.templates[index])
    try:
        return _read_extended(value, structure)
    except _Malformed:
        return None


def _read_extended(value: bytes, structure: Structure | None) -> Descriptor:
    bits = _Bits(value, _MANDATORY_BITS)
    flags = bits.take(5)
    if flags & _STRUCTURE_FLAG:
        structure = _read_structure(bits)
    if structure is None:
        raise _Malformed
    index = (value[0] - structure.offset) & 63
    if index >= len(structure.templates):
        raise _Malformed
    descriptor = Descriptor(value, structure, structure.templates[index])
    descriptor._active_at = bits.at
    if flags & _STRUCTURE_FLAG:
        descriptor.attached = True
        descriptor.active = structure.every_target
    if flags & _ACTIVE_FLAG:
        descriptor._active_bits = len(structure.layers)
        descriptor.active = bits.take(len(structure.layers))
    if flags & (_CUSTOM_INDICATIONS | _CUSTOM_FRAME_DIFFS | _CUSTOM_CHAIN_DIFFS):
        descriptor.frame = _read_frame(bits, flags, structure, descriptor.frame)
    descriptor._end = bits.at
    return descriptor


def _read_frame(bits: _Bits, flags: int, structure: Structure, template: Frame) -> Frame:
    """Read what a frame has of its own in place of its template's (§A.8.2, frame_dependency_definition)."""
    frame = template.copy()
    if flags & _CUSTOM_INDICATIONS:
        frame.indicate(tuple(bits.take(2) for _ in structure.layers))
    if flags & _CUSTOM_FRAME_DIFFS:
        diffs = []
        while size := bits.take(2):
            diffs.append(bits.take(4 * size) + 1)
        frame.frame_diffs = tuple(diffs)
    if flags & _CUSTOM_CHAIN_DIFFS:
        frame.chain_diffs = tuple(bits.take(8) for _ in range(structure.chains))
    return frame


def _read_structure(bits: _Bits) -> Structure:
    """Read a template_dependency_structure (§A.8.2)."""
    offset = bits.take(6)
    targets = bits.take(5) + 1
    templates = tuple(_read_template_layers(bits))
    for frame in templates:
        frame.indicate(tuple(bits.take(2) for _ in range(targets)))
    for frame in templates:
        diffs = []
        while bits.take(1):
            diffs.append(bits.take(4) + 1)
        frame.frame_diffs = tuple(diffs)
    structure = Structure(offset, templates)
    structure.chains = chains = bits.below(targets + 1)
    if chains:
        structure.protected_by = tuple(bits.below(chains) for _ in range(targets))
        for frame in templates:
            frame.chain_diffs = tuple(bits.take(4) for _ in range(chains))
    if bits.take(1):
        layers = range(templates[-1].spatial + 1)
        structure.resolutions = tuple((bits.take(16) + 1, bits.take(16) + 1) for _ in layers)
    return structure


def _read_template_layers(bits: _Bits) -> list[Frame]:
    """Read the layers of each template (template_layers of §A.8.2)."""
    spatial = temporal = 0
    templates: list[Frame] = []
    following = 0
    while following != 3:
        if len(templates) == MAX_TEMPLATES or spatial == MAX_SPATIAL or temporal == MAX_TEMPORAL:
            raise _Malformed
        templates.append(Frame(spatial, temporal))
        following = bits.take(2)
        if following == 1:
            temporal += 1
        elif following == 2:
            spatial, temporal = spatial + 1, 0
    return templates


def move(value: bytes, frames: int, templates: int) -> bytes:
    """Return `value` with its frame number moved on by `frames` and its template ids by `templates`.

    That is all that tells one source from another: every difference is relative, and the templates of a
    new source must not be taken for those of the last one (§A.8.3, template_id_offset). Works on what
    could not be read, too.
    """
    if len(value) < 3:
        return value
    moved = bytearray(value)
    moved[0] = value[0] & 0xC0 | (value[0] + templates) & 0x3F
    number = (value[1] << 8 | value[2]) + frames
    moved[1], moved[2] = number >> 8 & 0xFF, number & 0xFF
    if len(value) > 4 and value[3] & 0x80:
        offset = ((value[3] & 7) << 3 | value[4] >> 5) + templates
        moved[3] = value[3] & 0xF8 | offset >> 3 & 7
        moved[4] = value[4] & 0x1F | (offset & 7) << 5
    return bytes(moved)
