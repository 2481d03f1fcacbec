"""The life of a link over real UDP, against aiortc's own DTLS, SRTP and SCTP."""

import asyncio
import errno
import socket
import struct

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from OpenSSL import SSL
from pylibsrtp import Policy

from sfu.transport import udp
from sfu.transport.counters import Drop, LinkEnd, LinkState
from sfu.transport.network import Network
from sfu.transport.settings import NetworkSettings
from tests.integration.transport.client import Client, Listener, receiver_report, rtp, until
from tests.integration.transport.conftest import Connect, OpenNetwork

PROFILES = [b"SRTP_AEAD_AES_128_GCM", b"SRTP_AEAD_AES_256_GCM", b"SRTP_AES128_CM_SHA1_80"]


class TestConnecting:
    async def test_a_check_is_answered_with_the_address_it_came_from(self, network: Network) -> None:
        link = network.create_link(Listener())
        client = Client(network)
        before = link.last_heard
        answer = await client.check(link)
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == client.address
        assert link.remote_address == client.address
        assert link.last_heard > before
        await client.leave()

    async def test_the_cheapest_cipher_is_chosen_of_those_a_peer_offers(
        self, network: Network, connect: Connect
    ) -> None:
        pair = await connect(network)
        assert pair.client.dtls._ssl.get_selected_srtp_profile() == b"SRTP_AEAD_AES_128_GCM"
        assert pair.client.dtls._ssl.get_protocol_version_name() == "DTLSv1.2"
        assert pair.link.state is LinkState.CONNECTED

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    @pytest.mark.parametrize("profile", PROFILES)
    async def test_media_passes_both_ways(
        self, network: Network, connect: Connect, profile: bytes, host: str
    ) -> None:
        pair = await connect(network, profile=profile, host=host)
        assert pair.client.dtls._ssl.get_selected_srtp_profile() == profile
        await pair.works()
        before = pair.link.last_heard
        pair.client.send_rtcp(receiver_report(7))
        await until(lambda: pair.listener.rtcp == [receiver_report(7)])
        assert pair.link.last_heard == pair.listener.times[-1] > before
        pair.link.send_rtcp(receiver_report(8))
        network.flush()
        await until(lambda: pair.client.srtp)
        assert pair.client.received_rtcp() == [receiver_report(8)]

    async def test_the_handshake_survives_a_lost_flight(self, network: Network) -> None:
        listener = Listener()
        link = network.create_link(listener)
        client = Client(network)
        await client.check(link)
        link.start([client.fingerprint], data_channels=False)
        client.lose_records = 1
        await client.secure()
        await until(lambda: listener.connected)
        assert client.lose_records == 0
        await client.leave()

    async def test_dtls_that_comes_before_the_start_is_kept(self, network: Network) -> None:
        listener = Listener()
        link = network.create_link(listener)
        client = Client(network)
        await client.check(link)
        securing = asyncio.ensure_future(client.secure())
        await until(lambda: network.counters.datagrams_in == 2)
        link.start([client.fingerprint], data_channels=False)
        await securing
        await until(lambda: listener.connected)
        await client.leave()

    async def test_our_flights_fit_a_datagram(self, network: Network, connect: Connect) -> None:
        """aiortc would cut a longer one in the middle of a record."""
        pair = await connect(network)
        assert max(pair.client.record_sizes) < 1200

    async def test_two_records_in_one_datagram_are_both_read(
        self, network: Network, connect: Connect
    ) -> None:
        pair = await connect(network, data=True)
        ssl = pair.client.dtls._ssl
        pair.client.sctp_packets.clear()
        for beat in (b"one!", b"two!"):
            ssl.send(pair.client.sctp_packet(struct.pack("!BBHHH4s", 4, 0, 12, 1, 8, beat)))
        datagram = ssl.bio_read(4096)
        pair.client.say(datagram)
        await until(lambda: sum(b"one!" in p or b"two!" in p for p in pair.client.sctp_packets) == 2)

    async def test_starting_without_a_fingerprint_is_refused(self, network: Network) -> None:
        link = network.create_link(Listener())
        with pytest.raises(ValueError, match="fingerprint"):
            link.start([], data_channels=False)

    async def test_starting_twice_is_a_bug(self, network: Network) -> None:
        link = network.create_link(Listener())
        link.start([("sha-256", "AA")], data_channels=False)
        with pytest.raises(RuntimeError, match="connecting"):
            link.start([("sha-256", "AA")], data_channels=False)


