"""DTLS with SRTP keys (RFC 5764) by pyOpenSSL over memory buffers: datagrams in, datagrams out.

Knows no socket and no clock but OpenSSL's own retransmission timer. One certificate and one context
serve every bot of a process, as making them costs more than a handshake.
"""

import datetime
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

Role = Literal["client", "server"]

_RECORD_HEADER_BYTES = 13
_READ_BYTES = 65536
_REPLAY_WINDOW = 1024


@dataclass(frozen=True)
class Profile:
    """An SRTP protection profile: its OpenSSL name, libsrtp's number, key and salt sizes in bytes."""

    name: str
    policy: int
    key_bytes: int
    salt_bytes: int


PROFILES = {
    "gcm": Profile("SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "sha1": Profile("SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


class Identity:
    """A self-signed certificate and the one SRTP profile its bearer accepts."""

    def __init__(self, profile: Profile = PROFILES["gcm"]) -> None:
        self.profile = profile
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bot")])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .sign(self._key, hashes.SHA256())
        )
        self.fingerprint = fingerprint(self._certificate)

    @cached_property
    def context(self) -> SSL.Context:
        """The context of every handshake. Any certificate passes: the fingerprint is what counts."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(self._certificate)
        context.use_privatekey(self._key)
        context.set_tlsext_use_srtp(self.profile.name.encode())
        return context


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint as SDP writes it (RFC 8122 section 5)."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class HandshakeFailed(Exception):
    """The other side is not who its description says, or speaks no common DTLS."""


class Handshake:
    """One DTLS association. Feed it datagrams and time; send what it returns."""

    def __init__(self, identity: Identity, role: Role, remote_fingerprint: str) -> None:
        self._profile = identity.profile
        self._role = role
        self._remote_fingerprint = remote_fingerprint.upper()
        self._connection = SSL.Connection(identity.context, None)
        if role == "client":
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self.finished = False
        self.closed = False

    def start(self) -> list[bytes]:
        """Return the first flight: a client's hello, nothing for a server."""
        return self._advance()

    def received(self, datagram: bytes) -> list[bytes]:
        """Take in a datagram and return the answer. Raises HandshakeFailed."""
        self._connection.bio_write(datagram)
        if self.finished:
            self._read_application_data()
            return self._flight()
        return self._advance()

    def timed_out(self) -> list[bytes]:
        """Return the last flight again if OpenSSL's timer says so."""
        if self._connection.DTLSv1_get_timeout() != 0:
            return []
        self._connection.DTLSv1_handle_timeout()
        return self._flight()

    def close(self) -> list[bytes]:
        """Return the closing alert."""
        if self.finished and not self.closed:
            self._connection.shutdown()
        return self._flight()

    def sessions(self) -> tuple[Session, Session]:
        """Return the SRTP sessions for sending and for receiving, once the handshake is finished."""
        key, salt = self._profile.key_bytes, self._profile.salt_bytes
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        ours, theirs = (client, server) if self._role == "client" else (server, client)
        return (
            self._session(ours, Policy.SSRC_ANY_OUTBOUND),
            self._session(theirs, Policy.SSRC_ANY_INBOUND),
        )

    def _session(self, key: bytes, direction: int) -> Session:
        policy = Policy(key=key, ssrc_type=direction, srtp_profile=self._profile.policy)
        policy.allow_repeat_tx = True
        policy.window_size = _REPLAY_WINDOW
        return Session(policy)

    def _advance(self) -> list[bytes]:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return self._flight()
        except SSL.Error as error:
            raise HandshakeFailed(f"DTLS failed: {error}") from error
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or fingerprint(certificate) != self._remote_fingerprint:
            raise HandshakeFailed("the certificate is not the one the description names")
        if self._connection.get_selected_srtp_profile() != self._profile.name.encode():
            raise HandshakeFailed(f"the other side does not speak {self._profile.name}")
        self.finished = True
        return self._flight()

    def _read_application_data(self) -> None:
        try:
            self._connection.recv(_READ_BYTES)
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            raise HandshakeFailed(f"DTLS failed: {error}") from error

    def _flight(self) -> list[bytes]:
        """Return what OpenSSL wrote, a datagram per record: one read may hold several."""
        try:
            written = self._connection.bio_read(_READ_BYTES)
        except SSL.WantReadError:
            return []
        datagrams = []
        while written:
            size = _RECORD_HEADER_BYTES + int.from_bytes(written[11:13], "big")
            datagrams.append(written[:size])
            written = written[size:]
        return datagrams
