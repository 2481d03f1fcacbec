"""A link between two network namespaces that delays, loses and throttles, changed while it runs.

The kernel's netem is not everywhere, so the link is a process of its own between two TUN devices of
the same name, one in each namespace: what is written into one comes out of the other when `Pipe` says
so. A `Link` speaks to the process through a unix socket: one JSON object with new conditions in, the
conditions and counters of both directions out.

    python -m tests.support.linkem SERVER_NAMESPACE CLIENT_NAMESPACE DEVICE CONTROL_SOCKET
"""

import fcntl
import heapq
import itertools
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tests.support.netns import Namespace

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
DATAGRAMS_PER_WAKE = 64
LARGEST = 65536

OPUS = frozenset({109, 111})
"""Payload types that browsers send Opus under."""

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Conditions:
    """What a direction of a link does to packets; as made, nothing.

    `loss` is a share from 0 to 1. With `burst` > 1 losses come in runs of that mean length (Gilbert
    model). `jitter_ms` is added to the delay evenly from 0 up, so packets overtake each other. A rate
    of 0 is no limit; a packet that would wait longer than `queue_ms` for its turn is dropped. RTP packets
    of sound and of pictures are delayed by `sound_ms` and `picture_ms` more; reports of them are not.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    burst: float = 1.0
    rate_kbps: float = 0.0
    queue_ms: float = 300.0
    sound_ms: float = 0.0
    picture_ms: float = 0.0

    def delay_of(self, packet: bytes) -> float:
        """Return the delay of a packet in ms, jitter apart."""
        match _payload_type(packet):
            case None:
                return self.delay_ms
            case payload_type if payload_type in OPUS:
                return self.delay_ms + self.sound_ms
            case _:
                return self.delay_ms + self.picture_ms


def _payload_type(packet: bytes) -> int | None:
    """Return the payload type of RTP over IPv4; None if it is something else (RFC 7983, RFC 5761)."""
    rtp = 4 * (packet[0] & 15) + 8 if packet and packet[0] >> 4 == 4 else 0
    if len(packet) < rtp + 12 or packet[9] != socket.IPPROTO_UDP or packet[rtp] >> 6 != 2:
        return None
    payload_type = packet[rtp + 1] & 0x7F
    return None if 64 <= payload_type < 96 else payload_type


@dataclass
class Counters:
    """Packets of one direction since the link was made: taken in, lost, and dropped from the full queue."""

    packets: int = 0
    lost: int = 0
    overflowed: int = 0


class Pipe:
    """One direction. Knows no socket and no clock; `now` is in seconds on any steady clock."""

    def __init__(self, seed: int) -> None:
        self.conditions = Conditions()
        self.counters = Counters()
        self._random = random.Random(seed)
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, bytes]] = []
        self._sender_free_at = 0.0
        self._losing = False

    def put(self, packet: bytes, now: float) -> None:
        """Take a packet in."""
        self.counters.packets += 1
        if self._loses():
            self.counters.lost += 1
            return
        conditions = self.conditions
        sent_at = now
        if conditions.rate_kbps:
            starts_at = max(now, self._sender_free_at)
            if starts_at - now > conditions.queue_ms / 1000:
                self.counters.overflowed += 1
                return
            sent_at = starts_at + len(packet) * 8 / (conditions.rate_kbps * 1000)
            self._sender_free_at = sent_at
        delay_ms = conditions.delay_of(packet) + self._random.uniform(0, conditions.jitter_ms)
        heapq.heappush(self._waiting, (sent_at + delay_ms / 1000, next(self._order), packet))

    def take(self, now: float) -> list[bytes]:
        """Return the packets that have arrived by now, in the order of their arrival."""
        arrived = []
        while self._waiting and self._waiting[0][0] <= now:
            arrived.append(heapq.heappop(self._waiting)[2])
        return arrived

    def queue_ms(self, now: float) -> float:
        """Return how long a packet put in now would wait for its turn."""
        return max(0.0, self._sender_free_at - now) * 1000

    def next_arrival(self) -> float | None:
        """Return when the next packet arrives, or None while none is on its way."""
        return self._waiting[0][0] if self._waiting else None

    def _loses(self) -> bool:
        loss, burst = self.conditions.loss, self.conditions.burst
        if loss >= 1 or burst <= 1:
            return self._random.random() < loss
        if self._losing:
            self._losing = self._random.random() >= 1 / burst
        else:
            self._losing = self._random.random() < loss / (1 - loss) / burst
        return self._losing


class Link:
    """A running link, seen from the test. `up` is from the client to the server."""

    def __init__(self, control: Path) -> None:
        self._control = control

    def set(self, direction: Direction | None = None, **conditions: float) -> None:
        """Change conditions (fields of `Conditions`) of one direction, or of both."""
        self._ask({"directions": [direction] if direction else ["up", "down"], "conditions": conditions})

    def counters(self, direction: Direction) -> Counters:
        """Return what the direction has counted."""
        return Counters(**self._ask({"directions": [], "conditions": {}})[direction]["counters"])

    def queue_ms(self, direction: Direction) -> float:
        """Return how long the direction's queue is now."""
        queue_ms: float = self._ask({"directions": [], "conditions": {}})[direction]["queue_ms"]
        return queue_ms

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.connect(str(self._control))
            control.send(json.dumps(request).encode())
            reply: dict[str, Any] = json.loads(control.recv(LARGEST))
            return reply


def main() -> None:
    server, client, device, control_path = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(OSError):  # a network keeps its time however busy the machine is
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    ends = _open_tun(Namespace(client), device), _open_tun(Namespace(server), device)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.bind(control_path)
        control.listen()
        _run(ends, control)


def _run(ends: tuple[int, int], control: socket.socket) -> None:
    pipes: dict[Direction, Pipe] = {"up": Pipe(1), "down": Pipe(2)}
    ways = [(ends[0], pipes["up"], ends[1]), (ends[1], pipes["down"], ends[0])]
    while True:
        arrivals = [at for pipe in pipes.values() if (at := pipe.next_arrival()) is not None]
        wait_s = max(0.0, min(arrivals) - time.monotonic()) if arrivals else None
        readable: list[int] = select.select([*ends, control.fileno()], [], [], wait_s)[0]
        for source, pipe, target in ways:
            if source in readable:
                _drain(source, pipe)
            for packet in pipe.take(time.monotonic()):
                with suppress(OSError):  # the device is not up yet
                    os.write(target, packet)
        if control.fileno() in readable:
            _answer(control, pipes)


def _drain(source: int, pipe: Pipe) -> None:
    with suppress(BlockingIOError):
        for _ in range(DATAGRAMS_PER_WAKE):
            pipe.put(os.read(source, LARGEST), time.monotonic())


def _answer(control: socket.socket, pipes: dict[Direction, Pipe]) -> None:
    connection, _ = control.accept()
    with connection:
        request = json.loads(connection.recv(LARGEST))
        for direction in request["directions"]:
            pipes[direction].conditions = replace(pipes[direction].conditions, **request["conditions"])
        state = {
            name: {
                "conditions": asdict(pipe.conditions),
                "counters": asdict(pipe.counters),
                "queue_ms": pipe.queue_ms(time.monotonic()),
            }
            for name, pipe in pipes.items()
        }
        connection.send(json.dumps(state).encode())


def _open_tun(namespace: Namespace, device: str) -> int:
    with namespace.entered():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


if __name__ == "__main__":
    main()
