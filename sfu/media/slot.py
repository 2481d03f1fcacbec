"""One receiving m-line of a peer: what is shown in it changes without renegotiation.

A slot keeps its SSRC for life. When its source changes it goes on where it was, so that the
receiver sees one stream: sequence numbers stay contiguous, time moves on as it really did, VP8 and
VP9 picture ids and TL0PICIDX count on. The new source begins at a key frame; until then the old one
plays. Each rule below was seen to break a browser when it was missing.

Of a VP8 layer with temporal layers those above the given one are left out, at once; one is added at a
frame made for it. In other codecs, with spatial layers too, a selection (`sfu.rtp.scalability`) chooses.
The numbers of what is left out are closed up, so that a receiver misses nothing.

The offsets of a source form a `Segment`. Segments are kept for a while, so that a NACK for a packet
from before a cut is still answered, from the history of the layer that sent it.

libsrtp refuses for ever to send once a sequence number has jumped back by 2^15 or more, and loses
packets more than 1024 behind. Neither can be written here: the highest number sent only rises, by
at most `MAX_JUMP`, and packets more than `MAX_BEHIND` below it are dropped.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Protocol

from sfu.congestion.allocation import Option
from sfu.media.layer import Layer
from sfu.media.ports import Drop, Drops, Outlet
from sfu.media.segment import Segment
from sfu.media.track import ALL_SPATIAL, ALL_TEMPORAL, Kind, Track
from sfu.media.translation import NOTHING, Profile
from sfu.rtp import red
from sfu.rtp.packet import Packet, build_extensions
from sfu.rtp.rtcp import SenderReport, ntp_time
from sfu.rtp.scalability import Selection, Verdict
from sfu.rtp.sequence import Seq, nearest, timestamp_distance

MAX_JUMP = 1000
MAX_BEHIND = 500
MAX_SEGMENTS = 128
MAX_HELD = 512
MAX_REPAIRS = 400
REPAIR_WINDOW_S = 0.25
"""At most `MAX_REPAIRS` packets are sent again in each window, whatever the receiver asks."""
MAX_PADDING = 255
LEAST_COPY = 400
"""Packets from this size on are worth sending again as padding."""
PATIENCE_S = 3.0
"""How long the former source stays while the next one owes its key frame."""
CLOCK_LIFE_S = 15.0
"""A publisher's sender report older than this is not believed."""
SELECTED = -1
"""Below every temporal layer: a selection has a say on each packet."""
STALL_S = 0.6
"""A receiver in trouble for this long is given a key frame, whether it asks for one or not."""
SR_TOLERANCE_S = 0.5
"""Sender reports that place a layer this far from real time are not believed."""

_pack = struct.Struct("!BBHII").pack
_M32 = 0xFFFF_FFFF


class SlotState(Enum):
    """What the slot does."""

    EMPTY = auto()
    WAITING = auto()
    PLAYING = auto()
    SWITCHING = auto()


class SlotEvent(Enum):
    """What happens to it."""

    SELECT = auto()
    KEEP = auto()
    BEGIN = auto()
    CLEAR = auto()


TRANSITIONS: dict[SlotState, dict[SlotEvent, SlotState]] = {
    SlotState.EMPTY: {SlotEvent.SELECT: SlotState.WAITING, SlotEvent.CLEAR: SlotState.EMPTY},
    SlotState.WAITING: {
        SlotEvent.SELECT: SlotState.WAITING,
        SlotEvent.BEGIN: SlotState.PLAYING,
        SlotEvent.CLEAR: SlotState.EMPTY,
    },
    SlotState.PLAYING: {
        SlotEvent.SELECT: SlotState.SWITCHING,
        SlotEvent.KEEP: SlotState.PLAYING,
        SlotEvent.CLEAR: SlotState.EMPTY,
    },
    SlotState.SWITCHING: {
        SlotEvent.SELECT: SlotState.SWITCHING,
        SlotEvent.KEEP: SlotState.PLAYING,
        SlotEvent.BEGIN: SlotState.PLAYING,
        SlotEvent.CLEAR: SlotState.EMPTY,
    },
}


