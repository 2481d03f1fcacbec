"""Which packets of one scalable stream a receiver is sent: never a frame without what it refers to.

A scalable stream has all its spatial and temporal layers under one SSRC. A selection is told how far
its receiver wants to go (`aim`) and decides packet by packet, in the order of their numbers (`choose`);
of packets that come late or are sent again it knows what became of their frame (`recall`). It goes
down at the beginning of a picture; it goes up where the stream allows that, which for a spatial layer
is mostly a key frame. It knows nothing of tracks, slots or numbers to be closed up, only of descriptors:
so it lives beside them, and the simulator and the slots share it.

There is one for each way a stream may speak of its layers: `DescriptorSelection`, for all codecs,
from the dependency descriptor, and `IndicesSelection` from the VP9 payload descriptor. Both keep the
same two things: which layers the receiver could go on with, because it was sent all they refer to, and
how far the present picture got. Packets that never came do not count against a layer: they will be
repaired, or a key frame asked for, elsewhere.

A receiver decodes a picture when it has seen the marker bit, which the encoder puts on the last packet
of all layers. If the layers above are left out, it must be put on the last packet that is sent. That
packet cannot be recognised where a layer above might still turn out to be wanted; then the encoder's
own marker is trusted, unless the last picture had a layer above, which then cannot be joined yet.
"""

from enum import Enum, auto

from sfu.rtp.dependency_descriptor import Descriptor, Frame, Structure
from sfu.rtp.payload import Indices, Payload

HIGHEST = 7
"""Every layer, spatial or temporal, however many there are."""
MAX_PAST = 256
"""So many frames are remembered, for packets that come late or are sent again."""
_NUMBERS = 1 << 16
_WINDOW = (1 << 4097) - 1
"""A frame refers to one at most 4096 back (§A.8.2 of the dependency descriptor)."""


class Verdict(Enum):
    """What becomes of a packet. `END`: forwarded, with the marker bit."""

    LEAVE_OUT = auto()
    FORWARD = auto()
    END = auto()


class _Selection:
    """What both selections keep of the present picture, all packets with one RTP timestamp.

    `spatial` is the highest spatial layer that is sent, -1 before the first; `_limit` the one wanted.
    `_sends` and `_ends`: whether the present frame is sent, and whether the picture ends with it;
    `_ended`: it did. `_top` is the highest layer the picture has had so far, sent or not, `_top_before`
    that of the last picture. `_past` has `_sends` and `_ends` of the last frames, by timestamp and layer.
    """

    __slots__ = (
        "_ended",
        "_ends",
        "_limit",
        "_past",
        "_sends",
        "_spatial_aim",
        "_temporal_aim",
        "_timestamp",
        "_top",
        "_top_before",
        "spatial",
    )

    def __init__(self) -> None:
        self.spatial = -1
        self._limit = HIGHEST
        self._spatial_aim = self._temporal_aim = HIGHEST
        self._timestamp = -1
        self._sends = self._ends = self._ended = False
        self._top = self._top_before = -1
        self._past: dict[tuple[int, int], tuple[bool, bool]] = {}

    def aim(self, spatial: int, temporal: int) -> None:
        """Want the layers up to these from the next picture on, as far as there are any."""
        self._spatial_aim = spatial
        self._temporal_aim = temporal

    @property
    def needs_key_frame(self) -> bool:
        """Whether the layer wanted cannot be reached without one, as far as can be told."""
        return self.spatial > self._limit or self.spatial < min(self._limit, self._top_before)

    def _turn(self, timestamp: int, *, is_key: bool) -> None:
        """Begin a picture. What could not be sent of the last one can be, of a key picture."""
        self._timestamp = timestamp
        self._ended = False
        self._top_before = -1 if is_key else self._top
        self._top = -1

    def _place(self, spatial: int, *, sends: bool) -> None:
        """Begin a frame of this layer."""
        self._sends = sends
        self._ends = self._is_end(spatial)
        self._top = max(self._top, spatial)
        self._past[self._timestamp, spatial] = sends, self._ends
        if len(self._past) > MAX_PAST:
            del self._past[next(iter(self._past))]

    def _is_end(self, spatial: int) -> bool:
        return spatial == self.spatial and (spatial >= self._limit or spatial < self._top_before)

    def _verdict(self, ends_frame: bool) -> Verdict:
        if not self._sends:
            return Verdict.LEAVE_OUT
        if ends_frame and self._ends:
            self._ended = True
            return Verdict.END
        return Verdict.FORWARD

    def _recall(self, timestamp: int, spatial: int, ends_frame: bool) -> Verdict:
        """Return what becomes of a packet of a former frame; if none of it came yet, as of those since."""
        past = self._past.get((timestamp, spatial))
        sends, ends = (spatial <= self.spatial, self._is_end(spatial)) if past is None else past
        if not sends:
            return Verdict.LEAVE_OUT
        return Verdict.END if ends_frame and ends else Verdict.FORWARD


