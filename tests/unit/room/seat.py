"""One peer's downlink without a room: real slots and tracks, a link that keeps what it is given."""

from dataclasses import dataclass, field

from sfu.congestion.estimate import Settings
from sfu.media.slot import Slot, SlotLine
from sfu.media.translation import Profile
from sfu.room.downlink import Downlink
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from sfu.rtp.transport_cc import TICKS_PER_S, Feedback, SentPackets
from tests.unit.media.stage import (
    AUDIO_PROFILE,
    THEIR_VP8,
    VIDEO_PROFILE,
    Labels,
    Publisher,
    Wire,
)
from tests.unit.rtp import wire

NUMBERED = Profile((THEIR_VP8,), ((TRANSPORT_CC, 3),))
SAMPLE_S = 0.25
BPS = (100e3, 400e3, 1500e3)
"""What the three layers of a camera take."""
SETTINGS = Settings(start_bps=1e6, least_bps=40e3, most_bps=50e6)


@dataclass
class Link(Wire):
    """A peer's link. `sent` is what was numbered."""

    sent: SentPackets | None = None
    last_heard: float = 0.0
    data: list[tuple[str, str]] = field(default_factory=list)

    def number(self, sent: SentPackets) -> None:
        self.sent = sent

    def send_data(self, label: str, text: str) -> bool:
        self.data.append((label, text))
        return True

    def close(self) -> None:
        pass


class Camera(Publisher):
    """Three layers of known rates, whose key frames come when they are told to."""

    def __init__(self, name: str = "a.c", ssrc: int = 1000, bps: tuple[float, ...] = BPS) -> None:
        super().__init__(name, rids=("q", "h", "f")[: len(bps)], ssrc=ssrc)
        self.seq = 0
        self.bps = bps

    def run(self, began: float, seconds: float, *, key: bool = False) -> float:
        """Let what is sent come for a while, measured; return when it ended. `key`: key frames come first."""
        now = began
        for at in range(round(seconds / SAMPLE_S)):
            now = began + at * SAMPLE_S
            self.seq += 1
            for layer in self.layers:
                if layer.rank in self.track.sending:
                    payload = wire.vp8(key=key and not at)
                    payload += bytes(int(self.bps[layer.rank] * SAMPLE_S / 8) - len(payload))
                    self.send(self.seq, now=now, layer=layer.rank, payload=payload)
            self.track.measure(now)
        return now + SAMPLE_S


class Seat:
    """A peer with some video slots and one for sound. `numbered`: its client sends transport-cc feedback."""

    def __init__(self, *, video: int = 1, numbered: bool = False, settings: Settings = SETTINGS) -> None:
        self.link = Link()
        profile = NUMBERED if numbered else VIDEO_PROFILE
        self.video = [
            Slot(
                SlotLine(f"v{at}", "video", 7000 + at, 7500 + at, profile),
                start=at,
                link=self.link,
                labels=Labels(),
            )
            for at in range(video)
        ]
        self.audio = Slot(
            SlotLine("a0", "audio", 6000, None, AUDIO_PROFILE), start=5, link=self.link, labels=Labels()
        )
        self.downlink = Downlink(self.link, settings, lambda: self.video, lambda: None, numbered=numbered)
        for slot in self.video:
            slot.pacer = self.downlink.pacer

    @property
    def slot(self) -> Slot:
        """Return the first slot for video."""
        return self.video[0]

    @property
    def slots(self) -> list[Slot]:
        return [*self.video, self.audio]

    def share(self, now: float, **priorities: str) -> None:
        """Share out anew; priorities are by slot."""
        named = {slot.track.id: priorities.get(slot.mid, "grid") for slot in self.video if slot.track}
        self.downlink.share(self.slots, named, now)

    def ranks(self) -> list[int | None]:
        """Return the layer that each video slot was given."""
        grants = (self.downlink.grants[slot.mid] for slot in self.video)
        return [None if grant.option is None else grant.option.rank for grant in grants]

    def hear(
        self, now: float, *, delay_s: float = 0.03, packets: int = 10, lost: int = 0, pace_s: float = 0.004
    ) -> None:
        """Let feedback come on packets that were sent just now: the last ones were lost.

        The others arrived one every `pace_s`.
        """
        sent = self.link.sent
        assert sent is not None
        arrivals = []
        for at in range(packets):
            left = now - 0.05 + 0.004 * at
            number = sent.note(int(left * 1e6), 1000)
            arrived = now - 0.05 + pace_s * at + delay_s + 5000
            arrivals.append(int(arrived * TICKS_PER_S) if at < packets - lost else -1)
        self.downlink.hear(Feedback(number + 1 - packets & 0xFFFF, 0, arrivals), now)
