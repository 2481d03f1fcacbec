"""One RTP stream of a track: counted, kept for repairs, and fanned out to the slots it plays in."""

from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING

from sfu.media.ports import Drop, Drops
from sfu.rtp.history import History
from sfu.rtp.missing import MissingPackets
from sfu.rtp.packet import Packet
from sfu.rtp.payload import READERS
from sfu.rtp.reception import Reception
from sfu.rtp.rtcp import ReportBlock, SenderReport
from sfu.rtp.sequence import Seq, Unwrapper, nearest

if TYPE_CHECKING:
    from sfu.media.slot import Slot
    from sfu.media.track import Track

HISTORY_PACKETS = {"audio": 128, "video": 512}
ALIVE_S = 1.5
"""A layer that sent nothing for this long is not chosen while another one sends."""
MAX_LATE = 50
"""Packets; redundancy reaches back less."""
MOST_REPORTED_LOSS = 0.25
RATE_SAMPLES = 6
"""Samples, one each quarter of a second, over which a layer's rate is measured."""
LEAST_MEASURED_S = 0.4
WARM_SAMPLES = 14
"""So many samples after its start an encoder has reached the rate it goes on with."""
RESUME_S = 1.5
"""How long a layer that its publisher was asked for again counts as alive before it comes."""
TEMPORAL_LAYERS = 8
GUESS_BPS_PER_SQUARE = 3.0
"""A layer not measured yet is taken to need this much for each square of its height in pixels."""
GUESS_BPS = 500_000.0


class Layer:
    """A stream, named by its RID (None for a track with a single stream).

    `rank` orders the layers of a track, the smallest picture first. `packets` and `octets` (by temporal
    layer) were passed to its slots.
    """

    __slots__ = (
        "_frame_timestamp",
        "_known_rates",
        "_measured",
        "_playing",
        "_samples",
        "_unwrapper",
        "_waiting",
        "clock",
        "clock_at",
        "drops",
        "expected_until",
        "frame_arrival",
        "history",
        "key_frame_at",
        "last_arrival",
        "missing",
        "octets",
        "packets",
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
        self.last_arrival = self.frame_arrival = self.key_frame_at = self.expected_until = float("-inf")
        self.wants_key_frame = False
        self.drops: Drops = Drops()
        self.packets = 0
        self.octets = [0] * TEMPORAL_LAYERS
        self._frame_timestamp: int | None = None
        self._known_rates: list[float] = []
        self._measured = 0
        self._samples: deque[tuple[float, list[int]]] = deque(maxlen=RATE_SAMPLES)
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
        if packet.timestamp != self._frame_timestamp:
            self._frame_timestamp, self.frame_arrival = packet.timestamp, packet.arrival
        packet.frame_arrival = self.frame_arrival
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

    def lacks(self, seq: int) -> bool:
        """Whether the packet with these 16 bits, not long ago or next to come, is not here yet."""
        highest = Seq(self.reception.highest)
        unwrapped = nearest(seq, highest)
        if not self.reception.received or highest - unwrapped >= MAX_LATE:
            return False
        return self.history.get(unwrapped) is None

    def _forward(self, packet: Packet, codec: str) -> None:
        voice = self.track.voice
        if voice is not None:
            voice.hear(packet)
        packet.part(READERS[codec](packet.data, packet.payload_start, packet.payload_end))
        self.packets += 1
        self.octets[packet.payload.temporal] += packet.octets
        if packet.payload.key_frame:
            self.wants_key_frame = False
            self.key_frame_at = packet.arrival
            for slot in self._waiting:
                slot.begin(self, packet)
            for slot in self._playing:
                slot.spread(packet.arrival)
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

    def measure(self, now: float) -> None:
        """Take a sample of what was received; every quarter of a second. A pause is not measured."""
        if self.is_paused or now - self.last_arrival > ALIVE_S:
            self._samples.clear()
            return
        self._samples.append((now, self.octets.copy()))
        self._measured += 1
        (began, before), (ended, after) = self._samples[0], self._samples[-1]
        if ended - began >= LEAST_MEASURED_S:
            octets = [last - first for last, first in zip(after, before, strict=True)]
            while len(octets) > 1 and not octets[-1]:
                octets.pop()
            self._known_rates = [total * 8 / (ended - began) for total in accumulate(octets)]

    def rates(self, height: float) -> list[float]:
        """Return the bit rate up to each temporal layer there is, as last measured; else a guess.

        In its first seconds an encoder still warms up: it is taken to need what was guessed, at least.
        """
        guess = GUESS_BPS_PER_SQUARE * height * height or GUESS_BPS
        known = self._known_rates
        if not known:
            return [guess]
        if self._measured < WARM_SAMPLES and 0 < known[-1] < guess:
            return [bps * guess / known[-1] for bps in known]
        return known

    @property
    def known_bps(self) -> float | None:
        """Return the bit rate last measured, if any was."""
        return self._known_rates[-1] if self._known_rates else None

    @property
    def is_watched(self) -> bool:
        """Whether the layer plays in a slot, or will."""
        return bool(self._playing or self._waiting)

    def is_alive(self, now: float) -> bool:
        """Whether packets came lately, or are about to."""
        return now - self.last_arrival < ALIVE_S or now < self.expected_until

    @property
    def is_paused(self) -> bool:
        """Whether the publisher was told that nobody needs the layer. It comes if it is asked for."""
        return self.rank not in self.track.sending

    def set_clock(self, report: SenderReport, now: float) -> None:
        """Note the publisher's sender report."""
        self.clock, self.clock_at = report, now
        self.track.capture.note(report.ntp, now)

    def report_block(self, now: float) -> ReportBlock:
        """Return what a receiver report says of this layer since the last one.

        Of sound it tells the worst loss on the way to those who hear it and have nothing else against
        it, so that the publisher's encoder adds error correction.
        """
        clock = self.clock
        beyond = max((slot.uncovered_loss for slot in self._playing), default=0.0)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=max(
                self.reception.take_fraction_lost(), int(256 * min(beyond, MOST_REPORTED_LOSS))
            ),
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
