"""Links over TCP, for peers whom no UDP reaches; and what strangers may do to the TCP port: nothing."""

import asyncio
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from sfu.transport.counters import ConnectionEnd, Drop, LinkEnd, LinkState
from sfu.transport.network import Network
from tests.integration.transport.client import Client, Listener, TcpClient, frame, rtp, until
from tests.integration.transport.conftest import Connect, OpenNetwork
from tests.integration.transport.test_hostile import STRANGE

Stranger = Callable[[Network], TcpClient]


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    """Connects to a network's TCP port, as often as it is called."""
    clients: list[TcpClient] = []

    def connect_one(network: Network) -> TcpClient:
        clients.append(TcpClient(network))
        return clients[-1]

    yield connect_one
    for client in clients:
        await client.leave()


class TestLink:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    async def test_all_passes_both_ways(self, network: Network, connect: Connect, host: str) -> None:
        pair = await connect(network, tcp=True, data=True, host=host)
        await pair.client.open_channel("reliable")
        await pair.works()
        assert pair.link.remote_address is not None
        assert pair.link.remote_address[:2] == pair.client.address
        assert network.counters.connections == 1
        assert not network.counters.drops

    async def test_a_check_is_answered_with_the_address_it_came_from(
        self, network: Network, stranger: Stranger
    ) -> None:
        client = stranger(network)
        answer = await client.check(network.create_link(Listener()))
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == client.address

    async def test_frames_may_be_cut_and_joined_anywhere(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, tcp=True)
        packets = [rtp(number, bytes(number * 7)) for number in range(1, 150)]
        protect = pair.client.dtls._tx_srtp.protect
        stream = b"".join(frame(protect(packet)) for packet in packets)
        for begin in range(0, len(stream), 613):
            pair.client.udp.sendall(stream[begin : begin + 613])
            await asyncio.sleep(0)
        await until(lambda: len(pair.listener.rtp) == len(packets))
        assert pair.listener.rtp == packets

    async def test_it_moves_between_udp_and_tcp_as_the_peer_nominates(
        self, network: Network, connect: Connect, stranger: Stranger
    ) -> None:
        pair = await connect(network)
        other = stranger(network)
        await other.check(pair.link, nominate=False)
        assert pair.link.remote_address == pair.client.address
        await other.check(pair.link)
        pair.link.send_rtp(rtp(1))
        network.flush()
        await until(lambda: other.srtp)
        await pair.client.check(pair.link)
        await pair.works()

    async def test_a_connection_that_ends_leaves_the_link_to_the_next_path(
        self, network: Network, connect: Connect
    ) -> None:
        pair = await connect(network, tcp=True)
        await pair.works()
        pair.client.udp.shutdown(socket.SHUT_RDWR)
        await until(lambda: network.counters.connection_ends == {ConnectionEnd.CLOSED_BY_PEER: 1})
        pair.link.send_rtp(rtp(1))
        network.flush()
        assert network.counters.drops == {Drop.SEND_DISCONNECTED: 1}
        assert pair.link.state is LinkState.CONNECTED
        pair.client.move()
        await pair.client.check(pair.link, nominate=False)
        await pair.works()

    async def test_after_an_ice_restart_it_may_come_over_tcp(
        self, network: Network, connect: Connect, stranger: Stranger
    ) -> None:
        pair = await connect(network)
        pair.link.restart_ice()
        other = stranger(network)
        await other.check(pair.link)
        assert pair.link.remote_address == other.address

    async def test_its_connections_end_with_it(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, tcp=True)
        pair.link.close()
        await until(lambda: pair.client.ended and pair.client.dtls.state == "closed")
        assert network.counters.connections == 0
        assert network.counters.connection_ends == {ConnectionEnd.CLOSED_HERE: 1}

    async def test_it_keeps_so_many_connections(self, open_network: OpenNetwork, stranger: Stranger) -> None:
        network = await open_network(addresses_per_link=2)
        link = network.create_link(Listener())
        clients = [stranger(network) for _ in range(4)]
        for client in clients:
            await client.check(link, nominate=False)
        await until(lambda: [client.ended for client in clients] == [False, True, True, False])
        assert network.counters.connections == 2

    async def test_a_peer_that_does_not_read_loses_packets_but_no_frame_is_cut(
        self, network: Network, connect: Connect
    ) -> None:
        bystander = await connect(network)
        pair = await connect(network, tcp=True)
        loop = asyncio.get_running_loop()
        loop.remove_reader(pair.client.udp)
        sequence = 0
        while network.counters.drops[Drop.SEND_BACKLOG] < 200:
            for _ in range(50):
                sequence += 1
                pair.link.send_rtp(rtp(sequence, bytes(1100), ssrc=0x5678))
            network.flush()
            await asyncio.sleep(0)
        await bystander.works()
        loop.add_reader(pair.client.udp, pair.client._read, pair.client.udp)
        lost = network.counters.drops[Drop.SEND_BACKLOG]
        await until(lambda: len(pair.client.srtp) == sequence - lost)
        assert all(
            packet == rtp(number, bytes(1100), 0x5678)
            for packet in pair.client.received_rtp()
            if (number := struct.unpack_from("!H", packet, 2)[0])
        )
        assert network.counters.drops == {Drop.SEND_BACKLOG: lost}
        await pair.works()


