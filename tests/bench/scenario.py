"""What is measured: who sends, who receives, how much of it."""

from dataclasses import dataclass
from typing import Literal

from tests.load.light.sources import AUDIO_PACKETS_PER_S, FRAMES_PER_S, Layer

VIDEO = Layer(1280, 720, packets_per_frame=5, packet_bytes=1200)
AUDIO_PACKET_BYTES = 100
LOUDEST = 3


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One room. `participants` send and receive, `viewers` only receive.

    `heard` is how many streams reach each receiver, unless fewer are sent by others; `loudest` is the
    node's rule for audio, 0 for none.
    """

    name: str
    kind: Literal["video", "audio"] = "video"
    participants: int
    viewers: int = 0
    loudest: int = LOUDEST

    @property
    def packets_per_s(self) -> int:
        """Packets each participant sends in a second."""
        video = FRAMES_PER_S * VIDEO.packets_per_frame
        return video if self.kind == "video" else AUDIO_PACKETS_PER_S

    @property
    def packet_bytes(self) -> int:
        """Size of each RTP packet."""
        return VIDEO.packet_bytes if self.kind == "video" else AUDIO_PACKET_BYTES

    @property
    def streams_per_participant(self) -> int:
        """Streams each participant receives."""
        others = self.participants - 1
        return min(others, self.loudest) if self.kind == "audio" and self.loudest else others

    @property
    def receivers(self) -> int:
        """How many receive anything."""
        return self.viewers + self.participants * (self.participants > 1)

    @property
    def deliveries(self) -> int:
        """Streams received, in sum."""
        return self.participants * self.streams_per_participant + self.viewers * self.participants

    def without_selection(self) -> "Scenario":
        """Return the scenario as a server sees it that forwards all audio."""
        return Scenario(
            name=self.name, kind=self.kind, participants=self.participants, viewers=self.viewers, loudest=0
        )


STREAM_10 = Scenario(name="1 to 10", participants=1, viewers=10)
STREAM_50 = Scenario(name="1 to 50", participants=1, viewers=50)
STREAM_100 = Scenario(name="1 to 100", participants=1, viewers=100)
MEETING_16 = Scenario(name="meeting of 16", participants=16)
AUDIO_ALL = Scenario(name="audio of 10, all heard", kind="audio", participants=10, loudest=0)
AUDIO_LOUDEST = Scenario(name="audio of 10, loudest three", kind="audio", participants=10)

ALL = (STREAM_10, STREAM_50, STREAM_100, MEETING_16, AUDIO_ALL, AUDIO_LOUDEST)
