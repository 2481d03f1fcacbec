"""A whole aiortc RTCPeerConnection, ICE and all, against a link."""

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from sfu.transport.counters import LinkEnd
from sfu.transport.link import Link
from sfu.transport.network import Network
from tests.integration.transport.client import Listener, until


def answer(offer: str, network: Network, link: Link, host: str) -> str:
    """Accept the offer's m-lines as they are, ICE-lite and passive."""
    candidate = next(each for each in network.candidates(loopback=True) if each.address == host)
    shared = [
        f"c=IN IP4 {host}" if "." in host else f"c=IN IP6 {host}",
        f"a=ice-ufrag:{link.ufrag}",
        f"a=ice-pwd:{link.pwd}",
        f"a=fingerprint:{network.fingerprint}",
        "a=setup:passive",
        f"a=candidate:{candidate.foundation} 1 udp {candidate.priority} {host} {candidate.port} typ host",
        "a=end-of-candidates",
    ]
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=ice-lite", "a=group:BUNDLE 0 1"]
    for mid, section in enumerate(offer.split("\r\nm=")[1:]):
        kept = ("a=rtpmap:", "a=rtcp-mux", "a=sctp-port")
        lines += [f"m={section.splitlines()[0]}", *shared, f"a=mid:{mid}", "a=recvonly"]
        lines += [line for line in section.splitlines() if line.startswith(kept)]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_peer_connection_sends_sound_and_messages(
    network: Network, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [host])
    listener = Listener()
    link = network.create_link(listener)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTrack(AudioStreamTrack())
        channel = peer.createDataChannel("reliable")
        heard: list[str] = []
        channel.on("message", heard.append)
        await peer.setLocalDescription(await peer.createOffer())
        offer = peer.localDescription.sdp
        fingerprints = [
            tuple(line.removeprefix("a=fingerprint:").split())
            for line in offer.splitlines()
            if line.startswith("a=fingerprint:")
        ]
        link.start(fingerprints[:3], data_channels=True)  # type: ignore[arg-type]
        sdp = answer(offer, network, link, host)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await until(lambda: listener.connected and len(listener.rtp) > 5)
        await until(lambda: channel.readyState == "open")
        channel.send("hello")
        await until(lambda: listener.data == [("reliable", "hello")])
        assert link.send_data("reliable", "welcome")
        await until(lambda: heard == ["welcome"])
        assert peer.connectionState == "connected"
    finally:
        await peer.close()
    await until(lambda: listener.ends == [LinkEnd.CLOSED_BY_PEER])
