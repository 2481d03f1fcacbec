"""One RTP stream of a track: counted, kept for repairs, and fanned out to the slots it plays in."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sfu.media.ports import Drop, Drops
from sfu.rtp import dependency_descriptor
from sfu.rtp.history import History
from sfu.rtp.missing import MissingPackets
from sfu.rtp.packet import Packet
from sfu.rtp.payload import READERS, Indices, Payload, describe
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


@dataclass(frozen=True, slots=True)
class _Sample:
    """What had passed in a layer by `now`: octets by temporal layer, and by the layers of their frames."""

    now: float
    octets: list[int]
    octets_of: dict[Indices, int]

    def since(self, before: "_Sample") -> list[list[int]]:
        """Return the octets for each spatial layer since a sample before this, by temporal layer.

        Those below a spatial layer belong to it as far as it refers to them.
        """
        passed = {frame: total - before.octets_of.get(frame, 0) for frame, total in self.octets_of.items()}
        top = max((frame.spatial for frame, octets in passed.items() if octets), default=0)
        if not top:
            octets = [last - first for last, first in zip(self.octets, before.octets, strict=True)]
            return [_without_tail(octets)]
        needed = [[0] * TEMPORAL_LAYERS for _ in range(top + 1)]
        for frame, octets_passed in passed.items():
            needed[frame.spatial][frame.temporal] += octets_passed
            if frame.reference:
                for above in needed[frame.spatial + 1 :]:
                    above[frame.temporal] += octets_passed
        return [_without_tail(octets) for octets in needed]


def _without_tail(octets: list[int]) -> list[int]:
    """Return the octets without the temporal layers that have none."""
    return octets[: max((at + 1 for at, each in enumerate(octets) if each), default=1)]


class Layer:
    """A stream, named by its RID (None for a track with a single stream).

    `rank` orders the layers of a track, the smallest picture first. `packets` and `octets` (by temporal
    layer) were passed to its slots; `octets_of` has them by what is said of the layers of their frames.
    `needs_descriptor`: a receiver can tell its spatial layers apart only by the dependency descriptor.
    """

    __slots__ = (
        "_descriptors",
        "_frame_timestamp",
        "_known_rates",
        "_measured",
        "_playing",
        "_samples",
        "_sizes",
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
        "needs_descriptor",
        "octets",
        "octets_of",
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
        self.octets_of: dict[Indices, int] = {}
        self._known_rates: list[list[float]] = []
        self._measured = 0
        self._samples: deque[_Sample] = deque(maxlen=RATE_SAMPLES)
        self._sizes: tuple[tuple[int, int], ...] = ()
        self._descriptors = dependency_descriptor.Reader()
        self.needs_descriptor = False
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
        track = self.track
        voice = track.voice
        if voice is not None:
            voice.hear(packet)
        payload = READERS[codec](packet.data, packet.payload_start, packet.payload_end)
        if track.descriptor_id and not payload.size:
            payload = self._describe(packet, payload)
        packet.part(payload)
        self.packets += 1
        self.octets[payload.temporal] += packet.octets
        if payload.indices is not None:
            self.octets_of[payload.indices] = self.octets_of.get(payload.indices, 0) + packet.octets
            self._sizes = payload.sizes or self._sizes
        if payload.key_frame:
            self.wants_key_frame = False
            self.key_frame_at = packet.arrival
            for slot in self._waiting:
                slot.begin(self, packet)
            for slot in self._playing:
                slot.spread(packet.arrival)
        for slot in self._playing:
            slot.forward(packet)

    def _describe(self, packet: Packet, payload: Payload) -> Payload:
        """Return what the payload says together with the packet's dependency descriptor, if it has one."""
        value = packet.extension(self.track.descriptor_id)
        descriptor = None if value is None else self._descriptors.read(value, packet.seq)
        if descriptor is None:
            return payload
        self.needs_descriptor = True
        return describe(payload, descriptor)

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
        self._samples.append(_Sample(now, self.octets.copy(), self.octets_of.copy()))
        self._measured += 1
        before, after = self._samples[0], self._samples[-1]
        elapsed = after.now - before.now
        if elapsed >= LEAST_MEASURED_S:
            self._known_rates = [
                [total * 8 / elapsed for total in accumulate(octets)] for octets in after.since(before)
            ]

    @property
    def spatial_shares(self) -> Sequence[float]:
        """Return how high the picture of each spatial layer is beside that of the highest."""
        count = max(1, len(self._known_rates))
        heights = [height for _, height in self._sizes[:count]]
        if len(heights) < count or not all(heights):
            return [0.5 ** (count - 1 - spatial) for spatial in range(count)]
        full = max(height for _, height in self._sizes)
        return [height / full for height in heights]

    def rates(self, spatial: int, height: float) -> list[float]:
        """Return the bit rate up to each temporal layer of a spatial one, as last measured; else a guess.

        In its first seconds an encoder still warms up: it is taken to need what was guessed, at least.
        """
        guess = GUESS_BPS_PER_SQUARE * height * height or GUESS_BPS
        if not self._known_rates:
            return [guess]
        known = self._known_rates[spatial]
        if self._measured < WARM_SAMPLES and 0 < known[-1] < guess:
            return [bps * guess / known[-1] for bps in known]
        return known

    @property
    def known_bps(self) -> float | None:
        """Return the bit rate last measured, if any was."""
        return self._known_rates[-1][-1] if self._known_rates else None

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
