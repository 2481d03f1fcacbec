"""Data channels over a real link: what passes, what is refused, and what it costs a peer to misbehave."""

import struct

import pytest
from aiortc import RTCDataChannel, RTCDataChannelParameters

from sfu.transport.counters import Drop, LinkState
from sfu.transport.network import Network
from sfu.transport.sctp import MAX_FRAGMENTS, MAX_MISORDERED
from tests.integration.transport.client import Pair, until
from tests.integration.transport.conftest import Connect, OpenNetwork

DCEP, STRING, BINARY = 50, 51, 53
FIRST, LAST, UNORDERED = 2, 1, 4


class Raw:
    """Speaks SCTP over a pair's DTLS with chunks of its own making."""

    def __init__(self, pair: Pair) -> None:
        self.client = pair.client
        assert self.client.sctp is not None
        self.tsn = self.client.sctp._local_tsn

    def data(
        self,
        content: bytes,
        *,
        stream: int = 40,
        kind: int = STRING,
        flags: int = FIRST | LAST,
        skip: int = 0,
    ) -> bytes:
        self.tsn = (self.tsn + skip) % 2**32
        body = struct.pack("!IHHI", self.tsn, stream, 0, kind) + content
        self.tsn = (self.tsn + 1) % 2**32
        return chunk(0, body, flags)

    async def send(self, *chunks: bytes) -> None:
        await self.client.send_sctp(*chunks)


