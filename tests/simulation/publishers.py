"""People who send: a camera in three simulcast layers and a voice, over a good uplink.

The camera is VP8 as libwebrtc sends it: three layers with three temporal layers each, key frames on all
layers when one is asked for, repairs by RTX, everything paced. Each packet says in its body which frame
it belongs to and what that frame refers to, so that receivers can be checked against the truth.
"""

import struct
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from sfu.contract.signals import Encodings, PublishedTrack, decode_node
from sfu.contract.ticket import Source
from sfu.rtp import rtcp
from sfu.rtp.rtcp import SenderReport, ntp_time
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from sfu.signaling.plan import PublishPlan
from tests.scenario import plans
from tests.scenario.world import UNIX_OFFSET, World
from tests.simulation.members import Member
from tests.unit.rtp import wire

FRAMES_PER_S = 30
SOUND_S = 0.02
SOUND_OCTETS = 80
"""20 ms of Opus at 32 kbit/s."""
PACKET_OCTETS = 1150
UPLINK_S = 0.01
ENCODING_S = 0.015
PAGE_S = 0.02
"""What a page takes to act on a message."""
FEC_FROM = 8
"""Loss in 1/256, as reported of sound, from which its encoder repeats each frame in the next one."""
PACE_BPS = 6_000_000
"""2.5 times what the three layers take, as libwebrtc paces."""
KEY_FRAME = 5.0
"""How much larger a key frame is than the mean of the others…"""
REPAYMENT = 0.25
"""…and how much smaller those are made until that is paid back."""
NOISE = 0.15
HISTORY = 600
NUMBER_ID = 9

BODY = struct.Struct("!HBIBB2Bd")


class Truth(NamedTuple):
    """What a packet is of. `refers` are distances in frames to those referred to, 0 for none.

    Sound counts as packets what it holds: 2 if the frame before is repeated in it (in-band FEC).
    """

    publisher: int
    rank: int
    frame: int
    key: int
    packets: int
    refers_1: int
    refers_2: int
    captured: float


class Encoding(NamedTuple):
    rid: str
    bps: float
    height: int


SIMULCAST = (Encoding("q", 150e3, 180), Encoding("h", 500e3, 360), Encoding("f", 1700e3, 720))

# What libvpx does with three temporal layers: (temporal layer, sync, distances to what is referred to).
# The first layer is the last buffer, the second has the golden one, the third is never referred to.
PATTERN = (
    (0, False, (4, 0)),
    (2, True, (1, 0)),
    (1, True, (2, 0)),
    (2, False, (3, 1)),
    (0, False, (4, 0)),
    (2, False, (1, 3)),
    (1, False, (2, 4)),
    (2, False, (3, 1)),
)
SHARES = (1.6, 0.8, 0.8)
"""Sizes of frames by temporal layer, relative to the mean: 40, 20 and 40 % of the bits."""


