"""One RTP stream of a track: counted, kept for repairs, and fanned out to the slots it plays in."""

from typing import TYPE_CHECKING

from sfu.media.ports import Drop, Drops
from sfu.rtp.history import History
from sfu.rtp.missing import MissingPackets
from sfu.rtp.packet import Packet
from sfu.rtp.payload import READERS
from sfu.rtp.reception import Reception
from sfu.rtp.rtcp import ReportBlock, SenderReport
from sfu.rtp.sequence import Seq, Unwrapper

if TYPE_CHECKING:
    from sfu.media.slot import Slot
    from sfu.media.track import Track

HISTORY_PACKETS = {"audio": 128, "video": 512}
ALIVE_S = 1.5
"""A layer that sent nothing for this long is not chosen while another one sends."""


class Layer:
    """A stream, named by its RID (None for a track with a single stream).

    `rank` orders the layers of a track, the smallest picture first.
    """

    __slots__ = (
        "_playing",
        "_unwrapper",
        "_waiting",
        "clock",
        "clock_at",
        "drops",
        "history",
        "key_frame_at",
        "last_arrival",
        "missing",
        "rank",
        "reception",
        "rid",
        "ssrc",
        "track",
        "wants_key_frame",
    )

    def __init__(self, track: "Track", *, rid: str | None, rank: int, ssrc: int) -> None:
        self.track = track
        self.rid = rid
        self.rank = rank
        self.ssrc = ssrc
        self.history = History(HISTORY_PACKETS[track.kind])
        self.missing = MissingPackets()
        self.reception = Reception(track.clock_rate)
        self.clock: SenderReport | None = None
        self.clock_at = 0.0
        self.last_arrival = self.key_frame_at = float("-inf")
        self.wants_key_frame = False
        self.drops: Drops = Drops()
        self._unwrapper = Unwrapper()
        self._playing: tuple[Slot, ...] = ()
        self._waiting: tuple[Slot, ...] = ()

    def receive(self, packet: Packet, *, repaired: bool = False) -> None:
        """Take a packet of this stream: count it, keep it, forward it."""
        track = self.track
        format_ = track.formats.get(packet.payload_type)
        if format_ is None:
            self.drops[Drop.UNKNOWN_PAYLOAD_TYPE] += 1
            return
        packet.seq = seq = self._unwrapper.unwrap(packet.seq)
        if not repaired:
            self.reception.arrived(seq, packet.timestamp, len(packet.data), packet.arrival)
        self.last_arrival = packet.arrival
        if not self.history.store(packet):
            self.drops[Drop.DUPLICATE] += 1
            return
        if track.repairable and not self.missing.arrived(seq, packet.arrival):
            track.want_key_frame(self, packet.arrival)
        if not packet.octets:
            self._skip(seq)
        elif track.muted:
            self.drops[Drop.MUTED] += 1
        else:
            self._forward(packet, format_.codec)

    def _forward(self, packet: Packet, codec: str) -> None:
        voice = self.track.voice
        if voice is not None:
            voice.hear(packet)
        packet.part(READERS[codec](packet.data, packet.payload_start, packet.payload_end))
        if packet.payload.key_frame:
            self.wants_key_frame = False
            self.key_frame_at = packet.arrival
            for slot in self._waiting:
                slot.begin(self, packet)
        for slot in self._playing:
            slot.forward(packet)

    def _skip(self, seq: Seq) -> None:
        """Close the hole that a packet without payload would leave."""
        self.drops[Drop.PADDING] += 1
        for slot in self._playing:
            slot.skip(seq)

    def add_waiting(self, slot: "Slot") -> None:
        """Let a slot begin here at the next key frame."""
        self._waiting = (*self._waiting, slot)

    def remove_waiting(self, slot: "Slot") -> None:
        """Undo `add_waiting`."""
        self._waiting = tuple(other for other in self._waiting if other is not slot)

    def add_playing(self, slot: "Slot") -> None:
        """Forward to a slot from the next packet on (or the present one, while it begins)."""
        self._playing = (*self._playing, slot)

    def remove_playing(self, slot: "Slot") -> None:
        """Undo `add_playing`."""
        self._playing = tuple(other for other in self._playing if other is not slot)

    @property
    def is_watched(self) -> bool:
        """Whether the layer plays in a slot, or will."""
        return bool(self._playing or self._waiting)

    def is_alive(self, now: float) -> bool:
        """Whether packets came lately."""
        return now - self.last_arrival < ALIVE_S

    def set_clock(self, report: SenderReport, now: float) -> None:
        """Note the publisher's sender report."""
        self.clock, self.clock_at = report, now

    def report_block(self, now: float) -> ReportBlock:
        """Return what a receiver report says of this layer since the last one."""
        clock = self.clock
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=self.reception.take_fraction_lost(),
            lost=self.reception.lost,
            highest=self.reception.highest,
            jitter=int(self.reception.jitter),
            lsr=0 if clock is None else clock.ntp >> 16 & 0xFFFF_FFFF,
            dlsr=0 if clock is None else int((now - self.clock_at) * 65536) & 0xFFFF_FFFF,
        )

    def close(self) -> None:
        """Stop in every slot."""
        for slot in (*self._playing, *self._waiting):
            slot.lose()
