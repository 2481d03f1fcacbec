"""Plays a scenario: publishers, receivers behind their networks, and a notebook of how it went."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from sfu.room.ports import Limits
from tests.scenario.world import World
from tests.simulation.link import (
    Bottleneck,
    BurstLoss,
    Flow,
    Jitter,
    Losses,
    NoJitter,
    NoLoss,
    Pipe,
    Policer,
    RandomLoss,
    Rate,
    Reordering,
    WiFi,
)
from tests.simulation.pictures import Picture
from tests.simulation.publishers import Publisher
from tests.simulation.receivers import Receiver

WARM_UP_S = 2.0
"""Publishers are there first, so that their layers have been measured when somebody comes."""
SAMPLE_S = 0.1
QUEUE_SAMPLE_S = 0.017
HANDSHAKE_TRIPS = 2
"""Round trips from the offer to the open link."""
POLICED_OCTETS = 30_000
"""What a policer lets through at once."""
UPLINK_BPS = 2e6
UPLINK_QUEUE = 64_000


@dataclass(frozen=True)
class Network:
    """One receiver's. `steps` are (seconds from when the first one joins, bit/s).

    `burst` is the mean length of a loss burst in packets. `wifi` is (mean wait, longest outage) in
    seconds, and how many outages there are in a second; `reordering` a deviation in seconds. `flow` is
    (bit/s, times at which it goes on and off). The receiver `joins` so many seconds after the first.
    Receivers whose networks name the same `shared` bottleneck stand behind one; the first one's is built.
    """

    steps: Sequence[tuple[float, float]] = ((0, 5e6),)
    rtt_s: float = 0.05
    queue_octets: int = 64_000
    loss: float = 0.0
    burst: float = 0.0
    wifi: tuple[float, float, float] | None = None
    reordering: float = 0.0
    policed_bps: float = 0.0
    flow: tuple[float, Sequence[float]] | None = None
    shared: str = ""
    joins: float = 0.0


@dataclass
class Sample:
    """What was so at one moment; rates since the moment before, in bit/s.

    `queue_ms` is true, `seen_queue_ms` what the node makes of it. `granted` has the rank of the layer and
    the highest temporal layer for each slot that was given any.
    """

    at: float
    link_bps: float
    estimate_bps: float
    budget_bps: float
    sent_bps: float
    received_bps: float
    padding_bps: float
    queue_ms: float
    seen_queue_ms: float
    packets: int
    lost: int
    granted: dict[str, tuple[int, int]]


@dataclass
class Seat:
    """One receiver, its network, and the notes on it. Times are seconds since the first joined."""

    network: Network
    receiver: Receiver
    began: float
    """When the meeting's first receiver joined."""
    samples: list[Sample] = field(default_factory=list)
    queues: list[tuple[float, float]] = field(default_factory=list)
    _sent: int = 0
    _received: int = 0
    _padding: int = 0
    _packets: int = 0
    _lost: int = 0

    @property
    def pictures(self) -> list[Picture]:
        """Return the video slots that showed something."""
        return [picture for picture in dict.fromkeys(self.receiver.pictures.values()) if picture.shown]

    def note(self) -> None:
        """Take a sample."""
        receiver, now = self.receiver, self.receiver.world.now
        downlink = receiver.peer.downlink
        assert downlink is not None
        down, estimate = receiver.down, downlink.estimate
        padding = sum(each.padding for each in dict.fromkeys(receiver.pictures.values()))
        lost = sum(down.lost.values())
        self.samples.append(
            Sample(
                at=now - self.began,
                link_bps=down.bottleneck.rate.at(now),
                estimate_bps=estimate.bps,
                budget_bps=estimate.budget_bps,
                sent_bps=(down.carried - self._sent) * 8 / SAMPLE_S,
                received_bps=(receiver.received_octets - self._received) * 8 / SAMPLE_S,
                padding_bps=(padding - self._padding) * 8 / SAMPLE_S,
                queue_ms=down.bottleneck.queue_s(now) * 1000,
                seen_queue_ms=estimate.detector.queue_ms,
                packets=down.packets - self._packets,
                lost=lost - self._lost,
                granted={
                    mid: (grant.option.rank, grant.option.temporal)
                    for mid, grant in downlink.grants.items()
                    if grant.option is not None
                },
            )
        )
        self._sent, self._received = down.carried, receiver.received_octets
        self._padding, self._packets, self._lost = padding, down.packets, lost

    def note_queue(self) -> None:
        now = self.receiver.world.now
        self.queues.append((now - self.began, self.receiver.down.bottleneck.queue_s(now)))