class TestFailing:
    async def test_in_time(self, open_network: OpenNetwork) -> None:
        network = await open_network(handshake_timeout_s=0.1)
        listener = Listener()
        link = network.create_link(listener)
        link.start([("sha-256", "AA")], data_channels=False)
        await until(lambda: listener.ends)
        assert listener.ends == [LinkEnd.HANDSHAKE_TIMEOUT]
        assert link.state is LinkState.CLOSED
        assert not listener.connected

    async def test_a_peer_with_another_certificate_than_it_signalled(self, network: Network) -> None:
        listener = Listener()
        link = network.create_link(listener)
        client = Client(network)
        await client.check(link)
        other = RTCCertificate.generateCertificate().getFingerprints()[0]
        link.start([(other.algorithm, other.value)], data_channels=True)
        await client.secure()
        await until(lambda: listener.ends)
        assert listener.ends == [LinkEnd.FINGERPRINT_MISMATCH]
        assert not listener.connected
        client.send_rtp(rtp(1))
        await until(lambda: network.counters.drops[Drop.UNKNOWN_ADDRESS])
        assert listener.rtp == []
        await client.leave()

    async def test_a_peer_without_a_cipher_of_ours(self, network: Network) -> None:
        listener = Listener()
        link = network.create_link(listener)
        client = Client(network)
        client.dtls._srtp_profiles = [
            SRTPProtectionProfile(Policy.SRTP_PROFILE_AES128_CM_SHA1_32, b"SRTP_AES128_CM_SHA1_32", 16, 14)
        ]
        await client.check(link)
        link.start([client.fingerprint], data_channels=False)
        await client.secure()
        await until(lambda: listener.ends)
        assert listener.ends == [LinkEnd.NO_COMMON_PROFILE]
        await client.leave()

    async def test_a_peer_that_speaks_another_dtls(self, network: Network) -> None:
        listener = Listener()
        link = network.create_link(listener)
        client = Client(network)
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_cipher_list(b"ECDHE-RSA-AES256-GCM-SHA384")
        client.certificate._create_ssl_context = lambda srtp_profiles: context  # type: ignore[method-assign]
        await client.check(link)
        link.start([client.fingerprint], data_channels=False)
        securing = asyncio.ensure_future(client.secure())
        await until(lambda: listener.ends)
        assert listener.ends == [LinkEnd.HANDSHAKE_FAILED]
        securing.cancel()
        await client.leave()


