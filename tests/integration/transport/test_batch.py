"""The send batch on real sockets: everything arrives, in order, however it was packed."""

import errno
import socket
from collections.abc import Callable, Iterator, Sequence

import pytest

from sfu.transport import batch as module
from sfu.transport.batch import MAX_SEGMENTS, MESSAGE, SIZE, SLOTS, STRIDE, VECTOR, Batch, Outbox
from sfu.transport.counters import Counters, Drop

SO_NO_CHECK = 11
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class Bench:
    """A sending socket with its batch, and receivers that each have an outbox."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.family = family
        self.counters = Counters()
        self.udp = self.socket()
        self.batch = Batch(self.udp, self.counters)
        self.receivers: list[socket.socket] = []

    def socket(self) -> socket.socket:
        udp = socket.socket(self.family, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind((HOSTS[self.family], 0))
        udp.settimeout(5)
        return udp

    def receiver(self) -> Outbox:
        self.receivers.append(self.socket())
        outbox = Outbox()
        outbox.aim(self.receivers[-1].getsockname())
        return outbox

    def put(self, outbox: Outbox, packet: bytes) -> None:
        """Do what a sealer does, without the cipher."""
        batch = self.batch
        if batch.used == SLOTS:
            batch.flush()
        slot = batch.used
        batch.view[slot * STRIDE : slot * STRIDE + len(packet)] = packet
        batch.vectors[slot * VECTOR + SIZE] = len(packet)
        batch.words[slot * MESSAGE] = outbox.location
        batch.used = slot + 1
        if not outbox.slots:
            batch.dirty.append(outbox)
        outbox.slots.append(slot)

    def arrived(self, receiver: int, count: int) -> list[bytes]:
        packets = [self.receivers[receiver].recv(2048) for _ in range(count)]
        self.receivers[receiver].setblocking(False)
        with pytest.raises(BlockingIOError):
            self.receivers[receiver].recv(2048)
        self.receivers[receiver].settimeout(5)
        return packets

    def close(self) -> None:
        for udp in (self.udp, *self.receivers):
            udp.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make_one(family: socket.AddressFamily = socket.AF_INET) -> Bench:
        made.append(Bench(family))
        return made[-1]

    yield make_one
    for bench in made:
        bench.close()


def numbered(sizes: Sequence[int]) -> list[bytes]:
    return [index.to_bytes(4, "big") + bytes(size - 4) for index, size in enumerate(sizes)]


@pytest.mark.parametrize("family", HOSTS)
@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([1200], []),
        ([1200] * 5, [5]),
        ([1200] * 4 + [700], [5]),
        ([700] + [1200] * 4, [4]),
        ([1200, 1200, 700, 1200, 1200], [3, 2]),
        ([1200, 1199, 1198, 1197], [2, 2]),
        ([100, 200, 300], []),
        ([60] * (MAX_SEGMENTS * 2 + 1), [MAX_SEGMENTS, MAX_SEGMENTS]),
        ([1500] * 60, [43, 17]),
    ],
)
def test_each_packet_arrives_as_it_was_and_in_order(
    make: Callable[..., Bench], family: socket.AddressFamily, sizes: list[int], runs: list[int]
) -> None:
    bench = make(family)
    outbox = bench.receiver()
    packets = numbered(sizes)
    for packet in packets:
        bench.put(outbox, packet)
    bench.batch.flush()
    assert bench.arrived(0, len(sizes)) == packets
    counters = bench.counters
    assert (counters.gso_batches, counters.gso_packets) == (len(runs), sum(runs))
    assert (counters.datagrams_out, counters.bytes_out) == (len(sizes), sum(sizes))
    assert counters.send_calls == 1


def test_packets_of_many_peers_interleaved(make: Callable[..., Bench]) -> None:
    bench = make()
    outboxes = [bench.receiver() for _ in range(5)]
    packets = numbered([300 + 7 * (n % 3) for n in range(40)])
    for packet in packets:
        for outbox in outboxes[: 1 + packet[3] % 5]:
            bench.put(outbox, packet)
    bench.batch.flush()
    for number in range(5):
        mine = [packet for packet in packets if number < 1 + packet[3] % 5]
        assert bench.arrived(number, len(mine)) == mine


def test_more_than_a_batch_holds_is_flushed_in_the_middle(make: Callable[..., Bench]) -> None:
    bench = make()
    outboxes = [bench.receiver() for _ in range(2)]
    packets = numbered([64] * (SLOTS + 10))
    for packet in packets:
        for outbox in outboxes:
            bench.put(outbox, packet)
    bench.batch.flush()
    bench.batch.flush()
    for number in range(2):
        assert bench.arrived(number, len(packets)) == packets
    assert bench.counters.datagrams_out == 2 * len(packets)


def test_a_batch_can_be_used_again(make: Callable[..., Bench]) -> None:
    """What one flush described must not leak into the next."""
    bench = make()
    outboxes = [bench.receiver() for _ in range(3)]
    for sizes in ([500] * 6, [80], [500, 80], [80] * 3):
        packets = numbered(sizes)
        for outbox in outboxes:
            for packet in packets:
                bench.put(outbox, packet)
        bench.batch.flush()
        for number in range(3):
            assert bench.arrived(number, len(packets)) == packets


def test_a_kernel_that_refuses_to_segment_is_not_asked_again(make: Callable[..., Bench]) -> None:
    """Linux refuses it on a socket without checksums."""
    bench = make()
    outbox = bench.receiver()
    bench.udp.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    packets = numbered([900] * 5 + [200])
    for _ in range(2):
        for packet in packets:
            bench.put(outbox, packet)
        bench.batch.flush()
        assert bench.arrived(0, len(packets)) == packets
    assert bench.counters.gso_batches == 1
    assert bench.counters.datagrams_out == 12
    assert not bench.counters.drops


def test_one_peer_that_cannot_be_reached_costs_the_others_nothing(make: Callable[..., Bench]) -> None:
    bench = make()
    first, last = bench.receiver(), bench.receiver()
    nowhere = Outbox()
    nowhere.aim(("127.0.0.1", 0))
    packets = numbered([400, 400])
    for outbox in (first, nowhere, last):
        for packet in packets:
            bench.put(outbox, packet)
    bench.batch.flush()
    assert bench.arrived(0, 2) == bench.arrived(1, 2) == packets
    assert bench.counters.drops == {Drop.SEND_ERROR: 2}
    assert (bench.counters.datagrams_out, bench.counters.bytes_out) == (4, 1600)
    assert bench.batch._segmenting


@pytest.mark.parametrize(
    ("codes", "drops", "arriving"),
    [
        ([errno.EAGAIN], {Drop.SEND_BUFFER_FULL: 3}, []),
        ([errno.ENOBUFS], {Drop.SEND_BUFFER_FULL: 1}, [1, 2]),
        ([errno.EINTR], {}, [0, 1, 2]),
        ([errno.EPERM, errno.EHOSTUNREACH], {Drop.SEND_ERROR: 2}, [2]),
    ],
)
def test_what_the_kernel_refuses_is_counted(
    make: Callable[..., Bench],
    monkeypatch: pytest.MonkeyPatch,
    codes: list[int],
    drops: dict[Drop, int],
    arriving: list[int],
) -> None:
    bench = make()
    outboxes = [bench.receiver() for _ in range(3)]
    real = module._libc

    class RefusingKernel:
        """Fails as it is told, then does as the real one."""

        @staticmethod
        def sendmmsg(*arguments: object) -> int:
            if codes:
                module._ffi.errno = codes.pop(0)
                return -1
            return int(real.sendmmsg(*arguments))

    monkeypatch.setattr(module, "_libc", RefusingKernel)
    for outbox in outboxes:
        bench.put(outbox, b"packet")
    bench.batch.flush()
    for number in range(3):
        assert bench.arrived(number, number in arriving) == [b"packet"] * (number in arriving)
    assert bench.counters.drops == drops
    assert bench.counters.datagrams_out == len(arriving)
    assert bench.counters.bytes_out == 6 * len(arriving)