class TestStrangers:
    @pytest.mark.parametrize(
        "name", [name for name in STRANGE if "oversized" not in name and name != "huge RTP"]
    )
    async def test_who_does_not_begin_with_a_check_is_put_out(
        self, network: Network, connect: Connect, stranger: Stranger, name: str
    ) -> None:
        pair = await connect(network, tcp=True)
        datagram, reason = STRANGE[name]
        client = stranger(network)
        client.say(datagram if isinstance(datagram, bytes) else datagram())
        await until(lambda: client.ended)
        assert network.counters.drops == {reason: 1}
        assert network.counters.connection_ends == {ConnectionEnd.NO_CHECK: 1}
        assert client.stream == b""
        await pair.works()

    @pytest.mark.parametrize(
        "said",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\xff\xff",
            b"\x05\xdd",
        ],
        ids=["HTTP", "TLS", "SSH", "the largest frame", "one more than a datagram"],
    )
    async def test_a_frame_larger_than_a_datagram_ends_the_connection(
        self, network: Network, stranger: Stranger, said: bytes
    ) -> None:
        client = stranger(network)
        client.udp.sendall(said)
        await until(lambda: client.ended)
        assert network.counters.drops == {Drop.OVERSIZED: 1}
        assert network.counters.connection_ends == {ConnectionEnd.OVERSIZED: 1}

    async def test_a_check_with_a_wrong_password_ends_the_connection(
        self, network: Network, stranger: Stranger
    ) -> None:
        link = network.create_link(Listener())
        for credentials in ((link.ufrag, "wrong password"), ("nobody", link.pwd)):
            client = stranger(network)
            client.say(client.check_bytes(*credentials)[0])
            await until(lambda client=client: client.ended)
            assert client.answers == []
        assert network.counters.drops == {Drop.STUN_BAD_INTEGRITY: 1, Drop.STUN_UNKNOWN_UFRAG: 1}
        assert network.counters.connections == 0
        assert link.remote_address is None

    @pytest.mark.parametrize(
        "said", [b"", b"\x00", b"\x00\x60\x00\x01"], ids=["nothing", "half a size", "half a frame"]
    )
    async def test_who_dawdles_is_put_out(
        self, open_network: OpenNetwork, connect: Connect, stranger: Stranger, said: bytes
    ) -> None:
        network = await open_network(tcp_check_timeout_s=0.3)
        pair = await connect(network, tcp=True)
        client = stranger(network)
        client.udp.sendall(said)
        await until(lambda: client.ended)
        assert network.counters.connection_ends == {ConnectionEnd.CHECK_TIMEOUT: 1}
        await pair.works()

    async def test_one_address_has_only_so_many_connections(
        self, open_network: OpenNetwork, stranger: Stranger
    ) -> None:
        network = await open_network(tcp_connections_per_address=2)
        clients = [stranger(network) for _ in range(5)]
        await until(lambda: sum(client.ended for client in clients) == 3)
        assert network.counters.connection_ends == {ConnectionEnd.TOO_MANY_OF_ADDRESS: 3}
        other = TcpClient(network, host="::1")
        await other.check(network.create_link(Listener()))
        await other.leave()
        await next(client for client in clients if not client.ended).leave()
        await until(lambda: network.counters.connections == 1)
        await stranger(network).check(network.create_link(Listener()))

    async def test_of_too_many_connections_those_go_that_have_waited_longest(
        self, open_network: OpenNetwork, connect: Connect, stranger: Stranger
    ) -> None:
        network = await open_network(tcp_connections=3)
        pair = await connect(network, tcp=True)
        clients = [stranger(network) for _ in range(5)]
        await until(lambda: [client.ended for client in clients] == [True, True, True, False, False])
        assert network.counters.connection_ends == {ConnectionEnd.TOO_MANY: 3}
        await (await connect(network, tcp=True)).works()
        await clients[4].check(network.create_link(Listener()))
        await pair.works()

    async def test_who_has_been_checked_makes_no_room(
        self, open_network: OpenNetwork, connect: Connect, stranger: Stranger
    ) -> None:
        network = await open_network(tcp_connections=2)
        pairs = [await connect(network, tcp=True) for _ in range(2)]
        late = stranger(network)
        await until(lambda: late.ended)
        assert network.counters.connection_ends == {ConnectionEnd.TOO_MANY: 1}
        for pair in [*pairs, await connect(network)]:
            await pair.works()

    async def test_a_system_without_descriptors_accepts_later(
        self, network: Network, connect: Connect, stranger: Stranger
    ) -> None:
        pair = await connect(network, tcp=True)
        link = network.create_link(Listener())
        client = stranger(network)
        await until(lambda: network.counters.connections == 2)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        late = socket.socket()
        free = os.dup(late.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            late.connect(("127.0.0.1", network.tcp_port))
            await until(lambda: network.counters.connection_ends == {ConnectionEnd.NOT_ACCEPTED: 1})
            await pair.works()
            await client.check(link)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: network.counters.connections == 3)
        late.close()

    async def test_a_connection_belongs_to_one_link(
        self, open_network: OpenNetwork, connect: Connect
    ) -> None:
        network = await open_network(address_hold_s=0.0)
        pair = await connect(network, tcp=True)
        other = network.create_link(Listener())
        pair.client.say(pair.client.check_bytes(other.ufrag, other.pwd)[0])
        await until(lambda: network.counters.drops == {Drop.STUN_ADDRESS_TAKEN: 1})
        assert other.remote_address is None
        await pair.works()


