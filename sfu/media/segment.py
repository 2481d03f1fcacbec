"""A run of a slot's packets that come from one layer with the same offsets."""

from sfu.media.layer import Layer
from sfu.media.translation import Translation
from sfu.rtp import dependency_descriptor
from sfu.rtp.packet import MARKER, MAX_EXTENSION, Packet, build_extensions
from sfu.rtp.payload import Payload
from sfu.rtp.scalability import DescriptorSelection, IndicesSelection, Selection, Verdict
from sfu.rtp.sequence import Seq

_TEMPLATE_IDS = 64


class Segment:
    """A run of packets of one layer with the same offsets. `start` is its first number in the slot.

    `selection` chooses among the packets of a scalable stream; all segments since a cut share it. `rewords`:
    its packets have something in them that must be rewritten for the receiver, beside the header: counters,
    or a dependency descriptor.
    """

    __slots__ = (
        "first",
        "frame",
        "layer",
        "picture_id",
        "rewords",
        "selection",
        "seq",
        "start",
        "template",
        "timestamp",
        "tl0",
        "translation",
    )

    def __init__(self, layer: Layer, translation: Translation, start: Seq, first: Seq) -> None:
        self.layer = layer
        self.translation = translation
        self.start = start
        self.first = first
        self.seq = start - first
        self.timestamp = 0
        self.picture_id = 0
        self.tl0 = 0
        self.frame = 0
        self.template = 0
        self.rewords = False
        self.selection: Selection | None = None

    def select(self, payload: Payload) -> bool:
        """Choose among the packets from now on, if what `payload`, of the first, says is enough for it."""
        if payload.descriptor is not None:
            self.selection = DescriptorSelection()
            self.rewords |= bool(self.translation.descriptor_id)
        elif payload.indices is not None:
            self.selection = IndicesSelection()
        return self.selection is not None

    def aim(self, spatial: int, temporal: int) -> None:
        """Choose the layers up to these.

        Where only the descriptor tells spatial layers apart, who does not get it gets the lowest alone.
        """
        if self.selection is None:
            return
        takes_all = isinstance(self.selection, IndicesSelection) or self.translation.descriptor_id
        self.selection.aim(spatial if takes_all else 0, temporal)

    def wants(self, packet: Packet) -> bool:
        """Whether a packet that comes late belongs to a layer that was sent."""
        selection = self.selection
        if selection is None:
            return True
        return selection.recall(packet.timestamp, packet.payload) is not Verdict.LEAVE_OUT

    def marker(self, packet: Packet) -> int:
        """Return the marker bit of a packet that was sent, or comes late."""
        selection = self.selection
        if selection is not None and selection.recall(packet.timestamp, packet.payload) is Verdict.END:
            return MARKER
        return packet.marker

    def continue_counters(self, last: Packet, former: "Segment", packet: Packet) -> None:
        """Let the counters of `packet`, the first here, follow those of the last one sent.

        They are picture id and TL0PICIDX, frame numbers and template ids.
        """
        before, now = last.payload, packet.payload
        if now.picture_id >= 0 and before.picture_id >= 0:
            self.picture_id = before.picture_id + former.picture_id + 1 - now.picture_id
        if now.tl0 >= 0 and before.tl0 >= 0:
            self.tl0 = before.tl0 + former.tl0 + 1 - now.tl0
        if now.descriptor is not None and before.descriptor is not None:
            structure = before.descriptor.structure
            self.frame = before.descriptor.number + former.frame + 1 - now.descriptor.number
            free = structure.offset + former.template + len(structure.templates)
            self.template = (free - now.descriptor.structure.offset) % _TEMPLATE_IDS
        self.rewords |= bool(self.picture_id or self.tl0)

    def reword(self, packet: Packet) -> tuple[bytes, bytes]:
        """Return the packet's extension block and payload descriptor, as the receiver is to have them."""
        payload, translation = packet.payload, self.translation
        head = packet.head
        if payload.size and (self.picture_id or self.tl0):
            head = payload.rewrite(head, self.picture_id, self.tl0)
        if payload.descriptor is None or not translation.descriptor_id:
            return packet.extension_block(translation.extension_ids, translation.own), head
        theirs = packet.translate_extensions(translation.extension_ids)
        described = translation.descriptor_id, self._descriptor(packet, payload.descriptor)
        return build_extensions([*translation.own, *theirs, described]), head

    def _descriptor(self, packet: Packet, descriptor: dependency_descriptor.Descriptor) -> bytes:
        """Return the packet's dependency descriptor: what it says, and which decode targets are sent."""
        value = packet.extension(self.layer.track.descriptor_id) or b""
        value = dependency_descriptor.move(value, self.frame, self.template)
        announces = self.selection.announces if isinstance(self.selection, DescriptorSelection) else None
        told = value if announces is None else descriptor.announce(value, announces)
        return told if len(told) <= MAX_EXTENSION else value

    def after_hole(self, first: Seq, *, frames: int = 0) -> "Segment":
        """Return the segment that goes on at `first`, one packet of the layer having been left out.

        With it, `frames` more frames of a codec that numbers them without gaps.
        """
        following = Segment(self.layer, self.translation, Seq(first - 1 + self.seq), first)
        following.timestamp, following.tl0 = self.timestamp, self.tl0
        following.picture_id = self.picture_id - frames
        following.frame, following.template = self.frame, self.template
        following.rewords = self.rewords or bool(frames)
        following.selection = self.selection
        return following
