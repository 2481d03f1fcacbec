"""One receiving m-line of a peer: what is shown in it changes without renegotiation.

A slot keeps its SSRC for life. When its source changes it goes on where it was, so that the
receiver sees one stream: sequence numbers stay contiguous, time moves on as it really did, VP8 and
VP9 picture ids and TL0PICIDX count on. The new source begins at a key frame; until then the old one
plays. Each rule below was seen to break a browser when it was missing.

The offsets of a source form a `Segment`. Segments are kept for a while, so that a NACK for a packet
from before a cut is still answered, from the history of the layer that sent it.

libsrtp refuses for ever to send once a sequence number has jumped back by 2^15 or more, and loses
packets more than 1024 behind. Neither can be written here: the highest number sent only rises, by
at most `MAX_JUMP`, and packets more than `MAX_BEHIND` below it are dropped.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from sfu.media.layer import Layer
from sfu.media.ports import Drop, Drops, Outlet
from sfu.media.track import Kind, Track
from sfu.media.translation import Profile, Translation
from sfu.rtp.packet import Packet
from sfu.rtp.rtcp import SenderReport, ntp_time
from sfu.rtp.sequence import Seq, nearest, timestamp_distance

MAX_JUMP = 1000
MAX_BEHIND = 500
MAX_SEGMENTS = 128
MAX_HELD = 512
MAX_REPAIRS = 400
REPAIR_WINDOW_S = 0.25
"""At most `MAX_REPAIRS` packets are sent again in each window, whatever the receiver asks."""
PATIENCE_S = 3.0
"""How long the former source stays while the next one owes its key frame."""
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


class Labels(Protocol):
    """Who tells the client what a slot shows."""

    def label(self, slot: "Slot", track: Track | None, rtp_timestamp: int | None) -> None:
        """Say that `slot` shows `track` from `rtp_timestamp` on.

        Video waits for `Slot.release`, with the number of cuts at this time.
        """


class Segment:
    """A run of packets of one layer with the same offsets. `start` is its first number in the slot."""

    __slots__ = (
        "counters_move",
        "first",
        "layer",
        "picture_id",
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

    def after_hole(self, first: Seq) -> "Segment":
        """Return the segment that goes on at `first`, one packet of the layer having been left out."""
        following = Segment(self.layer, self.translation, Seq(first - 1 + self.seq), first)
        following.timestamp, following.picture_id, following.tl0 = self.timestamp, self.picture_id, self.tl0
        following.counters_move = self.counters_move
        return following


def _start(segment: Segment) -> Seq:
    return segment.start


class _Held:
    """Takes a slot's packets while the client has not been told what they show.

    `before` is the slot's highest number before them, `cut` the one whose label is waited for. More
    than `MAX_HELD` are of no use to anybody.
    """

    __slots__ = ("before", "count", "cut", "packets")

    def __init__(self, before: int) -> None:
        self.before = before
        self.cut = 0
        self.count = 0
        self.packets: list[bytes] = []

    def send_rtp(self, packet: bytes) -> None:
        self.count += 1
        if self.count <= MAX_HELD:
            self.packets.append(packet)


class Slot:
    """See the module. `start` seeds the first sequence number, timestamp and RTX sequence number.

    `track` is what is to be shown, `told` what the client was told, `playing` and `target` the layers
    that it comes from and will come from.
    """

    __slots__ = (
        "_held",
        "_highest",
        "_labels",
        "_last",
        "_last_time",
        "_last_timestamp",
        "_link",
        "_octets",
        "_repair_window",
        "_repairs",
        "_rtx_seq",
        "_segment",
        "_segments",
        "_send",
        "_waiting_since",
        "clock_rate",
        "drops",
        "height",
        "kind",
        "mid",
        "nacks",
        "nacks_missed",
        "packets",
        "playing",
        "profile",
        "retransmitted",
        "rtx_ssrc",
        "ssrc",
        "state",
        "switches",
        "target",
        "told",
        "track",
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
        self.packets = 0
        self.nacks = 0
        self.nacks_missed = 0
        self.retransmitted = 0
        self.switches = 0
        self._link = link
        self._held: _Held | None = None
        self._send = link.send_rtp
        self._labels = labels
        self._segment: Segment | None = None
        self._segments: list[Segment] = []
        self._highest: int = 0x10000 + (start & 0x7FFF)
        self._last_timestamp = start & 0x7FFF_FFFF
        self._last_time: float | None = None
        self._last: Packet | None = None
        self._rtx_seq = start >> 8 & 0x7FFF
        self._octets = 0
        self._waiting_since = 0.0
        self._repair_window = 0.0
        self._repairs = 0

    def show(self, track: Track, height: int, now: float) -> None:
        """Show a track, in the layer that suits `height` pixels; called again as layers come and go."""
        if track is not self.track:
            self._waiting_since = now
        self.track = track
        self.height = height
        layer = self._layer_of(track, now)
        if layer is None or layer is self.playing:
            if self.target is not None:
                self._aim(None, SlotEvent.KEEP if self.playing else SlotEvent.CLEAR)
        elif layer is not self.target:
            self._aim(layer, SlotEvent.SELECT)
            track.want_key_frame(layer, now)

    def _layer_of(self, track: Track, now: float) -> Layer | None:
        """Return the layer to show of a track; None while there is none that could be sent."""
        if track.muted:
            return None
        if not track.translation(self.profile).payload_types:
            self.drops[Drop.NOT_NEGOTIATED] += 1
            return None
        return track.choose_layer(self.height, now)

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
        if self.playing is not None:
            self.playing.remove_playing(self)
            self.playing = None
        if self.told is not self.track:
            self._tell(None, None)

    def _tell(self, track: Track | None, rtp_timestamp: int | None) -> None:
        if track is not self.told:
            self.told = track
            self._labels.label(self, track, rtp_timestamp)

    def tick(self, now: float) -> None:
        """Follow the track's layers; let go of a former track whose successor owes its key frame too long."""
        track = self.track
        if track is None:
            return
        self.show(track, self.height, now)
        if self.told not in (None, track) and now - self._waiting_since > PATIENCE_S:
            self._restart(now)

    def _restart(self, now: float) -> None:
        """Wait for the track's next key frame."""
        self.lose()
        if self.track is not None:
            self.show(self.track, self.height, now)

    def begin(self, layer: Layer, packet: Packet) -> None:
        """The key frame that was waited for: cut to its layer."""
        track = layer.track
        segment = Segment(layer, track.translation(self.profile), Seq(self._highest + 1), packet.seq)
        segment.timestamp = self._next_timestamp(layer, packet) - packet.timestamp
        if self._last is not None and self._segment is not None:
            segment.continue_counters(self._last, self._segment, packet)
        self._aim(None, SlotEvent.BEGIN)
        if self.playing is not None:
            self.playing.remove_playing(self)
        self.playing = layer
        layer.add_playing(self)
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
        if self._last_time is None:
            return self._last_timestamp + 1
        ticks = round((packet.arrival - self._last_time) * self.clock_rate)
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

    def forward(self, packet: Packet) -> None:
        """Send one packet of the playing layer: the innermost step of the media path."""
        segment = self._segment
        if segment is None or packet.seq < segment.first:
            segment = self._earlier_segment(packet)
            if segment is None:
                self.drops[Drop.BEFORE_CUT] += 1
                return
        translation = segment.translation
        payload_type = translation.payload_types.get(packet.payload_type)
        if payload_type is None:
            self.drops[Drop.NOT_NEGOTIATED] += 1
            self.skip(packet.seq)
            return
        out = packet.seq + segment.seq
        timestamp = (packet.timestamp + segment.timestamp) & _M32
        ahead = out - self._highest
        if ahead > MAX_JUMP:
            self._restart(packet.arrival)
            return
        if ahead > 0:
            self._highest = out
            self._last = packet
            if timestamp != self._last_timestamp:
                self._last_timestamp = timestamp
                self._last_time = packet.arrival
        elif ahead < -MAX_BEHIND:
            self.drops[Drop.TOO_OLD] += 1
            return
        block = packet.extension_block(translation.extension_ids) if packet.extension_profile else b""
        head = segment.reword(packet) if segment.counters_move else packet.head
        second = packet.marker | payload_type
        header = _pack(0x90 if block else 0x80, second, out & 0xFFFF, timestamp, self.ssrc)
        self._send(header + block + head + packet.tail)
        self.packets += 1
        self._octets += packet.octets

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
                if source not in segment.layer.missing and segment.layer is self.playing:
                    segment.layer.track.request_key_frame(segment.layer, now)
            elif self._may_repair(now):
                self._retransmit(packet, segment, out)

    def _may_repair(self, now: float) -> bool:
        if now - self._repair_window >= REPAIR_WINDOW_S:
            self._repair_window, self._repairs = now, 0
        self._repairs += 1
        if self._repairs <= MAX_REPAIRS:
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
        self.retransmitted += 1
        seq = out & 0xFFFF
        ssrc, original = self.ssrc, b""
        rtx = translation.rtx_payload_types.get(packet.payload_type)
        if rtx is not None and self.rtx_ssrc is not None:
            self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
            original = seq.to_bytes(2, "big")
            payload_type, seq, ssrc = rtx, self._rtx_seq, self.rtx_ssrc
        block = packet.extension_block(translation.extension_ids)
        timestamp = (packet.timestamp + segment.timestamp) & _M32
        header = _pack(0x90 if block else 0x80, packet.marker | payload_type, seq, timestamp, ssrc)
        self._send(header + block + original + segment.reword(packet) + packet.tail)

    def request_key_frame(self, now: float) -> None:
        """The receiver cannot decode."""
        if self.playing is not None:
            self.playing.track.request_key_frame(self.playing, now)

    def _hold(self) -> None:
        if self._held is None:
            self._held = _Held(self._highest)
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
        self._send = self._link.send_rtp
        if held.count > MAX_HELD:
            self.drops[Drop.HELD_TOO_LONG] += held.count
            self._highest = held.before
            self.lose()
        else:
            for packet in held.packets:
                self._send(packet)

    def sender_report(self, unix_s: float, now: float) -> SenderReport | None:
        """Return the slot's clock at Unix time `unix_s`, which is monotonic `now`; None before it played."""
        if self._last_time is None:
            return None
        elapsed = round((now - self._last_time) * self.clock_rate)
        return SenderReport(
            ssrc=self.ssrc,
            ntp=ntp_time(unix_s),
            timestamp=(self._last_timestamp + elapsed) & _M32,
            packets=self.packets,
            octets=self._octets,
        )