async def test_garbage_of_a_peer_costs_it_only_that(network: Network, connect: Connect) -> None:
    pair = await connect(network, tcp=True)
    for number in range(400):
        pair.client.say(bytes([number % 256]) * (number % 40))
    for _ in range(3000):
        pair.client.say(b"")
    await pair.works()
    assert network.counters.drops[Drop.EMPTY] >= 3000
    pair.client.udp.sendall(b"\xff\xff")
    await until(lambda: pair.client.ended)
    assert pair.link.state is LinkState.CONNECTED
    pair.client.move()
    await pair.client.check(pair.link)
    await pair.works()


async def test_a_fault_closes_the_link_and_its_connection_alone(
    open_network: OpenNetwork, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = await open_network()
    bystander = await connect(network, tcp=True)
    pair = await connect(network, tcp=True)
    monkeypatch.setattr(pair.link, "receive_dtls", lambda datagram, now: 1 / 0)
    pair.client.say(b"\x16")
    await until(lambda: pair.listener.ends == [LinkEnd.FAULT] and pair.client.ended)
    await bystander.works()
    assert network.counters.faults == 1


class TestPort:
    async def test_it_is_the_number_of_the_udp_port_unless_set(self, open_network: OpenNetwork) -> None:
        network = await open_network()
        assert network.tcp_port == network.port
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match="in use"):
                await open_network(tcp_port=port)
        assert (await open_network(tcp_port=port)).tcp_port == port

    async def test_there_may_be_none(self, open_network: OpenNetwork, connect: Connect) -> None:
        network = await open_network(tcp_port=0)
        assert {each.protocol for each in network.candidates(loopback=True)} == {"udp"}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", network.port))
        await (await connect(network)).works()

    async def test_it_is_free_again_once_the_network_is_closed(self, open_network: OpenNetwork) -> None:
        network = await open_network()
        port = network.tcp_port
        client = TcpClient(network)
        await client.check(network.create_link(Listener()))
        network.close()
        await until(lambda: client.ended)
        await client.leave()
        again = await open_network(tcp_port=port)
        udp = Client(again)
        await udp.check(again.create_link(Listener()))
        await udp.leave()