@dataclass(frozen=True, slots=True)
class SlotLine:
    """The negotiated m-line of a slot."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    profile: Profile


class Pacer(Protocol):
    """What spreads key frames over time (`sfu.room.pacer`)."""

    def engage(self, now: float) -> None:
        """A key frame begins."""

    def may_repair(self, octets: int, now: float) -> bool:
        """Whether so much may be sent again now, as far as the network is concerned."""

    def send(self, send: Callable[[bytes], None], packet: bytes) -> None:
        """Send a packet when its time has come."""


class Labels(Protocol):
    """Who tells the client what a slot shows."""

    def label(self, slot: "Slot", track: Track | None, rtp_timestamp: int | None) -> None:
        """Say that `slot` shows `track` from `rtp_timestamp` on.

        Video waits for `Slot.release`, with the number of cuts at this time.
        """


def _start(segment: Segment) -> Seq:
    return segment.start


class _Held:
    """Takes a slot's packets while the client has not been told what they show.

    `last` and `last_segment` are the slot's before them, `cut` the one whose label is waited for. More
    than `MAX_HELD` are of no use to anybody.
    """

    __slots__ = ("count", "cut", "last", "last_segment", "packets")

    def __init__(self, last: Packet | None, last_segment: Segment | None) -> None:
        self.last = last
        self.last_segment = last_segment
        self.cut = 0
        self.count = 0
        self.packets: list[bytes] = []

    def send_rtp(self, packet: bytes) -> None:
        self.count += 1
        if self.count <= MAX_HELD:
            self.packets.append(packet)


class Slot:
    """See the module. `start` seeds the first sequence number, timestamp and RTX sequence number.

    `track` is what is to be shown, `height` how high it is drawn, `told` what the client was told,
    `playing` and `target` the layers that it comes from and will come from, `temporal` and `spatial` the
    highest ones in them that are sent, `lossy` whether the path loses much, `red_type` the payload type of
    redundant audio (0: none).
    """

    __slots__ = (
        "_held",
        "_labels",
        "_last",
        "_last_segment",
        "_left_out",
        "_octets",
        "_packets",
        "_redundancy",
        "_repair_window",
        "_repaired",
        "_repairs",
        "_rtx_seq",
        "_segment",
        "_segments",
        "_send",
        "_send_direct",
        "_send_now",
        "_start",
        "_temporal",
        "_translation",
        "_trouble_at",
        "_waiting_since",
        "clock_rate",
        "drops",
        "height",
        "kind",
        "lossy",
        "mid",
        "nacks",
        "nacks_missed",
        "pacer",
        "padding",
        "playing",
        "profile",
        "red_type",
        "retransmitted",
        "rtx_ssrc",
        "spatial",
        "ssrc",
        "stalls",
        "state",
        "switches",
        "target",
        "temporal",
        "told",
        "track",
        "uncovered_loss",
    )

    def __init__(self, line: SlotLine, *, start: int, link: Outlet, labels: Labels) -> None:
        self.mid = line.mid
        self.kind = line.kind
        self.ssrc = line.ssrc
        self.rtx_ssrc = line.rtx_ssrc
        self.profile = line.profile
        self.clock_rate = line.profile.formats[0].clock_rate
        self.state = SlotState.EMPTY
        self.track: Track | None = None
        self.told: Track | None = None
        self.height = 0
        self.playing: Layer | None = None
        self.target: Layer | None = None
        self.drops: Drops = Drops()
        self.nacks = 0
        self.nacks_missed = 0
        self.retransmitted = 0
        self.switches = 0
        self.padding = 0
        self.stalls = 0
        self._trouble_at: float | None = None
        self.temporal = ALL_TEMPORAL
        self.spatial = ALL_SPATIAL
        self._temporal = ALL_TEMPORAL
        self._left_out = -1
        self.red_type = next((f.payload_type for f in line.profile.formats if f.codec == "red"), 0)
        self.uncovered_loss = 0.0
        self.lossy = False
        self._redundancy = 0
        self._held: _Held | None = None
        self._send_direct = link.send_rtp if line.profile.number_id is None else link.send_numbered_rtp
        self._send = self._send_now = self._send_direct
        self.pacer: Pacer | None = None
        self._labels = labels
        self._segment: Segment | None = None
        self._segments: list[Segment] = []
        self._start = start
        self._translation = NOTHING
        self._last: Packet | None = None
        self._last_segment: Segment | None = None
        self._rtx_seq = start >> 8 & 0x7FFF
        self._packets = 0
        self._octets = 0
        self._waiting_since = 0.0
        self._repair_window = 0.0
        self._repairs = 0
        self._repaired: dict[int, None] = {}

    def show(self, track: Track, height: int, now: float) -> None:
        """Show a track, drawn `height` pixels high. Sound plays at once, video as `give` says."""
        if track is not self.track:
            self._waiting_since = now
            if not self.accepts(track):
                self.drops[Drop.NOT_NEGOTIATED] += 1
        self.track = track
        self.height = height
        if self.kind == "audio":
            self.give(track.layers[-1] if track.layers else None, ALL_TEMPORAL, now)

    def give(
        self,
        layer: Layer | None,
        temporal: int,
        now: float,
        *,
        spatial: int = ALL_SPATIAL,
        at_once: bool = False,
    ) -> None:
        """Play a layer from its next key frame on, up to a temporal and a spatial one; None: nothing for now.

        What plays goes on until then; `at_once` it does not, because the network cannot carry it.
        """
        track = self.track
        if track is None:
            return
        if layer is not None and (track.muted or not self.accepts(track)):
            layer = None
        self.temporal, self.spatial = temporal, spatial
        if layer is self.playing:
            self._thin_to(temporal)
        if layer is None or (at_once and layer is not self.playing):
            self.lose()
        if layer is None or layer is self.playing:
            if self.target is not None:
                self._aim(None, SlotEvent.KEEP if self.playing else SlotEvent.CLEAR)
        elif layer is not self.target:
            self._aim(layer, SlotEvent.SELECT)
            track.want_key_frame(layer, now)

    def thin(self) -> None:
        """While a smaller layer is waited for, send only the base of the present one."""
        if self.target is not None:
            self._thin_to(0)

    def _thin_to(self, temporal: int) -> None:
        """Send no more than this temporal layer of what plays."""
        self._temporal = min(self._temporal, temporal)
        if self._segment is not None:
            self._segment.aim(self.spatial, temporal)

    @property
    def spatial_sent(self) -> int:
        """Return the spatial layer of what plays."""
        selection = None if self._segment is None else self._segment.selection
        return 0 if selection is None else max(0, selection.spatial)

    @property
    def waits(self) -> bool:
        """Whether what was given is to begin with a key frame that has not come."""
        return self.target is not None or self._selection_waits

    @property
    def _selection_waits(self) -> bool:
        selection = None if self._segment is None else self._segment.selection
        return self.playing is not None and selection is not None and selection.needs_key_frame

    def _note_trouble(self, now: float) -> None:
        """The receiver may be unable to go on until the next key frame."""
        if self._trouble_at is None:
            self._trouble_at = now

    def spread(self, now: float) -> None:
        """A key frame begins in the playing layer: spread it over time."""
        self._trouble_at = None
        if self.pacer is not None:
            self.pacer.engage(now)

    def pace(self, pacer: Pacer | None) -> None:
        """Send by way of a pacer from now on, or (None) no longer."""
        self._send_now = self._send_direct if pacer is None else partial(pacer.send, self._send_direct)
        if self._held is None:
            self._send = self._send_now

    def options(self, now: float) -> tuple[Option, ...]:
        """Return the ways to show the track here, the least first."""
        track = self.track
        if track is None or track.muted or not self.accepts(track):
            return ()
        options = track.options(now)
        mixed = {layer.rank for layer in track.layers if layer.needs_descriptor}
        if not mixed or track.translation(self.profile).descriptor_id:
            return options
        return tuple(option for option in options if option.spatial == 0 or option.rank not in mixed)

    def accepts(self, track: Track) -> bool:
        """Whether the receiver negotiated any format of the track."""
        return bool(track.translation(self.profile).payload_types)

    def _aim(self, layer: Layer | None, event: SlotEvent) -> None:
        if self.target is not None:
            self.target.remove_waiting(self)
        self.target = layer
        if layer is not None:
            layer.add_waiting(self)
        self.state = TRANSITIONS[self.state][event]

    def clear(self) -> None:
        """Show nothing; the client is told."""
        self.track = None
        self.lose()

    def lose(self) -> None:
        """What plays, or was waited for, ended: wait for the track to begin again.

        The client is told nothing unless it takes what it still has on screen for another track.
        """
        self._aim(None, SlotEvent.CLEAR)
        self._leave()
        if self.told is not self.track:
            self._tell(None, None)

    def _leave(self) -> None:
        """No longer play what plays."""
        if self.playing is not None:
            self._packets += self.playing.packets
            self._octets += sum(self.playing.octets)
            self.playing.remove_playing(self)
            self.playing = None

    @property
    def packets(self) -> int:
        """Return how many packets were sent, repairs and padding not counted.

        All that passed in the layers while they played here, but for what was not sent on.
        """
        return self._packets + (0 if self.playing is None else self.playing.packets)

    @property
    def octets(self) -> int:
        """Return how many octets of payload those packets had."""
        return self._octets + (0 if self.playing is None else sum(self.playing.octets))

    def _omit(self, packet: Packet, reason: Drop) -> None:
        """A packet that passes in the playing layer is not sent on."""
        self.drops[reason] += 1
        self._packets -= 1
        self._octets -= packet.octets

    def _tell(self, track: Track | None, rtp_timestamp: int | None) -> None:
        if track is not self.told:
            self.told = track
            self._labels.label(self, track, rtp_timestamp)

    def tick(self, now: float) -> None:
        """Let go of a former track whose successor owes its key frame too long."""
        if self.kind == "audio" and self.track is not None:
            self.show(self.track, 0, now)
        if self._trouble_at is not None and now - self._trouble_at > STALL_S:
            self._trouble_at = None
            if self.playing is not None:
                self.stalls += 1
                self.playing.track.want_key_frame(self.playing, now)
        if self.playing is not None and self.target is None and self._selection_waits:
            self.playing.track.want_key_frame(self.playing, now)
        if self.told not in (None, self.track) and now - self._waiting_since > PATIENCE_S:
            self._restart(now)

    def _restart(self, now: float) -> None:
        """Wait for the track's next key frame."""
        layer = self.target or self.playing
        self.lose()
        self.give(layer, self.temporal, now, spatial=self.spatial)

    def begin(self, layer: Layer, packet: Packet) -> None:
        """The key frame that was waited for: cut to its layer."""
        track = layer.track
        self._translation = translation = track.translation(self.profile)
        segment = Segment(layer, translation, Seq(self._highest + 1), packet.seq)
        segment.timestamp = self._next_timestamp(layer, packet) - packet.timestamp
        if self._last is not None and self._last_segment is not None:
            segment.continue_counters(self._last, self._last_segment, packet)
        self._left_out = -1
        self._temporal = SELECTED if segment.select(packet.payload) else self.temporal
        segment.aim(self.spatial, self.temporal)
        self._aim(None, SlotEvent.BEGIN)
        self._leave()
        self.playing = layer
        layer.add_playing(self)
        self._packets -= layer.packets - 1
        self._octets -= sum(layer.octets) - packet.octets
        self._append(segment)
        self.switches += 1
        if track is not self.told and self.kind == "video":
            self._hold()
        self._tell(track, (packet.timestamp + segment.timestamp) & _M32)

    def _append(self, segment: Segment) -> None:
        self._segment = segment
        while self._segments and self._segments[-1].start >= segment.start:
            self._segments.pop()
        self._segments.append(segment)
        if len(self._segments) > MAX_SEGMENTS or self._segments[0].start < self._highest - 2 * MAX_BEHIND:
            self._forget()

    def _forget(self) -> None:
        """Drop the segments that end before any packet a receiver may still ask for."""
        oldest = Seq(self._highest - 2 * MAX_BEHIND)
        keep = max(0, bisect_right(self._segments, oldest, key=_start) - 1)
        del self._segments[: max(keep, len(self._segments) - MAX_SEGMENTS)]

    def _next_timestamp(self, layer: Layer, packet: Packet) -> int:
        """Return the timestamp a cut begins with: as much later as time has passed since the last one.

        Between two layers of a track whose sender reports tell the publisher's clock, exactly as
        much later as that clock says, so that sound and picture stay together.
        """
        if self._last is None:
            return self._last_timestamp + 1
        ticks = round((packet.arrival - self._last.frame_arrival) * self.clock_rate)
        if self.kind == "audio":
            frame = self.clock_rate // 50
            return self._last_timestamp + max(frame, frame * round(ticks / frame))
        elapsed = max(1, ticks)
        by_clock = self._elapsed_by_clock(layer, packet)
        if by_clock is not None and abs(by_clock - elapsed) < SR_TOLERANCE_S * self.clock_rate:
            elapsed = max(1, by_clock)
        return self._last_timestamp + elapsed

    def _elapsed_by_clock(self, layer: Layer, packet: Packet) -> int | None:
        """Return the ticks from the last packet sent to `packet` on the publisher's clock, if known."""
        former, segment = self.playing, self._segment
        if former is None or segment is None or former.track is not layer.track:
            return None
        old, new = former.clock, layer.clock
        if old is None or new is None:
            return None
        last = self._last_timestamp - segment.timestamp
        apart = round((new.ntp - old.ntp) * self.clock_rate / 2**32)
        return (
            apart
            + timestamp_distance(packet.timestamp, new.timestamp)
            - timestamp_distance(last & _M32, old.timestamp)
        )

    @property
    def _highest(self) -> int:
        """The highest number sent."""
        if self._last is None or self._last_segment is None:
            return 0x10000 + (self._start & 0x7FFF)
        return self._last.seq + self._last_segment.seq

    @property
    def _last_timestamp(self) -> int:
        """The timestamp of the packet that has it."""
        if self._last is None or self._last_segment is None:
            return self._start & 0x7FFF_FFFF
        return (self._last.timestamp + self._last_segment.timestamp) & _M32

    def forward(self, packet: Packet) -> None:
        """Send one packet of the playing layer: the innermost step of the media path.

        Nearly always it is the next one. Then nothing but `_last` is written: with many receivers, what
        counts here is how much memory is touched for each.
        """
        payload_type = self._translation.payload_types.get(packet.payload_type)
        if payload_type is None:
            self._omit(packet, Drop.NOT_NEGOTIATED)
            self.skip(packet.seq)
            return
        segment, last = self._segment, self._last
        if (
            last is not None
            and segment is not None
            and segment is self._last_segment
            and 0 < packet.seq - last.seq <= MAX_JUMP
            and packet.payload.temporal <= self._temporal
        ):
            self._last, marker = packet, packet.marker
        else:
            segment = self._place(packet)
            if segment is None:
                return
            marker = segment.marker(packet)
        tail = packet.tail
        if self._redundancy:
            tail, payload_type = self._repeat(packet, segment, payload_type), self.red_type
        translation, block, head = self._translation, b"", packet.head
        if segment.rewords:
            block, head = segment.reword(packet)
        elif packet.extension_profile or translation.own:
            block = packet.extension_block(translation.extension_ids, translation.own)
        second, seq = marker | payload_type, packet.seq + segment.seq & 0xFFFF
        timestamp = packet.timestamp + segment.timestamp & _M32
        header = _pack(0x90 if block else 0x80, second, seq, timestamp, self.ssrc)
        self._send(header + block + head + tail)

    def _place(self, packet: Packet) -> Segment | None:
        """Return the segment of a packet that is late, new after a cut, or subject to selection.

        None: it is not sent.
        """
        segment = self._segment
        if segment is None or packet.seq < segment.first:
            segment = self._earlier_segment(packet)
        if segment is None:
            self._omit(packet, Drop.BEFORE_CUT)
            return None
        ahead = packet.seq + segment.seq - self._highest
        if ahead <= 0:
            return self._place_late(packet, segment, -ahead)
        if ahead > MAX_JUMP:
            self._omit(packet, Drop.JUMP)
            self._restart(packet.arrival)
            return None
        if segment is self._segment and not self._selects(packet, segment.selection):
            self._leave_out(packet, segment)
            return None
        self._last, self._last_segment = packet, segment
        return segment

    def _place_late(self, packet: Packet, segment: Segment, behind: int) -> Segment | None:
        if behind > MAX_BEHIND:
            self._omit(packet, Drop.TOO_OLD)
        elif not segment.wants(packet):
            self._omit(packet, Drop.LAYER_LEFT_OUT)
        else:
            return segment
        return None

    def cover(self, loss: float, copies: int) -> None:
        """Guard sound against a loss of this share: by so many copies of each packet (RFC 2198).

        Where the receiver takes none, the publisher's encoder is to know of the loss.
        """
        self._redundancy = copies if self.red_type else 0
        self.uncovered_loss = 0.0 if self.red_type or self.kind == "video" else loss

    def _repeat(self, packet: Packet, segment: Segment, payload_type: int) -> bytes:
        """Return the packet's payload with those before it."""
        blocks = []
        for back in range(self._redundancy, 0, -1):
            earlier = segment.layer.history.get(Seq(packet.seq - back))
            if earlier is not None and earlier.seq >= segment.first and earlier.tail:
                blocks.append((timestamp_distance(packet.timestamp, earlier.timestamp), earlier.tail))
        return red.pack(payload_type, blocks, packet.tail)

    def _selects(self, packet: Packet, selection: Selection | None) -> bool:
        """Whether a new packet belongs to a layer that is sent."""
        if selection is not None:
            return selection.choose(packet.timestamp, packet.payload) is not Verdict.LEAVE_OUT
        return packet.payload.temporal <= self._temporal or self._climb(packet)

    def _climb(self, packet: Packet) -> bool:
        """Send a higher temporal layer from here on, if one is to be sent and can be joined here (VP8).

        Not in the middle of a frame, nor while another layer is waited for: `temporal` is for that one.
        """
        temporal = packet.payload.temporal
        if temporal > self.temporal or self.target is not None:
            return False
        if packet.timestamp == self._left_out or not packet.payload.sync:
            return False
        self._temporal = temporal
        return True

    def _leave_out(self, packet: Packet, segment: Segment) -> None:
        """Do not send a packet of a layer that is not wanted. The numbers go on as if it had not been."""
        self._omit(packet, Drop.LAYER_LEFT_OUT)
        new = packet.payload.numbers_frames and packet.timestamp != self._left_out
        self._left_out = packet.timestamp
        self._append(segment.after_hole(Seq(packet.seq + 1), frames=int(new)))

    def _earlier_segment(self, packet: Packet) -> Segment | None:
        """Return the segment of a packet older than the present one; None when it belongs to none."""
        following = None
        for segment in reversed(self._segments):
            if segment.layer is not self.playing:
                break
            if packet.seq >= segment.first:
                shown = following is None or packet.seq + segment.seq < following.start
                return segment if shown else None
            following = segment
        return None

    def skip(self, seq: Seq) -> None:
        """Close the hole left by a packet of the playing layer that is not forwarded."""
        segment = self._segment
        if segment is not None and seq >= segment.first and seq + segment.seq > self._highest:
            self._append(segment.after_hole(Seq(seq + 1)))

    def nack(self, lost: Iterable[int], now: float) -> None:
        """Answer a NACK from the layers' histories, within the limit; ask for what cannot be served."""
        for seq in lost:
            self.nacks += 1
            out = nearest(seq, Seq(self._highest))
            at = bisect_right(self._segments, out, key=_start) - 1
            if at < 0 or not 0 <= self._highest - out <= MAX_BEHIND:
                self.nacks_missed += 1
                continue
            segment = self._segments[at]
            source = Seq(out - segment.seq)
            packet = segment.layer.history.get(source)
            if packet is None:
                self.nacks_missed += 1
                self._note_trouble(now)
                if source not in segment.layer.missing and segment.layer is self.playing:
                    segment.layer.track.request_key_frame(segment.layer, now)
            else:
                for _ in range(self._copies_of(out)):
                    if self._may_repair(packet.octets, now):
                        self.retransmitted += 1
                        self._retransmit(packet, segment, out)
                    else:
                        self._note_trouble(now)

    def _copies_of(self, out: int) -> int:
        """Return how often to send a packet again.

        Twice if it was lost before, lest its frame waits for ever; and where the path loses much.
        """
        again = out in self._repaired
        self._repaired[out] = None
        if len(self._repaired) > MAX_BEHIND:
            del self._repaired[next(iter(self._repaired))]
        return 2 if again or self.lossy else 1

    def _may_repair(self, octets: int, now: float) -> bool:
        if now - self._repair_window >= REPAIR_WINDOW_S:
            self._repair_window, self._repairs = now, 0
        self._repairs += 1
        if self._repairs <= MAX_REPAIRS and (self.pacer is None or self.pacer.may_repair(octets, now)):
            return True
        self.drops[Drop.REPAIR_LIMIT] += 1
        return False

    def _retransmit(self, packet: Packet, segment: Segment, out: int) -> None:
        """Send a packet once more, as RTX (RFC 4588 §4) where that was negotiated, else as it was."""
        translation = segment.translation
        payload_type = translation.payload_types.get(packet.payload_type)
        if payload_type is None:
            self.nacks_missed += 1
            return
        seq = out & 0xFFFF
        ssrc, original = self.ssrc, b""
        rtx = translation.rtx_payload_types.get(packet.payload_type)
        if rtx is not None and self.rtx_ssrc is not None:
            self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
            original = seq.to_bytes(2, "big")
            payload_type, seq, ssrc = rtx, self._rtx_seq, self.rtx_ssrc
        block, head = segment.reword(packet)
        timestamp = (packet.timestamp + segment.timestamp) & _M32
        second = segment.marker(packet) | payload_type
        header = _pack(0x90 if block else 0x80, second, seq, timestamp, ssrc)
        send = self._send_direct if self._held is None else self._send
        send(header + block + original + head + packet.tail)

    def pad(self, octets: int) -> int:
        """Send at most `octets`, or a little more, of what the receiver needs not; return how many were sent.

        A copy of the last packet is worth most; less than one is filled with plain padding (RFC 4588,
        RFC 3550 §5.1), which no decoder sees. 0 where there is no RTX stream to carry it.
        """
        rtx = next((f.rtx_payload_type for f in self.profile.formats if f.rtx_payload_type is not None), None)
        if rtx is None or self.rtx_ssrc is None or self._held is not None:
            return 0
        last, segment = self._last, self._last_segment
        worth = self.playing is not None and last is not None and octets >= last.octets >= LEAST_COPY
        if worth and last is not None and segment is not None:
            self._retransmit(last, segment, self._highest)
            self.padding += last.octets
            return last.octets
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
        block = build_extensions(list(self.profile.own))
        first = 0xB0 if block else 0xA0
        header = _pack(first, rtx, self._rtx_seq, self._last_timestamp & _M32, self.rtx_ssrc)
        self._send_direct(header + block + bytes(MAX_PADDING - 1) + bytes((MAX_PADDING,)))
        self.padding += MAX_PADDING
        return MAX_PADDING

    def request_key_frame(self, now: float) -> None:
        """The receiver cannot decode."""
        self._note_trouble(now)
        if self.playing is not None:
            self.playing.track.request_key_frame(self.playing, now)

    def _hold(self) -> None:
        if self._held is None:
            self._held = _Held(self._last, self._last_segment)
            self._send = self._held.send_rtp
        self._held.cut = self.switches

    def release(self, cut: int | None = None) -> None:
        """The client knows what the slot shows since its `cut`th cut: send what was held back.

        What is held for a later cut stays; without a number, nothing does. If it became too much, the
        slot begins anew, with the numbers that were not used.
        """
        held = self._held
        if held is None or cut not in (None, held.cut):
            return
        self._held = None
        self._send = self._send_now
        if held.count > MAX_HELD:
            self.drops[Drop.HELD_TOO_LONG] += held.count
            self._packets -= held.count
            self._last, self._last_segment = held.last, held.last_segment
            self.lose()
        else:
            for packet in held.packets:
                self._send(packet)

    def sender_report(self, unix_s: float, now: float) -> SenderReport | None:
        """Return the slot's clock at Unix time `unix_s`, which is monotonic `now`; None before it played."""
        if self._last is None:
            return None
        captured = self._captured(now)
        elapsed = round((now - self._last.frame_arrival) * self.clock_rate)
        return SenderReport(
            ssrc=self.ssrc,
            ntp=ntp_time(unix_s),
            timestamp=(self._last_timestamp + elapsed if captured is None else captured) & _M32,
            packets=self.packets,
            octets=self.octets,
        )

    @property
    def clock(self) -> tuple[int, float] | None:
        """Return a timestamp of the slot, and when its publisher captured it by its own clock, in ms."""
        playing, segment = self.playing, self._segment
        if playing is None or segment is None or playing.clock is None:
            return None
        return (playing.clock.timestamp + segment.timestamp) & _M32, playing.clock.ntp / 2**32 * 1000

    def _captured(self, now: float) -> int | None:
        """Return the timestamp of what the publisher captures `now`, by its own clock, if it told it."""
        playing, segment = self.playing, self._segment
        if playing is None or segment is None or playing.clock is None:
            return None
        offset_s = playing.track.capture.offset_s
        if offset_s is None:
            return None
        since_report_s = now - offset_s - playing.clock.ntp / 2**32
        if abs(since_report_s) > CLOCK_LIFE_S:
            return None
        return playing.clock.timestamp + round(since_report_s * self.clock_rate) + segment.timestamp
