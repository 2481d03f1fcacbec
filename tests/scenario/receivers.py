"""What clients make of what they are sent: a jitter buffer with NACKs, a decoder that needs key frames.

A picture insists on what browsers insist on: every packet's label came before it; timestamps go
forward; picture ids go up by one. It notes every frame, so that scenarios can ask what was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sfu.rtp import rtcp
from sfu.rtp.packet import Packet, restore
from sfu.rtp.payload import read_vp8
from sfu.rtp.sequence import Seq, nearest, timestamp_distance
from sfu.signaling.plan import SlotPlan
from tests.scenario import plans
from tests.scenario.publishers import BODY

if TYPE_CHECKING:
    from tests.scenario.world import Client

NACK_EVERY_S = 0.1
GIVE_UP_S = 1.0
PLI_EVERY_S = 0.5


@dataclass(frozen=True)
class Frame:
    """A decoded frame."""

    at: float
    track: str
    layer: int
    number: int
    key: bool
    timestamp: int


@dataclass(frozen=True)
class Part:
    """What one packet holds."""

    track: str
    layer: int
    number: int
    index: int
    count: int
    key: bool
    timestamp: int
    picture_id: int


class Picture:
    """A video slot at its client."""

    def __init__(self, client: "Client", slot: SlotPlan) -> None:
        self.mid = slot.mid
        self.ssrc = slot.ssrc
        self.rtx_ssrc = slot.rtx_ssrc
        self.frames: list[Frame] = []
        self.broken = 0
        self.skipped = 0
        self.may_skip = False
        self.repaired = 0
        self.plis = 0
        self._client = client
        self._highest: Seq | None = None
        self._next = Seq(0)
        self._buffer: dict[int, Part] = {}
        self._missing: dict[int, tuple[float, float]] = {}
        self._frame: list[Part] = []
        self._last: Part | None = None
        self._decoded: Part | None = None
        self._asked_at = 0.0

    @property
    def _now(self) -> float:
        return self._client.world.now

    def receive(self, packet: Packet) -> None:
        if packet.ssrc == self.rtx_ssrc:
            assert packet.payload_type == plans.THEIR_VP8_RTX
            original = restore(packet, ssrc=self.ssrc, payload_type=plans.THEIR_VP8)
            assert original is not None
            packet = original
        assert packet.payload_type == plans.THEIR_VP8
        if self._highest is None:
            self._highest = Seq(packet.seq - 1)
            self._next = Seq(packet.seq)
        out = nearest(packet.seq, self._highest)
        for missing in range(self._highest + 1, out):
            self._missing[missing] = (self._now, 0.0)
        self._highest = max(self._highest, out)
        self.repaired += self._missing.pop(out, None) is not None
        if out >= self._next and out not in self._buffer:
            self._buffer[out] = part = _part(packet)
            self._check_label(part)
        self._drain()

    def _check_label(self, part: Part) -> None:
        """The packet's label was there before it: the last one that begins no later."""
        if self._client.outbox.end is not None:
            return
        labels = self._client.labels.get(self.mid, [])
        current = None
        for label in labels:
            begins = label.rtp_timestamp
            if begins is None or timestamp_distance(part.timestamp, begins) >= 0:
                current = label.track if label.track is not None else current
        assert current == part.track, f"{part.track} came labelled as {current}"

    def _drain(self) -> None:
        while self._next in self._buffer:
            part = self._buffer.pop(self._next)
            self._next = Seq(self._next + 1)
            self._check_order(part)
            self._take(part)

    def _check_order(self, part: Part) -> None:
        last, self._last = self._last, part
        if last is None:
            return
        same_frame = part.timestamp == last.timestamp
        assert timestamp_distance(part.timestamp, last.timestamp) >= 0
        if not self.skipped and not self.may_skip:
            assert (part.picture_id - last.picture_id) & 0x7FFF == (0 if same_frame else 1)

    def _take(self, part: Part) -> None:
        if self._frame and self._frame[0].timestamp != part.timestamp:
            self._frame.clear()
        self._frame.append(part)
        if len(self._frame) == part.count:
            self._frame.clear()
            self._decode(part)

    def _decode(self, part: Part) -> None:
        last = self._decoded
        follows = last is not None and (last.track, last.layer, last.number + 1) == (
            part.track,
            part.layer,
            part.number,
        )
        if part.key or follows:
            self._decoded = part
            self.frames.append(
                Frame(self._now, part.track, part.layer, part.number, part.key, part.timestamp)
            )
        else:
            self.broken += 1
            self._ask_for_key_frame()

    def tick(self) -> None:
        """Ask for what is missing; give up what does not come."""
        wanted = []
        for seq, (since, asked) in list(self._missing.items()):
            if self._now - since > GIVE_UP_S:
                self._give_up(seq)
            elif self._now - asked > NACK_EVERY_S:
                self._missing[seq] = (since, self._now)
                wanted.append(seq)
        if wanted:
            self._client.send_rtcp(rtcp.nack(1, self.ssrc, wanted))

    def _give_up(self, seq: int) -> None:
        del self._missing[seq]
        self.skipped += 1
        if seq == self._next:
            self._next = Seq(seq + 1)
            self._frame.clear()
            self._drain()
        self._ask_for_key_frame()

    def _ask_for_key_frame(self) -> None:
        if self._now - self._asked_at > PLI_EVERY_S:
            self._asked_at = self._now
            self.plis += 1
            self._client.send_rtcp(rtcp.picture_loss(1, self.ssrc))

    # --- what was seen ----------------------------------------------------------------------------

    def layers(self, since: float = 0.0) -> list[int]:
        """Return the layers that were seen, each change once."""
        seen = [frame.layer for frame in self.frames if frame.at >= since]
        return [layer for at, layer in enumerate(seen) if at == 0 or seen[at - 1] != layer]

    def longest_gap(self, since: float = 0.0) -> float:
        """Return the longest time without a new frame, up to now."""
        times = [frame.at for frame in self.frames if frame.at >= since] + [self._now]
        return max((after - before for before, after in pairwise(times)), default=self._now - since)


def _part(packet: Packet) -> Part:
    payload = read_vp8(packet.data, packet.payload_start, packet.payload_end)
    at = packet.payload_start + payload.size + 1
    layer, number, index, count, key = BODY.unpack_from(packet.data, at)
    track = packet.data[at + BODY.size :].decode()
    return Part(track, layer, number, index, count, key, packet.timestamp, payload.picture_id)


class Sound:
    """An audio slot at its client. Time goes forward by whole packets of 20 ms."""

    def __init__(self, client: "Client", slot: SlotPlan) -> None:
        self.mid = slot.mid
        self.ssrc = slot.ssrc
        self.packets: list[tuple[float, str]] = []
        self.lost = 0
        self._client = client
        self._last: Packet | None = None

    def receive(self, packet: Packet) -> None:
        assert packet.payload_type == plans.THEIR_OPUS
        last, self._last = self._last, packet
        if last is not None:
            gap = (packet.seq - last.seq - 1) & 0xFFFF
            assert gap < 0x8000
            self.lost += gap
            forward = timestamp_distance(packet.timestamp, last.timestamp)
            assert forward > 0
            assert forward % 960 == 0
        self.packets.append((self._client.world.now, packet.data[packet.payload_start :].decode()))

    def sources(self, since: float = 0.0) -> Sequence[str]:
        """Return the tracks that were heard, each change once."""
        heard = [track for at, track in self.packets if at >= since]
        return [track for at, track in enumerate(heard) if at == 0 or heard[at - 1] != track]
