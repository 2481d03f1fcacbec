"""Datagrams from people who mean harm: that sender is dropped and counted, nobody else notices."""

import asyncio
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTP_PROFILES
from OpenSSL import SSL

from sfu.transport.counters import Drop, LinkEnd, LinkState
from sfu.transport.network import Network
from tests.integration.transport.client import Client, Listener, Pair, receiver_report, rtp, until
from tests.integration.transport.conftest import Connect, OpenNetwork


def client_hello() -> bytes:
    connection = SSL.Connection(RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES))
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(1500)


@pytest.fixture
async def stranger(network: Network) -> AsyncIterator[Callable[[bytes], None]]:
    """Sends datagrams from an address that no check has validated."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield lambda datagram: udp.sendto(datagram, ("127.0.0.1", network.port))


STRANGE = {
    "nothing": (b"", Drop.EMPTY),
    "a byte": (b"\x80", Drop.UNKNOWN_ADDRESS),
    "RTP": (rtp(1), Drop.UNKNOWN_ADDRESS),
    "RTCP": (receiver_report(), Drop.UNKNOWN_ADDRESS),
    "oversized RTP": (b"\x80" + bytes(1500), Drop.OVERSIZED),
    "huge RTP": (b"\xbf" + bytes(60_000), Drop.OVERSIZED),
    "DTLS": (client_hello, Drop.UNKNOWN_ADDRESS),
    "a DTLS byte": (b"\x16", Drop.UNKNOWN_ADDRESS),
    "TURN channel data": (b"\x40\x00" + bytes(20), Drop.UNKNOWN_ADDRESS),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", Drop.UNKNOWN_ADDRESS),
    "a STUN byte": (b"\x00", Drop.STUN_MALFORMED),
    "zeroes": (bytes(1200), Drop.STUN_MALFORMED),
    "oversized STUN": (b"\x00\x01\x05\xdc\x21\x12\xa4\x42" + bytes(1512), Drop.OVERSIZED),
    "a STUN request by nobody": (
        b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
        Drop.STUN_UNAUTHENTICATED,
    ),
    "a STUN indication": (b"\x00\x11\x00\x00\x21\x12\xa4\x42" + bytes(12), Drop.STUN_UNEXPECTED),
    "a STUN answer": (b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), Drop.STUN_UNEXPECTED),
}


@pytest.mark.parametrize(("datagram", "reason"), STRANGE.values(), ids=STRANGE.keys())
async def test_a_stranger_gets_nowhere(
    network: Network,
    connect: Connect,
    stranger: Callable[[bytes], None],
    datagram: bytes | Callable[[], bytes],
    reason: Drop,
) -> None:
    pair = await connect(network)
    sent = network.counters.datagrams_out
    stranger(datagram if isinstance(datagram, bytes) else datagram())
    await until(lambda: network.counters.drops == {reason: 1})
    assert network.counters.datagrams_out == sent
    await pair.works()


async def test_a_check_with_a_wrong_password_is_not_answered(network: Network, connect: Connect) -> None:
    pair = await connect(network)
    thief = Client(network)
    thief.say(thief.check_bytes(pair.link.ufrag, "wrong password")[0])
    thief.say(thief.check_bytes("nobody", pair.link.pwd)[0])
    drops = network.counters.drops
    await until(lambda: drops == {Drop.STUN_BAD_INTEGRITY: 1, Drop.STUN_UNKNOWN_UFRAG: 1})
    thief.say(client_hello())
    await until(lambda: drops[Drop.UNKNOWN_ADDRESS] == 1)
    assert thief.answers == []
    assert pair.link.remote_address == pair.client.address
    await pair.works()
    await thief.leave()


async def test_a_foreign_client_hello_does_not_win_the_race(
    network: Network, stranger: Callable[[bytes], None]
) -> None:
    listener = Listener()
    link = network.create_link(listener)
    link.start([("sha-256", "AA")], data_channels=False)
    stranger(client_hello())
    await until(lambda: network.counters.drops == {Drop.UNKNOWN_ADDRESS: 1})
    link.close()
    client = Client(network)
    link = network.create_link(listener)
    await client.check(link)
    link.start([client.fingerprint], data_channels=False)
    stranger(client_hello())
    await client.secure()
    await until(lambda: listener.connected)
    await client.leave()


def damaged(pair: Pair) -> list[tuple[bytes, Drop]]:
    """Return what a connected peer might send, and how each is to be counted."""
    genuine = pair.client.dtls._tx_srtp.protect(rtp(900))
    report = pair.client.dtls._tx_srtp.protect_rtcp(receiver_report())
    return [
        (genuine[:-1] + bytes([genuine[-1] ^ 1]), Drop.SRTP_AUTHENTICATION),
        (report[:-5] + bytes([report[-5] ^ 1]) + report[-4:], Drop.SRTP_AUTHENTICATION),
        (genuine[:20], Drop.SRTP_AUTHENTICATION),
        (genuine[:11], Drop.SRTP_MALFORMED),
        (b"\x80", Drop.SRTP_MALFORMED),
        (b"\x80\xc8", Drop.SRTP_MALFORMED),
        (report[:7], Drop.SRTP_MALFORMED),
        (report[:9], Drop.SRTP_AUTHENTICATION),
        (b"\xbf\x60" + bytes(10), Drop.SRTP_AUTHENTICATION),
        (b"\x90\x60" + bytes(10) + b"\xbe\xde\xff\xff" + bytes(20), Drop.SRTP_AUTHENTICATION),
        (b"\x80\x60" + bytes(1498), Drop.SRTP_AUTHENTICATION),
        (b"\x80\x60" + bytes(1499), Drop.OVERSIZED),
        (b"\x80\xc8" + bytes(1498), Drop.SRTP_AUTHENTICATION),
        (b"", Drop.EMPTY),
        (b"\x16", Drop.DTLS_MALFORMED),
        (b"\x16\xfe\xfd" + bytes(8) + b"\xff\xff" + b"cut", Drop.DTLS_MALFORMED),
        (b"\x14" * 1500, Drop.DTLS_MALFORMED),
        (b"\x3f" + bytes(100), Drop.DTLS_MALFORMED),
        (b"\x50" + bytes(100), Drop.UNKNOWN_PROTOCOL),
        (b"\xff" * 1500, Drop.UNKNOWN_PROTOCOL),
    ]


async def test_damaged_packets_of_a_peer_cost_it_only_those(network: Network, connect: Connect) -> None:
    bystander = await connect(network)
    pair = await connect(network, data=True)
    await pair.client.open_channel("reliable")
    attempts = damaged(pair)
    for datagram, reason in attempts:
        before = network.counters.drops[reason]
        pair.client.say(datagram)
        await until(lambda before=before, reason=reason: network.counters.drops[reason] == before + 1)
    assert sum(network.counters.drops.values()) == len(attempts)
    assert pair.listener.rtp == pair.listener.rtcp == []
    await pair.works()
    await bystander.works()


async def test_garbage_of_every_kind_closes_nothing(network: Network, connect: Connect) -> None:
    bystander = await connect(network)
    pair = await connect(network, data=True)
    await pair.client.open_channel("lossy")
    dice = random.Random(4)
    for _ in range(600):
        first = dice.choice([0, 1, 20, 22, 23, 25, 63, 70, 128, 144, 191, 255])
        pair.client.say(bytes([first]) + dice.randbytes(dice.randrange(0, 200)))
        await asyncio.sleep(0)
    wellformed = struct.Struct("!BHHHIH")
    for kind in range(20, 27):
        for epoch in (0, 1):
            content = dice.randbytes(60)
            pair.client.say(wellformed.pack(kind, 0xFEFD, epoch, 0, 99, len(content)) + content)
    await pair.works()
    await bystander.works()
    assert pair.link.state is LinkState.CONNECTED


async def test_garbage_during_the_handshake_does_not_spoil_it(network: Network) -> None:
    listener = Listener()
    link = network.create_link(listener)
    client = Client(network)
    await client.check(link)
    link.start([client.fingerprint], data_channels=False)
    client.say(b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x20" + os.urandom(32))
    client.say(b"\x80\x60" + bytes(100))
    client.say(b"\x16" * 900)
    await client.secure()
    await until(lambda: listener.connected)
    assert network.counters.drops[Drop.SRTP_NOT_CONNECTED] == 1
    await client.leave()


async def test_replays_are_told_from_forgeries(network: Network, connect: Connect) -> None:
    pair = await connect(network)
    packet = pair.client.dtls._tx_srtp.protect(rtp(1))
    for _ in range(3):
        pair.client.say(packet)
    await until(lambda: network.counters.drops == {Drop.SRTP_REPLAY: 2})
    assert pair.listener.rtp == [rtp(1)]


async def test_malformed_extensions_are_not_our_business(network: Network, connect: Connect) -> None:
    """They pass as they are; reading them is for those who know what they are."""
    pair = await connect(network)
    odd = (
        b"\x90\x60\x00\x01"
        + bytes(4)
        + b"\x00\x00\x12\x34"
        + b"\xbe\xde\x00\x01"
        + b"\x20\x01\x00\x00"
        + b"x"
    )
    pair.client.send_rtp(odd)
    await until(lambda: pair.listener.rtp == [odd])


async def test_a_peer_has_only_so_many_sources(open_network: OpenNetwork, connect: Connect) -> None:
    network = await open_network(sources_per_link=4)
    pair = await connect(network)
    for ssrc in range(1, 7):
        pair.client.send_rtp(rtp(1, ssrc=ssrc))
    await until(lambda: network.counters.drops == {Drop.SRTP_TOO_MANY_SOURCES: 2})
    pair.client.send_rtcp(receiver_report(1))
    pair.client.send_rtcp(receiver_report(99))
    await until(lambda: network.counters.drops == {Drop.SRTP_TOO_MANY_SOURCES: 3})
    assert len(pair.listener.rtp) == 4
    assert pair.listener.rtcp == [receiver_report(1)]


async def test_forged_sources_use_up_nothing(open_network: OpenNetwork, connect: Connect) -> None:
    network = await open_network(sources_per_link=1)
    pair = await connect(network)
    for ssrc in range(5):
        pair.client.say(rtp(1, bytes(40), ssrc=ssrc))
    await until(lambda: network.counters.drops == {Drop.SRTP_AUTHENTICATION: 5})
    pair.client.send_rtp(rtp(1))
    await until(lambda: pair.listener.rtp == [rtp(1)])


async def test_a_handshake_has_only_so_many_bytes(open_network: OpenNetwork) -> None:
    network = await open_network(handshake_bytes=2000, handshake_timeout_s=0.3)
    listener = Listener()
    link = network.create_link(listener)
    client = Client(network)
    await client.check(link)
    link.start([client.fingerprint], data_channels=False)
    for _ in range(3):
        client.say(b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x03\xe8" + bytes(1000))
    await until(lambda: network.counters.drops == {Drop.DTLS_HANDSHAKE_LIMIT: 2})
    await until(lambda: listener.ends == [LinkEnd.HANDSHAKE_TIMEOUT])
    await client.leave()


async def test_records_come_at_a_bounded_rate_and_wait_in_a_bounded_queue(
    open_network: OpenNetwork, connect: Connect
) -> None:
    network = await open_network(records_per_s=1.0, record_burst=100)
    bystander = await connect(network)
    pair = await connect(network)
    record = b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x01" + b"x"
    for _ in range(2):
        pair.client.say(record * 100)
    drops = network.counters.drops
    await until(lambda: drops[Drop.DTLS_RATE] > 50 and drops[Drop.DTLS_QUEUE_FULL] > 10)
    await pair.works()
    await bystander.works()


async def test_a_listener_that_raises_loses_its_link_and_no_other(
    open_network: OpenNetwork, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    network = await open_network()
    bystander = await connect(network)
    pair = await connect(network)
    pair.listener.received_rtp = lambda packet, now: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    pair.listener.link_closed = lambda reason: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    pair.client.send_rtp(rtp(1))
    await until(lambda: pair.client.dtls.state == "closed")
    assert network.counters.ends == {LinkEnd.FAULT: 1}
    assert network.counters.faults == 2
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    await bystander.works()


async def test_a_bug_in_the_link_itself_is_contained(
    open_network: OpenNetwork, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = await open_network()
    bystander = await connect(network)
    pair = await connect(network)
    monkeypatch.setattr(pair.link, "receive_dtls", lambda datagram, now: 1 / 0)
    pair.client.say(b"\x16")
    await until(lambda: pair.listener.ends == [LinkEnd.FAULT])
    await bystander.works()
    assert network.counters.faults == 1