class TestClosing:
    async def test_by_us(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        pair.link.close()
        pair.link.close()
        await until(lambda: pair.client.dtls.state == "closed")
        assert pair.link.state is LinkState.CLOSED
        assert pair.listener.ends == []
        assert network.counters.ends == {LinkEnd.CLOSED_HERE: 1}
        pair.link.send_rtp(rtp(1))
        assert not pair.link.send_data("reliable", "late")
        assert network.counters.drops[Drop.SEND_NOT_CONNECTED] == 1

    async def test_by_the_peer(self, network: Network, connect: Connect) -> None:
        pair = await connect(network, data=True)
        await pair.client.leave()
        await until(lambda: pair.listener.ends)
        assert pair.listener.ends == [LinkEnd.CLOSED_BY_PEER]
        assert network.counters.links[LinkState.CONNECTED] == 0

    async def test_during_the_handshake(self, network: Network) -> None:
        listener = Listener()
        link = network.create_link(listener)
        client = Client(network)
        await client.check(link)
        link.start([client.fingerprint], data_channels=False)
        await asyncio.sleep(0)
        link.close()
        assert listener.ends == []
        client.say(client.check_bytes(link.ufrag, link.pwd)[0])
        await until(lambda: network.counters.drops[Drop.STUN_UNKNOWN_UFRAG])
        await client.leave()

    async def test_before_anything(self, network: Network) -> None:
        link = network.create_link(Listener())
        link.close()
        link.restart_ice()
        assert link.state is LinkState.CLOSED
        assert network.counters.links == {LinkState.NEW: 0, LinkState.CLOSED: 1}

    async def test_what_was_queued_is_still_sent(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        pair.link.send_rtcp(receiver_report(9))
        pair.link.close()
        network.flush()
        await until(lambda: pair.client.srtp)
        assert pair.client.received_rtcp() == [receiver_report(9)]

    async def test_the_network_with_all_its_links(self, open_network: OpenNetwork, connect: Connect) -> None:
        network = await open_network()
        pairs = [await connect(network) for _ in range(2)]
        network.close()
        network.close()
        for pair in pairs:
            await until(lambda pair=pair: pair.client.dtls.state == "closed")
            assert pair.listener.ends == []
        with pytest.raises(RuntimeError):
            network.create_link(Listener())

    async def test_a_listener_may_close_its_link_from_within_a_call(
        self, network: Network, connect: Connect
    ) -> None:
        pair = await connect(network, data=True)
        await pair.client.open_channel("reliable")
        pair.listener.received_data = lambda label, text: pair.link.close()  # type: ignore[method-assign]
        pair.client.channels["reliable"].send("close, please")
        await until(lambda: pair.client.dtls.state == "closed")
        other = await connect(network)
        other.listener.received_rtp = lambda packet, now: other.link.close()  # type: ignore[method-assign]
        other.client.send_rtp(rtp(1))
        other.client.send_rtp(rtp(2))
        await until(lambda: other.client.dtls.state == "closed")


class TestIce:
    async def test_restart(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        old = pair.link.ufrag, pair.link.pwd
        pair.link.restart_ice()
        assert (pair.link.ufrag, pair.link.pwd) != old
        await pair.client.check_with(*old)
        pair.client.move()
        await pair.client.check(pair.link)
        await pair.works()
        pair.client.say(pair.client.check_bytes(*old)[0])
        await until(lambda: network.counters.drops[Drop.STUN_UNKNOWN_UFRAG] == 1)
        assert pair.link.state is LinkState.CONNECTED

    async def test_a_restart_that_overtakes_another(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        confirmed = pair.link.ufrag, pair.link.pwd
        pair.link.restart_ice()
        overtaken = pair.link.ufrag, pair.link.pwd
        pair.link.restart_ice()
        await pair.client.check_with(*confirmed)
        pair.client.say(pair.client.check_bytes(*overtaken)[0])
        await until(lambda: network.counters.drops[Drop.STUN_UNKNOWN_UFRAG] == 1)
        await pair.client.check(pair.link)
        await pair.works()

    async def test_the_address_moves_when_a_check_nominates(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        first = pair.client.address
        pair.client.move()
        await pair.client.check(pair.link, nominate=False)
        assert pair.link.remote_address == first
        await pair.works()
        await pair.client.check(pair.link)
        assert pair.link.remote_address == pair.client.address != first
        await pair.works()

    async def test_the_address_moves_between_families(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        down = rtp(1, b"queued before the move", ssrc=9)
        pair.link.send_rtp(down)
        pair.client.node = ("::1", network.port)
        pair.client.move()
        await pair.client.check(pair.link)
        await until(lambda: pair.client.srtp)
        assert pair.client.received_rtp() == [down]
        await pair.works()
        assert pair.link.remote_address is not None
        assert pair.link.remote_address[0] == "::1"

    async def test_the_oldest_address_goes_first(self, open_network: OpenNetwork, connect: Connect) -> None:
        network = await open_network(addresses_per_link=3)
        pair = await connect(network)
        used = pair.client.address
        abandoned = None
        for _ in range(3):
            pair.client.move()
            abandoned = abandoned or pair.client.udp
            await pair.client.check(pair.link, nominate=False)
        assert pair.link.remote_address == used
        await pair.works()
        assert abandoned is not None
        abandoned.sendto(b"\x80" + bytes(40), pair.client.node)
        await until(lambda: network.counters.drops[Drop.UNKNOWN_ADDRESS] == 1)

    async def test_a_peer_in_the_wrong_role_is_told(self, network: Network) -> None:
        link = network.create_link(Listener())
        client = Client(network)
        answer = await client.check(link, controlled=True)
        assert answer.attributes["ERROR-CODE"][0] == 487
        assert link.remote_address is None
        assert (await client.check(link)).attributes["XOR-MAPPED-ADDRESS"] == client.address
        await client.leave()

    async def test_a_live_links_address_cannot_be_taken(self, network: Network, connect: Connect) -> None:
        pair = await connect(network)
        other = network.create_link(Listener())
        pair.client.say(pair.client.check_bytes(other.ufrag, other.pwd)[0])
        await until(lambda: network.counters.drops[Drop.STUN_ADDRESS_TAKEN] == 1)
        assert other.remote_address is None
        await pair.works()

    async def test_a_dead_links_address_can_be_taken(
        self, open_network: OpenNetwork, connect: Connect
    ) -> None:
        network = await open_network(address_hold_s=0.0)
        pair = await connect(network)
        other = network.create_link(Listener())
        await pair.client.check(other)
        assert other.remote_address == pair.client.address
        pair.link.close()
        await pair.client.check(other)

    async def test_checks_are_answered_at_a_bounded_rate(self, open_network: OpenNetwork) -> None:
        network = await open_network(checks_per_s=1.0, check_burst=3)
        link = network.create_link(Listener())
        client = Client(network)
        for _ in range(5):
            client.say(client.check_bytes(link.ufrag, link.pwd)[0])
        await until(lambda: network.counters.drops[Drop.STUN_RATE] == 2)
        assert network.counters.checks_answered == 3
        await client.leave()


class TestNetwork:
    async def test_advertises_its_port(self, network: Network) -> None:
        made = network.candidates(loopback=True)
        assert "127.0.0.1" in [each.address for each in made]
        assert {each.port for each in made} == {network.port, network.tcp_port}

    async def test_one_family_alone(self, open_network: OpenNetwork, connect: Connect) -> None:
        only_v4 = await open_network(bind_v6="")
        assert not any(":" in each.address for each in only_v4.candidates(loopback=True))
        await (await connect(only_v4)).works()
        only_v6 = await open_network(bind_v4="")
        assert all(":" in each.address for each in only_v6.candidates(loopback=True))
        await (await connect(only_v6, host="::1")).works()

    async def test_no_address_to_listen_on(self, open_network: OpenNetwork) -> None:
        with pytest.raises(ValueError, match="IPv4 or IPv6"):
            await open_network(bind_v4="", bind_v6="")

    async def test_a_machine_without_ipv6_is_served_over_ipv4(
        self, open_network: OpenNetwork, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = udp._bind

        def bind(family: socket.AddressFamily, *rest: object) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return real(family, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(udp, "_bind", bind)
        network = await open_network()
        await (await connect(network)).works()
        with pytest.raises(OSError, match="not supported"):
            await open_network(bind_v6="2001:db8::1")

    async def test_an_address_of_another_machine(self, open_network: OpenNetwork) -> None:
        for setting in ({"bind_v4": "192.0.2.99"}, {"bind_v6": "2001:db8::99"}):
            with pytest.raises(OSError, match="assign"):
                await open_network(**setting)

    async def test_a_taken_port(self, network: Network) -> None:
        other = Network(NetworkSettings(port=network.port), network._certificate)
        with pytest.raises(OSError, match="in use"):
            await other.open()
