"""A little encoder of scalable streams: no pictures, but true references, and what it says of them.

It knows for certain which frame refers to which, so that a test can tell what a receiver can decode.
It says so twice: by VP9 layer indices and by dependency descriptors.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sfu.rtp.dependency_descriptor import (
    DISCARDABLE,
    NOT_PRESENT,
    REQUIRED,
    SWITCH,
    Descriptor,
    Structure,
)
from sfu.rtp.dependency_descriptor import read as read_descriptor
from sfu.rtp.payload import Payload, read_vp9
from tests.unit.rtp.descriptors import Layout, Template, Written

PATTERNS = {1: [0], 2: [0, 1], 3: [0, 2, 1, 2]}


@dataclass(frozen=True)
class Mode:
    """A scalability mode. `every_picture`: spatial layers depend on each other in all pictures, else in
    key pictures only. `chained`: a temporal layer refers to its own last frame, too, so that none above
    the base can be joined without a key picture.
    """

    spatial: int
    temporal: int
    every_picture: bool = True
    chained: bool = False


MODES = {
    "L1T3": Mode(1, 3),
    "L3T1": Mode(3, 1),
    "L3T3": Mode(3, 3),
    "L3T3_KEY": Mode(3, 3, every_picture=False),
    "L2T2_KEY": Mode(2, 2, every_picture=False),
    "L2T3 chained": Mode(2, 3, chained=True),
}


@dataclass(frozen=True)
class Packet:
    """One packet, as both descriptors speak of it. `frame` is the frame's number, unwrapped.

    `body` is the payload with the VP9 descriptor.
    """

    frame: int
    timestamp: int
    marker: bool
    payload: Payload
    descriptor: bytes
    body: bytes


@dataclass(frozen=True)
class EncodedFrame:
    """A frame, the numbers of those it refers to, and its packets."""

    number: int
    spatial: int
    temporal: int
    references: frozenset[int]
    packets: tuple[Packet, ...]


class Encoder:
    """Makes pictures, each a list of frames from the lowest spatial layer on."""

    def __init__(self, mode: Mode, number: int = 65_500) -> None:
        self.mode = mode
        self._number = number
        self._picture = 0
        self._step = 0
        self._layers = 0
        self._last: dict[tuple[int, int], int] = {}
        self._chain: dict[int, int] = {}
        self._targets = [(s, t) for s in range(mode.spatial) for t in range(mode.temporal)]
        self._plans = [
            _Plan(0, s, t, set(), set(), key, changed=False)
            for s, t in self._targets
            for key in ((True, False) if t == 0 else (False,))
        ]
        templates = [
            Template(
                plan.spatial,
                plan.temporal,
                [self._indication(plan, *target) for target in self._targets],
                (),
                [0] * mode.spatial,
            )
            for plan in self._plans
        ]
        self._layout = Layout(templates, 60, [s for s, _ in self._targets])

    def encode(self, layers: int, *, key: bool = False) -> list[EncodedFrame]:
        """Return the next picture, in so many spatial layers.

        Where they depend on each other in all pictures, a layer can come or go with any picture of the
        temporal base; else only with a key picture.
        """
        pattern = PATTERNS[self.mode.temporal]
        key = key or not self._layers
        self._step = 0 if key else (self._step + 1) % len(pattern)
        temporal = pattern[self._step]
        if key or (temporal == 0 and self.mode.every_picture):
            for layer in range(self._layers, layers):
                self.forget(layer)
            changed, self._layers = self._layers != layers, layers
        else:
            changed = False
        if key:
            self._last.clear()
        self._picture += 1
        return [self._frame(spatial, temporal, key, changed) for spatial in range(self._layers)]

    def forget(self, layer: int) -> None:
        """Let the next frame of a spatial layer refer to none before it."""
        for temporal in range(self.mode.temporal):
            self._last.pop((layer, temporal), None)

    def _frame(self, spatial: int, temporal: int, key: bool, changed: bool) -> EncodedFrame:
        self._number += 1
        own = self._own_references(spatial, temporal)
        inter_layer = {self._number - 1} if spatial and (key or self.mode.every_picture) else set()
        plan = _Plan(self._number, spatial, temporal, own, inter_layer, key, changed)
        packets = tuple(self._packets(plan))
        self._last[spatial, temporal] = self._number
        if temporal == 0:
            highest = self.mode.spatial if key or self.mode.every_picture else spatial + 1
            self._chain.update(dict.fromkeys(range(spatial, highest), self._number))
        return EncodedFrame(self._number, spatial, temporal, frozenset(own | inter_layer), packets)

    def _own_references(self, spatial: int, temporal: int) -> set[int]:
        """Return what a frame refers to of its own layer: the last frame below it; or, chained, all."""
        if (spatial, 0) not in self._last:
            return set()
        reached = range(temporal + 1 if self.mode.chained else temporal or 1)
        references = {self._last[spatial, each] for each in reached if (spatial, each) in self._last}
        return references if self.mode.chained else {max(references)}

    def _packets(self, plan: "_Plan") -> Iterator[Packet]:
        count = 1 + plan.number % 3
        sizes = [self._layers - 1 << 5] if plan.spatial == 0 and (plan.key or plan.changed) else []
        for at in range(count):
            first, last = at == 0, at == count - 1
            body = bytes(self._vp9_head(plan, first, last) + (sizes if first else []) + [0x82])
            if sizes and first:
                body = bytes((body[0] | 0x02,)) + body[1:]
            descriptor = self._descriptor(plan, first, last).value()
            marker = last and plan.spatial == self._layers - 1
            said = read_vp9(body, 0, len(body))
            yield Packet(plan.number, self._picture * 3000, marker, said, descriptor, body)

    def _vp9_head(self, plan: "_Plan", first: bool, last: bool) -> list[int]:
        """Return a payload descriptor in flexible mode, but for the sizes behind it (RFC 9628 §4.2)."""
        referred_to = plan.spatial + 1 < self._layers and (plan.key or self.mode.every_picture)
        flags = 0xB0 | (0x40 if plan.own else 0) | (not referred_to)
        flags |= (0x08 if first else 0) | (0x04 if last else 0)
        layers = (
            plan.temporal << 5 | (not self.mode.chained) << 4 | plan.spatial << 1 | bool(plan.inter_layer)
        )
        head = [flags, 0x80 | self._picture >> 8 & 0x7F, self._picture & 0xFF, layers]
        return head + ([0x02] if plan.own else [])

    def _descriptor(self, plan: "_Plan", first: bool, last: bool) -> Written:
        begins = first and plan.spatial == 0
        root = plan.key and plan.spatial == 0
        chains = [
            0 if root else plan.number - self._chain.get(c, plan.number) for c in range(self.mode.spatial)
        ]
        return Written(
            plan.number % (1 << 16),
            self._plans.index(_Plan(0, plan.spatial, plan.temporal, set(), set(), plan.key, changed=False)),
            self._layout,
            first,
            last,
            attached=plan.key and begins,
            active=(1 << self._layers * self.mode.temporal) - 1
            if begins and (plan.key or plan.changed)
            else None,
            indications=[self._indication(plan, *target) for target in self._targets],
            frame_diffs=sorted(plan.number - each for each in plan.own | plan.inter_layer),
            chain_diffs=[min(each, 255) for each in chains],
        )

    def _indication(self, plan: "_Plan", spatial: int, temporal: int) -> int:
        """Return what a frame is to the decode target of these layers, as browsers say it."""
        if plan.spatial > spatial or plan.temporal > temporal:
            return NOT_PRESENT
        if plan.spatial < spatial:
            return SWITCH if plan.key else REQUIRED if self.mode.every_picture else NOT_PRESENT
        if self.mode.chained:
            return REQUIRED if not plan.key and plan.temporal < temporal else SWITCH
        return DISCARDABLE if plan.temporal and plan.temporal == temporal else SWITCH


@dataclass(frozen=True)
class _Plan:
    """A frame to be made: `own` and `inter_layer` are what it refers to."""

    number: int
    spatial: int
    temporal: int
    own: set[int]
    inter_layer: set[int]
    key: bool
    changed: bool


class Reader:
    """Reads the descriptors of a stream's packets, as far as their structure came."""

    def __init__(self) -> None:
        self._structure: Structure | None = None

    def read(self, packet: Packet) -> Descriptor | None:
        descriptor = read_descriptor(packet.descriptor, self._structure)
        if descriptor is not None:
            self._structure = descriptor.structure
        return descriptor
