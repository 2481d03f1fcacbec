"""One direction of a network: a queue before a rate, losses, delay and jitter, all of them seeded.

A packet passes a policer, then the bottleneck, then is lost or delayed. Several pipes may share one
bottleneck. The rate is known for all time, so a packet's fate is decided when it enters.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

OVERHEAD = 28 + 16
"""Octets around an RTP or RTCP packet: IPv4, UDP, and the authentication of SRTP."""


class Clock(Protocol):
    """What a network needs of the world."""

    now: float

    def later(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        """Let something happen in so many seconds."""


class Rate:
    """A bit rate that changes at set times: (from when on, bit/s), the first one from ever on."""

    def __init__(self, steps: Sequence[tuple[float, float]]) -> None:
        self._times = [at for at, _ in steps]
        self._bps = [bps for _, bps in steps]

    def at(self, now: float) -> float:
        return self._bps[max(0, bisect_right(self._times, now) - 1)]

    def finish(self, start: float, bits: float) -> float:
        """Return when `bits` are through that are begun with at `start`."""
        step = max(0, bisect_right(self._times, start) - 1)
        while step + 1 < len(self._times):
            room = (self._times[step + 1] - start) * self._bps[step]
            if bits <= room:
                break
            bits -= room
            step += 1
            start = self._times[step]
        return start + bits / self._bps[step]


class Bottleneck:
    """A rate with a drop-tail queue of so many octets before it."""

    def __init__(self, rate: Rate, queue_octets: int) -> None:
        self.rate = rate
        self.dropped = 0
        self._limit = queue_octets
        self._queued = 0
        self._leaving: deque[tuple[float, int]] = deque()
        self._free_at = 0.0

    def admit(self, octets: int, now: float) -> float | None:
        """Return when a packet that enters now has left; None: the queue is full."""
        leaving = self._leaving
        while leaving and leaving[0][0] <= now:
            self._queued -= leaving.popleft()[1]
        if self._queued + octets > self._limit:
            self.dropped += 1
            return None
        self._free_at = self.rate.finish(max(now, self._free_at), octets * 8)
        self._queued += octets
        leaving.append((self._free_at, octets))
        return self._free_at

    def queue_s(self, now: float) -> float:
        """Return how long a packet that enters now waits for those before it."""
        return max(0.0, self._free_at - now)


class Policer:
    """A token bucket: what exceeds the rate is dropped, not queued."""

    def __init__(self, bps: float, burst_octets: int) -> None:
        self._bps = bps
        self._burst = self._tokens = float(burst_octets)
        self._filled_at = 0.0

    def passes(self, octets: int, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._bps / 8)
        self._filled_at = now
        if self._tokens < octets:
            return False
        self._tokens -= octets
        return True


class Losses(Protocol):
    """Which packets are lost on the way, whatever is sent."""

    def loses(self) -> bool:
        """Tell of the next packet whether it is lost."""


class NoLoss:
    def loses(self) -> bool:
        return False


class RandomLoss:
    """Each packet for itself."""

    def __init__(self, share: float, random: Random) -> None:
        self._share = share
        self._random = random

    def loses(self) -> bool:
        return self._random.random() < self._share


class BurstLoss:
    """Gilbert's model: in the bad state all is lost. `burst` is how many packets that lasts on average."""

    def __init__(self, share: float, burst: float, random: Random) -> None:
        self._leave = 1 / burst
        self._enter = self._leave * share / (1 - share)
        self._random = random
        self._bad = False

    def loses(self) -> bool:
        self._bad = self._random.random() < (1 - self._leave if self._bad else self._enter)
        return self._bad


class Jitter(Protocol):
    """What the last hop adds."""

    def release(self, at: float) -> float:
        """Return when a packet comes out that would have at `at`."""


class NoJitter:
    def release(self, at: float) -> float:
        return at


class WiFi:
    """A shared channel: packets wait for it and then come all together, in order. Now and then it is gone."""

    def __init__(self, random: Random, *, wait_s: float, outage_s: float, outages_per_s: float) -> None:
        self._random = random
        self._wait_s = wait_s
        self._outage_s = outage_s
        self._outages_per_s = outages_per_s
        self._opens = 0.0
        self._next_outage: float | None = None

    def release(self, at: float) -> float:
        if at > self._opens:
            self._opens = at + self._random.expovariate(1 / self._wait_s)
            if self._next_outage is None:
                self._next_outage = at + self._random.expovariate(self._outages_per_s)
            elif self._opens > self._next_outage:
                self._opens += self._random.uniform(0.3, 1.0) * self._outage_s
                self._next_outage = self._opens + self._random.expovariate(self._outages_per_s)
        return self._opens


class Reordering:
    """Every packet takes its own time, so that some overtake others."""

    def __init__(self, random: Random, *, deviation_s: float) -> None:
        self._random = random
        self._deviation_s = deviation_s

    def release(self, at: float) -> float:
        return at + abs(self._random.gauss(0, self._deviation_s))


class Pipe:
    """One direction of one client's network. `carried` counts octets put in, `lost` packets by cause."""

    def __init__(
        self,
        clock: Clock,
        bottleneck: Bottleneck,
        *,
        delay_s: float,
        losses: Losses | None = None,
        jitter: Jitter | None = None,
        policer: Policer | None = None,
    ) -> None:
        self.bottleneck = bottleneck
        self.carried = 0
        self.packets = 0
        self.lost: Counter[str] = Counter()
        self._clock = clock
        self._delay_s = delay_s
        self._losses = losses or NoLoss()
        self._jitter = jitter or NoJitter()
        self._policer = policer

    def carry(self, packet: bytes, deliver: Callable[[bytes], None]) -> None:
        clock = self._clock
        now = clock.now
        octets = len(packet) + OVERHEAD
        self.carried += octets
        self.packets += 1
        if self._policer is not None and not self._policer.passes(octets, now):
            self.lost["policer"] += 1
            return
        left = self.bottleneck.admit(octets, now)
        if left is None:
            self.lost["queue"] += 1
        elif self._losses.loses():
            self.lost["path"] += 1
        else:
            clock.later(self._jitter.release(left + self._delay_s) - now, deliver, packet)


class Flow:
    """Somebody else's traffic through a bottleneck: on for a while, off for a while, heedless of all."""

    PACKET = 1200

    def __init__(self, clock: Clock, bottleneck: Bottleneck, bps: float, times: Sequence[float]) -> None:
        """Begin at the first of `times`, pause at the second, and so on; times are the clock's."""
        self._clock = clock
        self._bottleneck = bottleneck
        self._interval_s = self.PACKET * 8 / bps
        self._times = list(times)
        clock.later(max(0.0, times[0] - clock.now), self._send)

    def _send(self) -> None:
        now = self._clock.now
        past = bisect_right(self._times, now)
        if past % 2:
            self._bottleneck.admit(self.PACKET, now)
            self._clock.later(self._interval_s, self._send)
        elif past < len(self._times):
            self._clock.later(self._times[past] - now, self._send)
