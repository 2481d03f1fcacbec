"""What clients publish: cameras with simulcast that answer key-frame requests and NACKs, and voices.

Every packet says of which track, layer and frame it is, so that a receiver can judge what it gets.
"""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sfu.rtp import rtcp
from sfu.rtp.rtcp import SenderReport, ntp_time
from sfu.signaling.plan import PublishPlan
from tests.scenario import plans
from tests.unit.rtp import wire

if TYPE_CHECKING:
    from tests.scenario.world import Client

BODY = struct.Struct("!BIBB?")
"""Layer, number of the frame, of the packet in it, how many it has, whether it is a key frame."""
REPORT_EVERY = 25
HISTORY = 500


class Encoding:
    """One layer of a camera: an RTP stream of its own."""

    def __init__(self, rid: str | None, rank: int, seed: int) -> None:
        self.rid = rid
        self.rank = rank
        self.ssrc = seed * 100 + rank
        self.rtx_ssrc = seed * 100 + 10 + rank
        self.seq = (seed * 7919 + rank * 30_011) & 0xFFFF
        self.rtx_seq = seed & 0xFFFF
        self.clock = (seed * 104_729 + rank * 1_000_003) & 0xFFFF_FFFF
        self.picture_id = (seed * 31 + rank * 9001) & 0x7FFF
        self.tl0 = (seed + rank * 77) & 0xFF
        self.number = 0
        self.active = True
        self.history: dict[int, bytes] = {}


class Camera:
    """A simulcast camera. A request for one layer is answered with key frames on all, as browsers do."""

    interval_s = 0.04

    def __init__(self, client: "Client", mid: str, rids: tuple[str, ...]) -> None:
        seed = sum(client.id.encode()) + 1000 * client.number
        self.mid = mid
        self.name = f"{client.id}.{mid}"
        self.line: PublishPlan = plans.camera(mid, rids)
        self.encodings = [Encoding(rid, rank, seed) for rank, rid in enumerate(rids or (None,))]
        self.requests = 0
        self.key_frames = 0
        self.answers = True
        self.repairs = True
        self.on = True
        self._client = client
        self._key_frame = True
        self._frames = 0

    def asked_for_key_frame(self, ssrc: int) -> None:
        if any(each.ssrc == ssrc for each in self.encodings):
            self.requests += 1
            self._key_frame = self.answers

    def send(self) -> None:
        """Send one frame in every layer."""
        if not self.on:
            return
        key, self._key_frame = self._key_frame, False
        self.key_frames += key
        for encoding in self.encodings:
            if encoding.active:
                self._send_frame(encoding, key)
        self._frames += 1
        if self._frames % REPORT_EVERY == 0:
            self._report()

    def _send_frame(self, encoding: Encoding, key: bool) -> None:
        encoding.number += 1
        encoding.picture_id = (encoding.picture_id + 1) & 0x7FFF
        encoding.tl0 = (encoding.tl0 + 1) & 0xFF
        packets = 4 if key else 1 + encoding.rank
        for index in range(packets):
            body = BODY.pack(encoding.rank, encoding.number, index, packets, key) + self.name.encode()
            payload = wire.vp8(
                key=key,
                start=index == 0,
                picture_id=encoding.picture_id,
                tl0=encoding.tl0,
                tid=0,
                body=body,
            )
            self._send_packet(encoding, payload, last=index == packets - 1)

    def _send_packet(self, encoding: Encoding, payload: bytes, *, last: bool) -> None:
        encoding.seq = (encoding.seq + 1) & 0xFFFF
        packet = wire.rtp(
            encoding.seq,
            timestamp=self._time(encoding),
            ssrc=encoding.ssrc,
            payload_type=plans.VP8,
            marker=last,
            payload=payload,
            extensions=self._extensions(encoding, plans.RID_ID),
        )
        encoding.history[encoding.seq] = packet
        encoding.history.pop((encoding.seq - HISTORY) & 0xFFFF, None)
        self._client.send_rtp(packet)

    def pad(self) -> None:
        """Send a probe without payload on every layer."""
        for encoding in self.encodings:
            encoding.seq = (encoding.seq + 1) & 0xFFFF
            self._client.send_rtp(
                wire.rtp(
                    encoding.seq,
                    timestamp=self._time(encoding),
                    ssrc=encoding.ssrc,
                    payload_type=plans.VP8,
                    payload=b"",
                    padding=255,
                    extensions=self._extensions(encoding, plans.RID_ID),
                )
            )

    def resend(self, ssrc: int, lost: Sequence[int]) -> None:
        """Answer a NACK by RTX."""
        for encoding in self.encodings:
            if encoding.ssrc != ssrc or not self.repairs:
                continue
            for seq in lost:
                if original := encoding.history.get(seq):
                    self._resend_packet(encoding, original)

    def _resend_packet(self, encoding: Encoding, original: bytes) -> None:
        encoding.rtx_seq = (encoding.rtx_seq + 1) & 0xFFFF
        head, payload = original[:12], wire.payload_of(original)
        copy = wire.rtp(
            int.from_bytes(head[2:4], "big"),
            timestamp=int.from_bytes(head[4:8], "big"),
            marker=bool(head[1] & 0x80),
            payload=payload,
            extensions=self._extensions(encoding, plans.REPAIRED_RID_ID),
        )
        self._client.send_rtp(
            wire.rtx(copy, seq=encoding.rtx_seq, ssrc=encoding.rtx_ssrc, payload_type=plans.VP8_RTX)
        )

    def _extensions(self, encoding: Encoding, rid_id: int) -> bytes:
        elements = {plans.MID_ID: self.mid.encode()}
        if encoding.rid is not None:
            elements[rid_id] = encoding.rid.encode()
        return wire.one_byte(elements)

    def _time(self, encoding: Encoding) -> int:
        return (encoding.clock + round(self._client.world.now * 90_000)) & 0xFFFF_FFFF

    def _report(self) -> None:
        ntp = ntp_time(1_700_000_000 + self._client.world.now)
        for encoding in self.encodings:
            if encoding.active:
                report = SenderReport(encoding.ssrc, ntp, self._time(encoding), 0, 0)
                self._client.send_rtcp(rtcp.sender_report(report))


class Microphone:
    """A voice at some level in -dBov: 127 is silence."""

    interval_s = 0.02

    def __init__(self, client: "Client", mid: str) -> None:
        self.mid = mid
        self.name = f"{client.id}.{mid}"
        self.line: PublishPlan = plans.microphone(mid)
        self.level = 127
        self.ssrc = 900_000 + client.number
        self._client = client
        self._seq = (self.ssrc * 131) & 0xFFFF
        self._clock = self.ssrc * 977

    def send(self) -> None:
        """Send the sound of 20 ms."""
        self._seq = (self._seq + 1) & 0xFFFF
        self._client.send_rtp(
            wire.rtp(
                self._seq,
                timestamp=self._clock + round(self._client.world.now * 48_000),
                ssrc=self.ssrc,
                payload_type=plans.OPUS,
                payload=self.name.encode(),
                extensions=wire.one_byte(
                    {plans.MID_ID: self.mid.encode(), plans.LEVEL_ID: bytes((self.level,))}
                ),
            )
        )
