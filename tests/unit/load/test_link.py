"""The bots' DTLS and SRTP: two of them meet in memory."""

import pytest
from pylibsrtp import Error

from tests.load.light.dtls import PROFILES, Handshake, HandshakeFailed, Identity
from tests.load.light.rtp import HEADER


def meet(client: Handshake, server: Handshake) -> None:
    """Pass datagrams to and fro until neither has more to say."""
    to_server, to_client = client.start(), server.start()
    while to_server or to_client:
        answers = [server.received(datagram) for datagram in to_server]
        to_client += [datagram for answer in answers for datagram in answer]
        answers = [client.received(datagram) for datagram in to_client]
        to_server = [datagram for answer in answers for datagram in answer]
        to_client = []


@pytest.mark.parametrize("name", PROFILES)
def test_what_one_protects_the_other_unprotects(name: str) -> None:
    ours, theirs = Identity(PROFILES[name]), Identity(PROFILES[name])
    client = Handshake(ours, "client", theirs.fingerprint)
    server = Handshake(theirs, "server", ours.fingerprint)
    meet(client, server)
    assert client.finished
    assert server.finished
    packet = HEADER.pack(0x80, 96, 1, 2, 3) + b"payload"
    sending, receiving = client.sessions()[0], server.sessions()[1]
    protected = sending.protect(packet)
    assert receiving.unprotect(protected) == packet
    with pytest.raises(Error):
        receiving.unprotect(protected)


def test_closing_reaches_the_other_side() -> None:
    identity = Identity()
    client = Handshake(identity, "client", identity.fingerprint)
    server = Handshake(identity, "server", identity.fingerprint)
    meet(client, server)
    for datagram in server.close():
        client.received(datagram)
    assert client.closed


def test_another_certificate_is_refused() -> None:
    identity, stranger = Identity(), Identity()
    client = Handshake(identity, "client", stranger.fingerprint)
    server = Handshake(identity, "server", identity.fingerprint)
    with pytest.raises(HandshakeFailed, match="not the one"):
        meet(client, server)


def test_a_different_profile_is_refused() -> None:
    gcm, sha1 = Identity(PROFILES["gcm"]), Identity(PROFILES["sha1"])
    client = Handshake(gcm, "client", sha1.fingerprint)
    server = Handshake(sha1, "server", gcm.fingerprint)
    with pytest.raises(HandshakeFailed):
        meet(client, server)
