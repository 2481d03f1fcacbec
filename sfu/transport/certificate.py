"""The node's DTLS certificate: self-signed P-256, one for all links, made anew at each start.

Peers trust it by its fingerprint, which reaches them through signalling; the names and dates in it mean
nothing to them. aiortc's own certificates end after 30 days and get a TLS context per connection; this
one lives for years and shares one context.
"""

from datetime import UTC, datetime, timedelta

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

LIFETIME = timedelta(days=3650)
_DTLS_1_2 = 0xFEFD


class Certificate:
    """A key and its self-signed certificate."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.shared = SharedCertificate(key, certificate)
        self.fingerprint = f"sha-256 {certificate.fingerprint(hashes.SHA256()).hex(':').upper()}"

    @classmethod
    def generate(cls) -> "Certificate":
        """Make a new one, that began a day ago for peers whose clock is behind."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "parley")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + LIFETIME)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)


class SharedCertificate(RTCCertificate):
    """A certificate whose TLS context is made once, not per connection.

    Session caching is off: the context outlives its connections, and would keep every one's session.
    """

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            context = super()._create_ssl_context(srtp_profiles)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            context.set_max_proto_version(_DTLS_1_2)
            context.set_options(SSL.OP_NO_RENEGOTIATION)
            self._context = context
        return self._context