class Stream:
    """One simulcast layer."""

    def __init__(self, publisher: int, rank: int, encoding: Encoding, seed: str) -> None:
        self.encoding = encoding
        self.ssrc = publisher * 100 + rank
        self.rtx_ssrc = publisher * 100 + 10 + rank
        self.frame = 0
        self.active = True
        self.octets = 0
        self.packets = 0
        self.history: dict[int, bytes] = {}
        self._publisher = publisher
        self._rank = rank
        self._random = Random(f"{seed}.{rank}")
        self._seq = self._random.randrange(1 << 16)
        self._rtx_seq = self._random.randrange(1 << 16)
        self._clock = self._random.randrange(1 << 32)
        self._picture_id = self._random.randrange(1 << 15)
        self._tl0 = self._random.randrange(1 << 8)
        self._at = 0
        self._debt = 0.0
        self._rid = wire.one_byte({NUMBER_ID: bytes(2), plans.RID_ID: encoding.rid.encode()})

    def time(self, captured: float) -> int:
        return (self._clock + round(captured * 90_000)) & 0xFFFF_FFFF

    def encode(self, captured: float, *, key: bool) -> list[bytes]:
        """Return the packets of the next frame."""
        if key:
            self._at = 0
        temporal, sync, refers = PATTERN[self._at]
        self._at = (self._at + 1) % len(PATTERN)
        if key:
            refers = (0, 0)
        self.frame += 1
        self._picture_id = (self._picture_id + 1) & 0x7FFF
        if temporal == 0:
            self._tl0 = (self._tl0 + 1) & 0xFF
        octets = self._size(temporal, key=key)
        count = -(-octets // PACKET_OCTETS)
        truth = BODY.pack(self._publisher, self._rank, self.frame, key, count, *refers, captured)
        each = octets // count
        timestamp = self.time(captured)
        return [
            self._packet(
                struct.pack(
                    "!BBHBBB",
                    0x80 | (index == 0) << 4,
                    0xE0,
                    0x8000 | self._picture_id,
                    self._tl0,
                    temporal << 6 | sync << 5,
                    not key,
                )
                + truth
                + bytes(each - BODY.size),
                timestamp,
                marker=index == count - 1,
            )
            for index in range(count)
        ]

    def _size(self, temporal: int, *, key: bool) -> int:
        mean = self.encoding.bps / FRAMES_PER_S / 8
        noise = min(2.0, max(0.5, self._random.gauss(1, NOISE)))
        if key:
            self._debt += (KEY_FRAME - SHARES[0]) * mean
            return int(KEY_FRAME * mean * noise)
        size = SHARES[temporal] * mean * noise
        repaid = min(self._debt, REPAYMENT * size)
        self._debt -= repaid
        return max(60, int(size - repaid))

    def _packet(self, payload: bytes, timestamp: int, *, marker: bool) -> bytes:
        self._seq = (self._seq + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        packet = wire.rtp(
            self._seq,
            timestamp=timestamp,
            ssrc=self.ssrc,
            payload_type=plans.VP8,
            marker=marker,
            payload=payload,
            extensions=self._rid,
        )
        self.history[self._seq] = packet
        self.history.pop((self._seq - HISTORY) & 0xFFFF, None)
        return packet

    def again(self, lost: Sequence[int]) -> list[bytes]:
        """Return the retransmissions of lost packets."""
        copies = []
        for seq in lost:
            original = self.history.get(seq)
            if original is None:
                continue
            self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
            rid = wire.one_byte({NUMBER_ID: bytes(2), plans.REPAIRED_RID_ID: self.encoding.rid.encode()})
            head = original[:12] + rid + wire.payload_of(original)
            copies.append(wire.rtx(head, seq=self._rtx_seq, ssrc=self.rtx_ssrc, payload_type=plans.VP8_RTX))
        return copies

    def report(self, now: float) -> SenderReport:
        return SenderReport(self.ssrc, ntp_time(now + UNIX_OFFSET), self.time(now), self.packets, self.octets)


class Publisher(Member):
    """Sends a camera and a voice from now on."""

    def __init__(self, world: World, number: int, seed: str) -> None:
        super().__init__(world, f"publisher-{number}", handshake_s=2 * UPLINK_S)
        self.index = number
        self.streams = [Stream(number, rank, encoding, seed) for rank, encoding in enumerate(SIMULCAST)]
        self.requests = 0
        self.sent_octets = 0
        self._key_frame = True
        self._free_at = 0.0
        self._numbered = 0
        self._sound_seq = number * 1000
        self._sound_clock = number * 77_777
        self._sounds = 0
        self._sound_ssrc = 900_000 + number
        self._repeats = False
        self.enter(
            publish=(_microphone(), _camera(tuple(each.rid for each in SIMULCAST))),
            tracks=(
                PublishedTrack(mid="m", source=Source.MICROPHONE),
                PublishedTrack(
                    mid="c",
                    source=Source.CAMERA,
                    width=SIMULCAST[-1].height * 16 // 9,
                    height=SIMULCAST[-1].height,
                ),
            ),
            slots=(),
        )
        offset = Random(f"{seed}.offset").random() / FRAMES_PER_S
        world.later(offset, world.every, 1 / FRAMES_PER_S, self._capture)
        world.later(offset, world.every, SOUND_S, self._speak)
        world.every(1.0, self._report)

    # --- the node's end of the link ---------------------------------------------------------------

    def send_rtcp(self, compound: bytes) -> None:
        self.world.later(UPLINK_S, self._hear, compound)

    def _hear(self, compound: bytes) -> None:
        for each in rtcp.parse(compound):
            if isinstance(each, rtcp.KeyFrameRequest):
                self.requests += 1
                self._key_frame = True
            elif isinstance(each, rtcp.Nack):
                for stream in self.streams:
                    if stream.ssrc == each.media_ssrc:
                        for packet in stream.again(each.lost):
                            self._send(packet)
            elif isinstance(each, rtcp.ReceiverReport):
                for report in each.reports:
                    if report.ssrc == self._sound_ssrc:
                        self._repeats = report.fraction_lost >= FEC_FROM

    def hear_message(self, text: str) -> None:
        message = decode_node(text)
        if isinstance(message, Encodings):
            self.world.later(UPLINK_S + PAGE_S, self._encode, message.rids)

    def _encode(self, rids: Sequence[str]) -> None:
        """Send these layers. A layer that comes back begins with a key frame, and all others with it."""
        for stream in self.streams:
            active = stream.encoding.rid in rids
            self._key_frame |= active and not stream.active
            stream.active = active

    # --- media ------------------------------------------------------------------------------------

    def _capture(self) -> None:
        key, self._key_frame = self._key_frame, False
        captured = self.world.now
        for stream in self.streams:
            if stream.active:
                for packet in stream.encode(captured, key=key):
                    self._send(packet)

    def _send(self, packet: bytes) -> None:
        """Send a packet when the pacer lets it."""
        self.sent_octets += len(packet)
        now = self.world.now
        self._free_at = max(self._free_at, now + ENCODING_S) + len(packet) * 8 / PACE_BPS
        self.world.later(self._free_at - now + UPLINK_S, self.deliver_rtp, self._number(packet))

    def _number(self, packet: bytes) -> bytes:
        self._numbered = (self._numbered + 1) & 0xFFFF
        return packet[:17] + self._numbered.to_bytes(2, "big") + packet[19:]

    def _speak(self) -> None:
        now = self.world.now
        self._sounds += 1
        body = BODY.pack(self.index, 0, self._sounds, 1, 1 + self._repeats, 0, 0, now)
        level = bytes((30 + self.index % 40,))
        packet = wire.rtp(
            self._sound_seq + self._sounds,
            timestamp=self._sound_clock + 960 * self._sounds,
            ssrc=self._sound_ssrc,
            payload_type=plans.OPUS,
            payload=body + bytes(SOUND_OCTETS - BODY.size),
            extensions=wire.one_byte({NUMBER_ID: bytes(2), plans.LEVEL_ID: level}),
        )
        self.world.later(UPLINK_S, self.deliver_rtp, self._number(packet))

    def _report(self) -> None:
        now = self.world.now
        compound = b"".join(rtcp.sender_report(stream.report(now)) for stream in self.streams)
        self.deliver_rtcp(compound)


def _microphone() -> PublishPlan:
    plan = plans.microphone("m")
    return PublishPlan("m", "audio", plan.codecs, {**plan.extensions, NUMBER_ID: TRANSPORT_CC}, (), ())


def _camera(rids: tuple[str, ...]) -> PublishPlan:
    plan = plans.camera("c", rids)
    return PublishPlan("c", "video", plan.codecs, {**plan.extensions, NUMBER_ID: TRANSPORT_CC}, rids, ())