class DescriptorSelection(_Selection):
    """Selects by dependency descriptors (appendix A of "RTP Payload Format For AV1").

    A decode target is *clean* when the receiver was sent every frame that its later frames need: it
    becomes so with a switch indication in a frame that can be decoded, and is no more once a frame that
    is not discardable for it is left out. One may change to a clean target at any time. Chains say the
    same of their most basic frames only, and nothing that this does not know without packet loss; so they
    are not followed.

    `_target` is the decode target sent, -1 for none; `_wanted` are those within the aim, the best first,
    and `_least_first` all that are active, as was `_asked` for. `_left_out` has bit k for the frame k
    before the last, and for all before the first. `announces` is the set of decode targets that the
    packets sent must say are available; None as long as what the publisher says of them is true of what
    is sent.
    """

    __slots__ = (
        "_active",
        "_asked",
        "_clean",
        "_least_first",
        "_left_out",
        "_number",
        "_structure",
        "_target",
        "_wanted",
        "announces",
    )

    def __init__(self) -> None:
        super().__init__()
        self.announces: int | None = None
        self._structure: Structure | None = None
        self._active = 0
        self._clean = 0
        self._left_out = _WINDOW
        self._number = 0
        self._target = -1
        self._asked: tuple[Structure, int, int, int] | None = None
        self._wanted: list[int] = []
        self._least_first: list[int] = []

    def choose(self, timestamp: int, payload: Payload) -> Verdict:
        """Return what becomes of a packet with this RTP timestamp and descriptor."""
        descriptor = payload.descriptor
        if descriptor is None:
            return Verdict.FORWARD
        if self._structure is None:
            self._number = descriptor.number - 1
        ahead = (descriptor.number - self._number) % _NUMBERS
        if ahead >= _NUMBERS // 2:
            return self.recall(timestamp, payload)
        if ahead:
            self._left_out = self._left_out << ahead & _WINDOW
            self._number = descriptor.number
            self._begin_frame(timestamp, descriptor)
        return self._verdict(descriptor.ends_frame)

    def recall(self, timestamp: int, payload: Payload) -> Verdict:
        """Return what becomes of a packet that comes late, or is sent again. Changes nothing."""
        descriptor = payload.descriptor
        if descriptor is None:
            return Verdict.FORWARD
        return self._recall(timestamp, descriptor.frame.spatial, descriptor.ends_frame)

    def _begin_frame(self, timestamp: int, descriptor: Descriptor) -> None:
        frame = descriptor.frame
        if descriptor.structure is not self._structure:
            self._follow(descriptor.structure)
        if descriptor.active is not None:
            self._active = descriptor.active
        switchable = self._switchable(frame)
        usable = (self._clean | switchable) & self._active
        if timestamp != self._timestamp:
            self._turn(timestamp, is_key=descriptor.attached)
            self._choose_target(descriptor.structure, usable)
        elif not self._ended:
            self._climb(descriptor.structure, usable)
        self._place(frame.spatial, sends=self._target >= 0 and bool(frame.present >> self._target & 1))
        if self._sends:
            self._clean |= switchable
            if descriptor.attached and self.announces == self._active:
                self.announces = None
        else:
            self._left_out |= 1
            self._clean &= ~frame.needed

    def _follow(self, structure: Structure) -> None:
        """Go by a new structure. Mostly it is the same again, for a key frame or one layer of it."""
        if self._structure is None or structure.layers != self._structure.layers:
            self._clean = 0
            self._target = -1
        self._structure = structure
        self._active = structure.every_target

    def _switchable(self, frame: Frame) -> int:
        """Return the decode targets that become clean if this frame is sent."""
        if frame.switches & ~self._clean:
            for diff in frame.frame_diffs:
                if self._left_out >> diff & 1:
                    return 0
        return frame.switches

    def _choose_target(self, structure: Structure, usable: int) -> None:
        """Take the best target within the aim; while none is usable, the least above it that is."""
        asked = (structure, self._active, self._spatial_aim, self._temporal_aim)
        if asked != self._asked:
            self._asked = asked
            self._list_targets(structure)
        for target in (*self._wanted, *self._least_first):
            if usable >> target & 1:
                self._send(structure, target)
                return

    def _list_targets(self, structure: Structure) -> None:
        active = [target for target in structure.best_first if self._active >> target & 1]
        within = [target for target in active if self._is_within_aim(structure, target)]
        self._least_first = active[::-1]
        self._wanted = within or active[-1:]
        self._limit = structure.layers[self._wanted[0]][0] if active else -1

    def _climb(self, structure: Structure, usable: int) -> None:
        """Take a better target in the midst of a picture, if one can be joined."""
        for target in self._wanted:
            if target == self._target:
                return
            if usable >> target & 1:
                self._send(structure, target)
                return

    def _is_within_aim(self, structure: Structure, target: int) -> bool:
        spatial, temporal = structure.layers[target]
        return spatial <= self._spatial_aim and temporal <= self._temporal_aim

    def _send(self, structure: Structure, target: int) -> None:
        self._target = target
        self.spatial = structure.layers[target][0]
        available = structure.contained[target] & self._active
        if self.announces is not None or available != self._active:
            self.announces = available


