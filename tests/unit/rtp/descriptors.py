"""Dependency descriptors as publishers put them on the wire, written bit by bit.

"RTP Payload Format For AV1 (v1.0)", §A.8.2. Bits are strings of "0" and "1": slow, and plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


def f(width: int, value: int) -> str:
    """f(n)."""
    assert 0 <= value < 1 << width
    return f"{value:0{width}b}" if width else ""


def ns(limit: int, value: int) -> str:
    """ns(n), after write_ns."""
    if limit == 1:
        return ""
    width = limit.bit_length()
    short = (1 << width) - limit
    return f(width - 1, value) if value < short else f(width, value + short)


@dataclass
class Template:
    spatial: int
    temporal: int
    indications: Sequence[int]
    frame_diffs: Sequence[int] = ()
    chain_diffs: Sequence[int] = ()


@dataclass
class Layout:
    """A frame dependency structure. The templates must be in the order of their layers."""

    templates: Sequence[Template]
    offset: int = 0
    protected_by: Sequence[int] = ()
    resolutions: Sequence[tuple[int, int]] = ()
    targets: int = field(init=False)
    chains: int = field(init=False)

    def __post_init__(self) -> None:
        self.targets = len(self.templates[0].indications)
        self.chains = len(self.templates[0].chain_diffs)

    def bits(self) -> str:
        bits = f(6, self.offset) + f(5, self.targets - 1)
        layers = [(each.spatial, each.temporal) for each in self.templates]
        for layer, following in zip(layers, [*layers[1:], None], strict=True):
            steps = (layer, (layer[0], layer[1] + 1), (layer[0] + 1, 0), None)
            bits += f(2, steps.index(following))
        for each in self.templates:
            bits += "".join(f(2, indication) for indication in each.indications)
        for each in self.templates:
            bits += "".join("1" + f(4, diff - 1) for diff in each.frame_diffs) + "0"
        bits += ns(self.targets + 1, self.chains)
        if self.chains:
            bits += "".join(ns(self.chains, chain) for chain in self.protected_by)
            for each in self.templates:
                bits += "".join(f(4, diff) for diff in each.chain_diffs)
        bits += "1" if self.resolutions else "0"
        return bits + "".join(f(16, width - 1) + f(16, height - 1) for width, height in self.resolutions)


@dataclass
class Written:
    """The fields of one descriptor. None and `attached` False: the field is left to the template."""

    number: int
    template: int
    layout: Layout
    starts: bool = True
    ends: bool = True
    attached: bool = False
    active: int | None = None
    indications: Sequence[int] | None = None
    frame_diffs: Sequence[int] | None = None
    chain_diffs: Sequence[int] | None = None

    def value(self) -> bytes:
        id_ = (self.layout.offset + self.template) % 64
        bits = f(1, self.starts) + f(1, self.ends) + f(6, id_) + f(16, self.number)
        optional = (self.active, self.indications, self.frame_diffs, self.chain_diffs)
        flags = f(1, self.attached) + "".join(f(1, each is not None) for each in optional)
        if "1" in flags:
            bits += flags + (self.layout.bits() if self.attached else "") + self._own_bits()
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")

    def _own_bits(self) -> str:
        bits = "" if self.active is None else f(self.layout.targets, self.active)
        bits += "".join(f(2, each) for each in self.indications or ())
        if self.frame_diffs is not None:
            for diff in self.frame_diffs:
                size = 1 if diff <= 16 else 2 if diff <= 256 else 3
                bits += f(2, size) + f(4 * size, diff - 1)
            bits += "00"
        return bits + "".join(f(8, diff) for diff in self.chain_diffs or ())
