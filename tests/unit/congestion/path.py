"""One bottleneck, and a stream of packets over it: what was sent, and when it arrived by another clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sfu.congestion.delay import DelayDetector, Usage
from sfu.rtp.transport_cc import TICKS_PER_S

CLOCK_S = 5000.0
"""How far the receiver's clock is ahead."""
FEEDBACK_S = 0.05
PACKET = 1000


@dataclass
class Path:
    """A first-in-first-out bottleneck of `bps` before a delay. `now` is the sender's time, in seconds."""

    bps: float
    delay_s: float = 0.02
    clock_s: float = CLOCK_S
    _free_at: float = 0.0

    def carry(self, octets: int, now: float) -> int:
        """Return when a packet sent now arrives, in ticks of the receiver's clock."""
        self._free_at = max(self._free_at, now) + octets * 8 / self.bps
        return ticks(self._free_at + self.delay_s + self.clock_s)


def ticks(seconds: float) -> int:
    return int(seconds * TICKS_PER_S)


def word(now: float, octets: int = PACKET) -> int:
    """Return what `SentPackets` keeps of a packet."""
    return round(now * 1e6) << 16 | octets


def steady(bps: float, began: float, seconds: float, octets: int = PACKET) -> Iterator[float]:
    """Yield when packets of so many octets leave evenly."""
    interval_s = octets * 8 / bps
    for at in range(round(seconds / interval_s)):
        yield began + at * interval_s


def bursts(bps: float, began: float, seconds: float, interval_s: float) -> Iterator[float]:
    """Yield when packets leave that come as frames do: many at once."""
    each = round(bps * interval_s / 8 / PACKET)
    for at in range(round(seconds / interval_s)):
        for packet in range(each):
            yield began + at * interval_s + packet * 1e-4


def batches(times: Sequence[float]) -> Iterator[list[float]]:
    """Yield the times feedback by feedback."""
    batch: list[float] = []
    for at in times:
        if batch and at - batch[0] >= FEEDBACK_S:
            yield batch
            batch = []
        batch.append(at)
    yield batch


def watch(detector: DelayDetector, path: Path, times: Iterator[float]) -> list[tuple[float, Usage]]:
    """Let a detector hear of packets sent at these times; return what it said after each feedback."""
    said = []
    for batch in batches(list(times)):
        detector.observe([word(at) for at in batch], [path.carry(PACKET, at) for at in batch], 0)
        said.append((batch[-1], detector.usage))
    return said