class Meeting:
    """A scenario as it was played. `uplinks` has (time, octets that all publishers had sent by then).

    All pictures are drawn as high as `heights` say: (seconds from when the first one joins, pixels).
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        publishers: int = 1,
        heights: Sequence[tuple[float, int]] = ((0, 720),),
        seed: int = 1,
    ) -> None:
        self.world = World(limits=Limits())
        self.publishers = [
            Publisher(self.world, number, f"{seed}.publisher.{number}") for number in range(1, publishers + 1)
        ]
        self.world.run(WARM_UP_S)
        self.began = self.world.now
        self._bottlenecks: dict[str, Bottleneck] = {}
        self.seats: list[Seat] = []
        self.uplinks: list[tuple[float, int]] = []
        self._height = heights[0][1]
        for at, height in heights[1:]:
            self.world.later(at, self._draw, height)
        for at, network in enumerate(networks):
            seated = (at + 1, network, Random(f"{seed}.{at}"))
            if network.joins:
                self.world.later(network.joins, self._sit, *seated)
            else:
                self._sit(*seated)
        self.world.every(SAMPLE_S, self._note)
        self.world.every(QUEUE_SAMPLE_S, self._note_queues)

    def run(self, seconds: float) -> None:
        self.world.run(seconds)

    def _note(self) -> None:
        sent = sum(publisher.sent_octets for publisher in self.publishers)
        self.uplinks.append((self.world.now - self.began, sent))
        for seat in self.seats:
            seat.note()

    def _note_queues(self) -> None:
        for seat in self.seats:
            seat.note_queue()

    def _sit(self, number: int, network: Network, random: Random) -> None:
        """Let a receiver join and watch everybody."""
        world = self.world
        down = Pipe(
            world,
            self._bottleneck(network),
            delay_s=network.rtt_s / 2,
            losses=_losses(network, random),
            jitter=_jitter(network, random),
            policer=Policer(network.policed_bps, POLICED_OCTETS) if network.policed_bps else None,
        )
        up = Pipe(world, Bottleneck(Rate([(0, UPLINK_BPS)]), UPLINK_QUEUE), delay_s=network.rtt_s / 2)
        receiver = Receiver(
            world,
            number,
            down,
            up,
            handshake_s=HANDSHAKE_TRIPS * network.rtt_s,
            video_slots=len(self.publishers),
        )
        self.seats.append(Seat(network, receiver, self.began))
        receiver.watch(self.publishers, self._height)

    def _draw(self, height: int) -> None:
        """Let everybody draw all pictures so high."""
        self._height = height
        for seat in self.seats:
            seat.receiver.watch(self.publishers, height)

    def _bottleneck(self, network: Network) -> Bottleneck:
        bottleneck = self._bottlenecks.get(network.shared)
        if bottleneck is None:
            rate = Rate([(self.began + at, bps) for at, bps in network.steps])
            bottleneck = Bottleneck(rate, network.queue_octets)
            if network.shared:
                self._bottlenecks[network.shared] = bottleneck
            if network.flow is not None:
                bps, times = network.flow
                Flow(self.world, bottleneck, bps, [self.began + at for at in times])
        return bottleneck


def _losses(network: Network, random: Random) -> Losses:
    if network.burst:
        return BurstLoss(network.loss, network.burst, random)
    return RandomLoss(network.loss, random) if network.loss else NoLoss()


def _jitter(network: Network, random: Random) -> Jitter:
    if network.wifi is not None:
        wait_s, outage_s, outages_per_s = network.wifi
        return WiFi(random, wait_s=wait_s, outage_s=outage_s, outages_per_s=outages_per_s)
    return Reordering(random, deviation_s=network.reordering) if network.reordering else NoJitter()