class IndicesSelection(_Selection):
    """Selects by the layer indices of VP9 (RFC 9628 §4.2).

    `_reach` has for each spatial layer the highest temporal layer that the receiver could go on with, -1
    for none. It falls below the temporal layer of a frame that is left out. It rises at a frame that
    refers to no other picture, and to the top at one that says it is a switching-up point; in all layers
    at a key picture that says how many it has. A layer that the stream no longer has begins anew.
    `_temporal` is the highest temporal layer that is sent.

    Where spatial layers depend on each other only in key pictures, those below the one that is sent
    are left out, as they say themselves that they are no reference.
    """

    __slots__ = ("_is_key", "_layers", "_left_out", "_present", "_reach", "_temporal")

    def __init__(self) -> None:
        super().__init__()
        self._reach = [-1] * (HIGHEST + 1)
        self._layers = HIGHEST + 1
        self._temporal = HIGHEST
        self._left_out = 0
        self._present = -1
        self._is_key = False

    def choose(self, timestamp: int, payload: Payload) -> Verdict:
        """Return what becomes of a packet with this RTP timestamp and payload descriptor."""
        indices = payload.indices
        if indices is None:
            return Verdict.FORWARD
        if timestamp != self._timestamp:
            self._begin_picture(timestamp, len(payload.sizes), indices)
        if indices.spatial != self._present:
            self._begin_frame(indices)
        return self._verdict(indices.ends_frame)

    def recall(self, timestamp: int, payload: Payload) -> Verdict:
        """Return what becomes of a packet that comes late, or is sent again. Changes nothing."""
        indices = payload.indices
        if indices is None:
            return Verdict.FORWARD
        return self._recall(timestamp, indices.spatial, indices.ends_frame)

    def _begin_picture(self, timestamp: int, layers: int, indices: Indices) -> None:
        self._is_key = indices.spatial == 0 and not indices.inter_picture
        self._turn(timestamp, is_key=self._is_key)
        self._present = -1
        self._left_out = 0
        self._layers = layers or self._layers
        self._limit = min(self._spatial_aim, self._layers - 1)
        if self._is_key:
            self._reach = [HIGHEST if layer < layers else -1 for layer in range(HIGHEST + 1)]
            self._temporal = self._temporal_aim
            self.spatial = 0
            return
        if layers:
            self._reach[layers:] = [-1] * (HIGHEST + 1 - layers)
        usable = [layer for layer in range(self._limit + 1) if self._reach[layer] >= 0]
        self.spatial = usable[-1] if usable else self.spatial
        self._temporal = min(self._temporal_aim, self._reach[self.spatial]) if usable else 0

    def _begin_frame(self, indices: Indices) -> None:
        spatial, temporal = indices.spatial, indices.temporal
        self._present = spatial
        sends = self._is_wanted(indices) and self._is_decodable(indices)
        if not sends:
            self._left_out |= 1 << spatial
            self._reach[spatial] = min(self._reach[spatial], temporal - 1)
        else:
            self.spatial = max(self.spatial, spatial)
            reach = HIGHEST if self._is_key or indices.switching_up else temporal
            self._reach[spatial] = max(self._reach[spatial], reach)
        self._place(spatial, sends=sends)

    def _is_wanted(self, indices: Indices) -> bool:
        if indices.temporal > self._temporal:
            return False
        if indices.spatial > self.spatial:
            return indices.spatial <= self._limit and not self._ended
        return indices.spatial == self.spatial or indices.reference

    def _is_decodable(self, indices: Indices) -> bool:
        """Whether all that the frame refers to was sent. Of a new layer, only the base is a beginning."""
        if indices.inter_layer and self._left_out << 1 >> indices.spatial & 1:
            return False
        begins = indices.temporal == 0 and not indices.inter_picture
        return begins or indices.temporal <= self._reach[indices.spatial]


Selection = DescriptorSelection | IndicesSelection
