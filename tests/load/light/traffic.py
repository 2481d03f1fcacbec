"""What flows through one link: the streams a bot sends, the streams it receives, and the feedback on both.

Independent of who is at the other end and how the connection was agreed on, so that the benchmark can
put other servers in the node's place.
"""

import secrets
from collections.abc import Sequence

from tests.load.light import rtcp, transport_cc
from tests.load.light.dtls import Identity
from tests.load.light.link import Link
from tests.load.light.pump import Pump, Timer
from tests.load.light.reception import Reception, VideoReception
from tests.load.light.rtp import HEADER, payload_of
from tests.load.light.sources import Stream, VideoStream

_REPORT_S = 1.0
_FEEDBACK_S = 0.05
_ARRIVALS_S = 0.1
"""Between transport-wide feedbacks: what Chromium begins with. With much to spare it goes down to 50 ms."""
_MAX_REPORT_BLOCKS = 31
_CNAME = "bot"


class Traffic:
    """Owns a link. `begin` once it is connected; receptions may be added at any time."""

    def __init__(
        self, pump: Pump, identity: Identity, streams: Sequence[Stream] = (), *, controlling: bool = True
    ) -> None:
        self.link = Link(pump, identity, self, controlling=controlling)
        self.streams = tuple(streams)
        self.receptions: dict[int, Reception] = {}
        self.strangers = 0
        """Packets of SSRCs that the description did not name."""
        self.nacks_sent = 0
        self._repairs: dict[int, int] = {}
        self._pump = pump
        self._ssrc = self.streams[0].ssrc if self.streams else secrets.randbits(32) | 1
        self._timers: list[Timer] = []
        self._arrivals: transport_cc.Arrivals | None = None
        self._numbered = 0

    def acknowledge(self, extension_id: int) -> None:
        """Say when packets arrived that bear a transport-wide number in this extension."""
        self._arrivals = transport_cc.Arrivals(extension_id)

    def expect(self, reception: Reception, repair_ssrc: int | None = None) -> None:
        """Count packets of the reception's SSRC, and repairs of it that come by RTX."""
        self.receptions[reception.ssrc] = reception
        if repair_ssrc is not None:
            self._repairs[repair_ssrc] = reception.ssrc

    def begin(self, at: float) -> None:
        """Send from that time on (monotonic seconds), and report."""
        for stream in self.streams:
            stream.begin(at)
        if self.streams:
            self._timers.append(self._pump.call_at(at, self._send_due))
        self._timers.append(self._pump.every(_REPORT_S, self._report))
        self._timers.append(self._pump.every(_FEEDBACK_S, self._give_feedback))
        if self._arrivals is not None:
            self._timers.append(self._pump.every(_ARRIVALS_S, self._tell_arrivals))

    def close(self) -> None:
        """End sending and the link."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.link.close()

    def rtp(self, packet: memoryview, arrived: float) -> None:
        """Take a packet from the link."""
        if self._arrivals is not None:
            self._arrivals.note(packet, arrived)
        _first, _second, sequence, _timestamp, ssrc = HEADER.unpack_from(packet)
        reception = self.receptions.get(ssrc)
        if reception is not None:
            reception.received(packet, sequence, arrived)
        elif ssrc in self._repairs:
            self._repaired(packet, self._repairs[ssrc], arrived)
        else:
            self.strangers += 1

    def rtcp(self, compound: bytes, arrived: float) -> None:
        """Take reports and feedback from the link."""
        for part in rtcp.split(compound):
            if part.kind == rtcp.SENDER_REPORT and part.ssrc in self.receptions:
                self.receptions[part.ssrc].note_sender_report(part.body, arrived)
            elif part.kind == rtcp.PAYLOAD_FEEDBACK:
                self._make_key_frames(rtcp.key_frame_wanted(part))
            elif part.kind == rtcp.TRANSPORT_FEEDBACK and part.count == rtcp.NACK:
                self._send_again(*rtcp.nacked(part))

    def _repaired(self, packet: memoryview, media_ssrc: int, arrived: float) -> None:
        """Undo RTX: the payload begins with the original sequence number (RFC 4588 section 4)."""
        reception = self.receptions[media_ssrc]
        clear = self.link.unprotect(packet)
        payload = payload_of(clear) if clear is not None else b""
        if len(payload) > 2 and isinstance(reception, VideoReception):
            ends_frame = bool(packet[1] & 0x80)
            sequence = int.from_bytes(payload[:2], "big")
            reception.repaired(payload[2:], sequence, ends_frame=ends_frame, arrived=arrived)

    def _make_key_frames(self, ssrcs: Sequence[int]) -> None:
        for stream in self.streams:
            if isinstance(stream, VideoStream) and stream.ssrc in ssrcs:
                stream.want_key_frame()

    def _send_again(self, ssrc: int, numbers: Sequence[int]) -> None:
        for stream in self.streams:
            if stream.ssrc == ssrc:
                for number in numbers:
                    protected = stream.remembered(number)
                    if protected is not None:
                        self.link.send_again(protected)

    def _send_due(self, now: float) -> float:
        for stream in self.streams:
            for packet in stream.due(now):
                stream.sent(self.link.send_rtp(self._number(packet) if stream.numbered else packet))
        return min(stream.next_due for stream in self.streams)

    def _number(self, packet: bytes) -> bytes:
        self._numbered += 1
        return transport_cc.stamp(packet, self._numbered)

    def _tell_arrivals(self, _now: float) -> None:
        if self._arrivals is not None:
            for feedback in self._arrivals.feedback(self._ssrc, next(iter(self.receptions), 0)):
                self.link.send_rtcp(feedback)

    def _give_feedback(self, now: float) -> None:
        parts = []
        for reception in self.receptions.values():
            asked = reception.to_ask(now)
            self.nacks_sent += len(asked)
            parts.append(rtcp.nack(self._ssrc, reception.ssrc, asked))
            if isinstance(reception, VideoReception) and reception.wants_key_frame(now):
                parts.append(rtcp.picture_loss(self._ssrc, reception.ssrc))
        feedback = b"".join(parts)
        if feedback:
            self.link.send_rtcp(rtcp.receiver_report(self._ssrc) + feedback)

    def _report(self, now: float) -> None:
        heard = [reception for reception in self.receptions.values() if reception.packets]
        blocks = [reception.report(now) for reception in heard[:_MAX_REPORT_BLOCKS]]
        sent = b"".join(stream.report(now) for stream in self.streams if stream.packets)
        description = rtcp.source_description(self._ssrc, _CNAME)
        self.link.send_rtcp(sent + rtcp.receiver_report(self._ssrc, blocks) + description)