def chunk(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("!BBH", kind, flags, len(body) + 4) + body + bytes(-len(body) % 4)


def opening(label: bytes = b"reliable") -> bytes:
    return struct.pack("!BBHIHH", 3, 0, 0, 0, len(label), 0) + label


class TestMessages:
    async def test_pass_both_ways_on_both_labels(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        await pair.client.open_channel("reliable")
        await pair.client.open_channel("lossy", ordered=False, maxRetransmits=0)
        await pair.works()
        pair.client.channels["reliable"].send("")
        await until(lambda: ("reliable", "") in pair.listener.data)
        largest = "é" * (8 << 10)
        pair.client.channels["reliable"].send(largest)
        await until(lambda: ("reliable", largest) in pair.listener.data)
        assert pair.link.send_data("reliable", largest)
        await until(lambda: ("reliable", largest) in pair.client.messages)
        assert not network.counters.drops

    async def test_without_an_association(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        assert not pair.link.send_data("reliable", "hello")
        assert network.counters.drops == {Drop.DATA_NOT_CONNECTED: 1}

    async def test_without_a_channel(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        assert not pair.link.send_data("reliable", "hello")
        assert network.counters.drops == {Drop.DATA_NOT_OPEN: 1}

    async def test_on_a_channel_that_was_closed_and_opened_again(
        self, network: Network, connect: Connect
    ) -> None:
        pair = await connect(network, data=True)
        channel = await pair.client.open_channel("reliable")
        channel.close()
        await until(lambda: channel.readyState == "closed")
        assert not pair.link.send_data("reliable", "nobody there")
        await pair.client.open_channel("reliable")
        await pair.works()

    async def test_an_unknown_label_is_closed(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        assert pair.client.sctp is not None
        channel = RTCDataChannel(pair.client.sctp, RTCDataChannelParameters(label="files"))
        await until(lambda: channel.readyState == "closed")
        assert network.counters.drops == {Drop.DATA_LABEL: 1}
        await pair.client.open_channel("lossy")
        await pair.works()

    async def test_a_second_channel_of_a_label_is_closed(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        await pair.client.open_channel("reliable")
        assert pair.client.sctp is not None
        second = RTCDataChannel(pair.client.sctp, RTCDataChannelParameters(label="reliable"))
        await until(lambda: second.readyState == "closed")
        assert network.counters.drops == {Drop.DATA_LABEL: 1}
        await pair.works()

    async def test_binary_and_oversized_ones_are_refused(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        channel = await pair.client.open_channel("reliable")
        channel.send(b"binary")
        channel.send("é" * (8 << 10) + "x")
        await until(lambda: network.counters.drops == {Drop.DATA_BINARY: 1, Drop.DATA_TOO_LARGE: 1})
        assert pair.listener.data == []
        assert not pair.link.send_data("reliable", "x" * (16 << 10) + "x")
        assert not pair.link.send_data("reliable", "\ud800")
        assert network.counters.drops[Drop.DATA_UNSENDABLE] == 2
        await pair.works()

    async def test_come_at_a_bounded_rate(self, open_network: OpenNetwork, connect: Connect) -> None:
        network = await open_network(messages_per_s=0.001, message_burst=3)
        pair = await connect(network, data=True)
        channel = await pair.client.open_channel("reliable")
        for number in range(5):
            channel.send(str(number))
        await until(lambda: network.counters.drops == {Drop.DATA_RATE: 2})
        assert pair.listener.data == [("reliable", "0"), ("reliable", "1"), ("reliable", "2")]

    async def test_to_a_peer_that_reads_nothing_pile_up_only_so_far(
        self, open_network: OpenNetwork, connect: Connect
    ) -> None:
        network = await open_network(data_backlog_bytes=10_000)
        pair = await connect(network, data=True)
        await pair.client.open_channel("reliable")
        pair.client.lose_records = 1 << 30
        sent = 0
        while pair.link.send_data("reliable", "x" * 1000):
            sent += 1
            assert sent < 50
        assert network.counters.drops == {Drop.DATA_BACKLOG: 1}


HOSTILE = {
    "invalid UTF-8": lambda raw: [[raw.data(b"\xff\xfe", stream=0)]],
    "invalid UTF-8 in a label": lambda raw: [[raw.data(opening(b"\xff"), kind=DCEP)]],
    "a channel opened twice": lambda raw: [[raw.data(opening(), stream=0, kind=DCEP)]],
    "an ACK of nothing": lambda raw: [[raw.data(b"\x02", kind=DCEP)]],
    "a short DATA chunk": lambda raw: [[chunk(0, b"short", FIRST | LAST)]],
    "an empty DATA chunk": lambda raw: [[raw.data(b"")]],
    "a stream out of range": lambda raw: [[raw.data(b"x", stream=60000)]],
    "a chunk past the end": lambda raw: [[struct.pack("!BBH", 0, 3, 500)]],
    "a parameter of no length": lambda raw: [[chunk(4, struct.pack("!HH", 1, 0))]],
    "a wide SACK": lambda raw: [[chunk(3, struct.pack("!IIHHHH", 1, 1, 1, 0, 1, 65535))]],
    "an INIT with something behind it": lambda raw: [
        [chunk(1, struct.pack("!IIHHI", 1, 1, 1, 1, 1)), chunk(4, b"")]
    ],
    "a reset that is cut short": lambda raw: [[chunk(130, struct.pack("!HHI", 13, 8, 1))]],
    "many heartbeats": lambda raw: [[chunk(4, b"")] * 200],
    "endless fragments": lambda raw: (
        [[raw.data(b"x" * 1000, flags=FIRST)]] + [[raw.data(b"x" * 1000, flags=0)] for _ in range(100)]
    ),
    "endless tiny fragments": lambda raw: (
        [[raw.data(b"x", flags=FIRST)]]
        + [[raw.data(b"x", flags=0) for _ in range(50)] for _ in range(MAX_FRAGMENTS // 50 + 1)]
    ),
    "endless holes": lambda raw: [
        [raw.data(b"x", flags=FIRST | LAST | UNORDERED, skip=1) for _ in range(50)]
        for _ in range(MAX_MISORDERED // 50 + 1)
    ],
}


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
async def test_an_abused_association_is_aborted_and_media_goes_on(
    network: Network, connect: Connect, attack: object
) -> None:
    bystander = await connect(network, data=True)
    await bystander.client.open_channel("reliable")
    pair = await connect(network, data=True)
    await pair.client.open_channel("reliable")
    for packet in attack(Raw(pair)):  # type: ignore[operator]
        await pair.client.send_sctp(*packet)
    await until(lambda: network.counters.drops[Drop.DATA_VIOLATION])
    await until(lambda: pair.client.sctp is not None and pair.client.sctp.state == "closed")
    assert network.counters.drops[Drop.DATA_VIOLATION] == 1
    assert pair.link.state is LinkState.CONNECTED
    pair.client.channels.clear()
    await pair.works()
    await bystander.works()
    assert not pair.link.send_data("reliable", "hello?")


async def test_a_peer_may_abort_its_association(network: Network, connect: Connect) -> None:
    pair = await connect(network, data=True)
    await pair.client.open_channel("reliable")
    await pair.client.send_sctp(chunk(6, b""))
    await until(lambda: not pair.link.send_data("reliable", "still there?"))
    await pair.client.send_sctp(chunk(4, b""))
    drops = network.counters.drops
    before = drops[Drop.DATA_NOT_OPEN]
    await until(lambda: drops[Drop.DATA_NOT_OPEN] > before)
    assert drops[Drop.DATA_VIOLATION] == 0
    pair.client.channels.clear()
    await pair.works()


async def test_an_exception_in_the_listener_closes_its_link_alone(
    open_network: OpenNetwork, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    network = await open_network()
    bystander = await connect(network)
    pair = await connect(network, data=True)
    channel = await pair.client.open_channel("reliable")
    pair.listener.received_data = lambda label, text: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    channel.send("boom")
    await until(lambda: pair.client.dtls.state == "closed")
    assert [end.value for end in pair.listener.ends] == ["fault"]
    assert network.counters.faults == network.counters.drops[Drop.LISTENER_FAULT] == 1
    assert "ZeroDivisionError" in caplog.text
    await bystander.works()
