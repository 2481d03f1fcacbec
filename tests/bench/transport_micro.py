"""What one forwarded packet costs the transport: protect, queue, and its share of the flush.

Run by hand: `python -m tests.bench.transport_micro`. Prints µs of CPU per packet (the least of several
rounds) for 1200-byte packets under AES-128-GCM, beside a bare `sendto` of as many bytes. The sinks are
sockets that nobody reads, so the kernel's part ends in their full buffers.
"""

import os
import socket
import struct
import time
from collections.abc import Callable

from pylibsrtp import Policy, Session

from sfu.transport.counters import Counters
from sfu.transport.settings import NetworkSettings
from sfu.transport.srtp import Sealer
from sfu.transport.udp import UdpSockets

TAIL = os.urandom(1188)
ROUNDS = 9
PACKETS_PER_ROUND = 20_000


def sealers(sockets: UdpSockets, sinks: list[socket.socket], counters: Counters) -> list[Sealer]:
    made = []
    for sink in sinks:
        policy = Policy(
            key=os.urandom(28),
            ssrc_type=Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
        policy.window_size = 1024
        sealer = Sealer(counters)
        address = sink.getsockname()
        sealer.open(Session(policy), sockets.batch_for(address), address)
        made.append(sealer)
    return made


def least_us(work: Callable[[], int]) -> float:
    """Return CPU µs per packet of the quickest round; `work` returns how many packets it handled."""
    best = float("inf")
    for _ in range(ROUNDS):
        handled = 0
        began = time.process_time()
        while handled < PACKETS_PER_ROUND:
            handled += work()
        best = min(best, (time.process_time() - began) / handled * 1e6)
    return best


def measure(links: int, per_drain: int) -> tuple[float, float]:
    """Return µs per packet of the transport, and of bare `sendto`."""
    sinks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(links)]
    for sink in sinks:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sink.bind(("127.0.0.1", 0))
    counters = Counters()
    sockets = UdpSockets(NetworkSettings(port=0, bind_v6=""), counters)
    senders = [sealer.send_rtp for sealer in sealers(sockets, sinks, counters)]
    sequence = 0

    def forward() -> int:
        nonlocal sequence
        for _ in range(per_drain):
            sequence += 1
            packet = struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, sequence, 1234) + TAIL
            for send_rtp in senders:
                send_rtp(packet)
        sockets.flush()
        return per_drain * links

    packet = os.urandom(1216)
    addresses = [sink.getsockname() for sink in sinks]
    bare = sockets.sockets[0].sendto

    def floor() -> int:
        for _ in range(per_drain):
            for address in addresses:
                bare(packet, address)
        return per_drain * links

    result = least_us(forward), least_us(floor)
    assert not counters.drops, counters.drops
    sockets.close()
    for sink in sinks:
        sink.close()
    return result


def main() -> None:
    print("links  packets per drain  transport µs  bare sendto µs  ratio")
    for links, per_drain in ((1, 1), (10, 1), (100, 1), (1, 16), (10, 16), (15, 32), (100, 16)):
        transport, floor = measure(links, per_drain)
        print(f"{links:5}  {per_drain:17}  {transport:12.2f}  {floor:14.2f}  {transport / floor:5.2f}")


if __name__ == "__main__":
    main()
