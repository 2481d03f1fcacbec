"""A run of a slot's packets that come from one layer with the same offsets."""

from sfu.media.layer import Layer
from sfu.media.translation import Translation
from sfu.rtp.packet import MARKER, Packet
from sfu.rtp.scalability import IndicesSelection, Verdict
from sfu.rtp.sequence import Seq


class Segment:
    """A run of packets of one layer with the same offsets. `start` is its first number in the slot.

    `selection` chooses among the packets of a scalable stream (VP9); all segments since a cut share it.
    """

    __slots__ = (
        "counters_move",
        "first",
        "layer",
        "picture_id",
        "selection",
        "seq",
        "start",
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
        self.counters_move = False
        self.selection: IndicesSelection | None = None

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
        """Let picture id and TL0PICIDX of `packet`, the first here, follow those of the last one sent."""
        before, now = last.payload, packet.payload
        if now.picture_id >= 0 and before.picture_id >= 0:
            self.picture_id = before.picture_id + former.picture_id + 1 - now.picture_id
        if now.tl0 >= 0 and before.tl0 >= 0:
            self.tl0 = before.tl0 + former.tl0 + 1 - now.tl0
        self.counters_move = bool(self.picture_id or self.tl0)

    def reword(self, packet: Packet) -> bytes:
        """Return the packet's payload descriptor with its counters continued."""
        if packet.payload.size and self.counters_move:
            return packet.payload.rewrite(packet.head, self.picture_id, self.tl0)
        return packet.head

    def after_hole(self, first: Seq, *, frames: int = 0) -> "Segment":
        """Return the segment that goes on at `first`, one packet of the layer having been left out.

        With it, `frames` more frames of a codec that numbers them without gaps.
        """
        following = Segment(self.layer, self.translation, Seq(first - 1 + self.seq), first)
        following.timestamp, following.tl0 = self.timestamp, self.tl0
        following.picture_id = self.picture_id - frames
        following.counters_move = bool(following.picture_id or following.tl0)
        following.selection = self.selection
        return following
