"""Those who watch and listen: slots behind a network that may be bad, with the feedback browsers give.

Transport-wide feedback every 50 ms, receiver reports every second, NACKs and PLIs as the jitter buffers
ask for them. All of it goes back over an uplink of its own.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from sfu.congestion.arrivals import Arrivals
from sfu.contract.signals import Want
from sfu.rtp import rtcp
from sfu.rtp.packet import parse
from sfu.rtp.reception import Reception
from sfu.rtp.sequence import Unwrapper
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from sfu.rtp.transport_cc import SentPackets
from sfu.signaling.plan import Codec, SlotPlan
from tests.scenario import plans
from tests.scenario.world import World
from tests.simulation.link import OVERHEAD, Pipe
from tests.simulation.members import Member
from tests.simulation.pictures import Picture
from tests.simulation.publishers import Publisher
from tests.simulation.sounds import SLOT_S, Sound
from tests.unit.rtp import wire

FEEDBACK_S = 0.05
REPORT_S = 1.0
REPORTS = 3
NUMBER_ID = 5
THEIR_RED = 63
AUDIO_SLOTS = 3
SSRC = 1


class Receiver(Member):
    """Watches publishers over `down`, and answers over `up`."""

    def __init__(
        self, world: World, number: int, down: Pipe, up: Pipe, *, handshake_s: float, video_slots: int
    ) -> None:
        super().__init__(world, f"receiver-{number}", handshake_s=handshake_s)
        self.down, self.up = down, up
        self.received_octets = 0
        self.pictures: dict[int, Picture] = {}
        self.sounds: dict[int, Sound] = {}
        self._arrivals = Arrivals()
        self._sent: SentPackets | None = None
        self._rtts: deque[float] = deque(maxlen=REPORTS)
        self._clocks: dict[int, tuple[int, float]] = {}
        self._receptions: dict[int, tuple[Unwrapper, Reception]] = {}
        self._open(number * 10_000, video_slots)
        world.every(SLOT_S, self._tick)
        world.every(FEEDBACK_S, self._acknowledge)
        world.every(REPORT_S, self._report)

    def _open(self, base: int, video_slots: int) -> None:
        slots = [_slot(plans.slot(f"a{at}", "audio", base + at, None)) for at in range(AUDIO_SLOTS)]
        slots += [
            _slot(plans.slot(f"v{at}", "video", base + 100 + at, base + 500 + at))
            for at in range(video_slots)
        ]
        for slot in slots:
            if slot.kind == "audio":
                self.sounds[slot.ssrc] = Sound(slot.mid, slot.ssrc)
            else:
                assert slot.rtx_ssrc is not None
                picture = Picture(
                    self.world,
                    slot.mid,
                    slot.ssrc,
                    slot.rtx_ssrc,
                    nack=self._nack,
                    ask_for_key_frame=self._ask_for_key_frame,
                )
                self.pictures[slot.ssrc] = self.pictures[slot.rtx_ssrc] = picture
            self._receptions[slot.ssrc] = (Unwrapper(), Reception(slot.codecs[0].clock_rate))
        self.enter(publish=(), tracks=(), slots=slots)

    def watch(self, publishers: Sequence[Publisher], height: int, priority: str = "grid") -> None:
        """Show these cameras, each so high."""
        self.world.room.view(
            self.peer,
            [
                Want(
                    track=f"{each.id}.c",
                    width=height * 16 // 9,
                    height=height,
                    priority=priority,  # type: ignore[arg-type]
                )
                for each in publishers
            ],
        )

    # --- the node's end of the link ---------------------------------------------------------------

    def number(self, sent: SentPackets) -> None:
        self._sent = sent

    def send_numbered_rtp(self, packet: bytes) -> None:
        assert self._sent is not None
        number = self._sent.note(int(self.world.now * 1e6), len(packet))
        self.down.carry(wire.numbered(packet, number), self._receive_rtp)

    def send_rtp(self, packet: bytes) -> None:
        self.down.carry(packet, self._receive_rtp)

    def send_rtcp(self, compound: bytes) -> None:
        self.down.carry(compound, self._receive_rtcp)

    # --- what arrives -----------------------------------------------------------------------------

    @property
    def _rtt_s(self) -> float:
        """The longest round trip that the last reports showed, to both ends."""
        return max(self._rtts, default=0.1)

    def _receive_rtp(self, data: bytes) -> None:
        now = self.world.now
        packet = parse(data, now)
        assert packet is not None
        self.received_octets += len(data) + OVERHEAD
        number = packet.extension(NUMBER_ID)
        if number is not None:
            self._arrivals.arrived(number[0] << 8 | number[1], now)
        known = self._receptions.get(packet.ssrc)
        if known is not None:
            unwrapper, reception = known
            reception.arrived(unwrapper.unwrap(packet.seq), packet.timestamp, len(data), now)
        sound = self.sounds.get(packet.ssrc)
        if sound is not None:
            sound.receive(packet, now)
        else:
            self.pictures[packet.ssrc].receive(packet, self._rtt_s)

    def _receive_rtcp(self, compound: bytes) -> None:
        for each in rtcp.parse(compound):
            if isinstance(each, rtcp.SenderReport):
                self._clocks[each.ssrc] = (each.ntp, self.world.now)

    # --- what is answered -------------------------------------------------------------------------

    def _tick(self) -> None:
        now, rtt_s = self.world.now, self._rtt_s
        for sound in self.sounds.values():
            sound.play(now)
        for ssrc, picture in self.pictures.items():
            if ssrc == picture.ssrc:
                picture.tick(now, rtt_s)

    def _answer(self, compound: bytes) -> None:
        self.up.carry(compound, self.deliver_rtcp)

    def _nack(self, ssrc: int, lost: Sequence[int]) -> None:
        self._answer(rtcp.nack(SSRC, ssrc, lost))

    def _ask_for_key_frame(self, ssrc: int) -> None:
        self._answer(rtcp.picture_loss(SSRC, ssrc))

    def _acknowledge(self) -> None:
        for feedback in self._arrivals.feedback():
            self._answer(rtcp.transport_feedback(SSRC, SSRC, feedback))

    def _report(self) -> None:
        if self.peer.rtt_s is not None:
            self._rtts.append(self.peer.rtt_s)
        blocks = [
            rtcp.ReportBlock(
                ssrc,
                reception.take_fraction_lost(),
                reception.lost,
                reception.highest,
                int(reception.jitter),
                self._clocks[ssrc][0] >> 16 & 0xFFFF_FFFF,
                round((self.world.now - self._clocks[ssrc][1]) * 65_536),
            )
            for ssrc, (_, reception) in self._receptions.items()
            if ssrc in self._clocks
        ]
        if blocks:
            self._answer(rtcp.receiver_report(SSRC, blocks))


def _slot(plan: SlotPlan) -> SlotPlan:
    """Return the plan with what browsers offer on top: transport-wide numbers, RED."""
    codecs = plan.codecs
    if plan.kind == "audio":
        codecs = (*codecs, Codec(THEIR_RED, "red", 48_000, 2, "111/111", None, ()))
    return replace(plan, codecs=codecs, extensions={TRANSPORT_CC: NUMBER_ID})
