"""The node's DTLS certificate: self-signed P-256, one for all links, kept across restarts if asked.

Peers trust it by its fingerprint, which reaches them through signalling; the names and dates in it mean
nothing to them. aiortc's own certificates end after 30 days and get a TLS context per connection; this
one lives for years and shares one context.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

LIFETIME = timedelta(days=3650)
RENEW_BEFORE_END = timedelta(days=90)
_DTLS_1_2 = 0xFEFD


class Certificate:
    """A key and its self-signed certificate."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.expires_at: datetime = certificate.not_valid_after_utc
        self.shared = SharedCertificate(key, certificate)
        self.fingerprint = f"sha-256 {certificate.fingerprint(hashes.SHA256()).hex(':').upper()}"
        self._key = key
        self._certificate = certificate

    @classmethod
    def generate(cls, *, now: datetime | None = None, lifetime: timedelta = LIFETIME) -> "Certificate":
        """Make a new one that lasts `lifetime`, and began a day ago for peers whose clock is behind."""
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "parley")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + lifetime)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def load_or_generate(cls, path: Path, *, now: datetime | None = None) -> "Certificate":
        """Read the PEM file at `path`; write a new one there if it is missing or soon to expire.

        Raises ValueError if the file is there but holds no P-256 key and certificate: it is not ours to
        overwrite.
        """
        now = now or datetime.now(UTC)
        if path.exists():
            found = cls.from_pem(path.read_bytes())
            if found.expires_at - now > RENEW_BEFORE_END:
                return found
        made = cls.generate(now=now)
        _write_secret(path, made.to_pem())
        return made

    @classmethod
    def from_pem(cls, pem: bytes) -> "Certificate":
        """Read a private key and a certificate; raises ValueError if they are not there or do not match."""
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError(  # noqa: TRY004 - the file's content is wrong, not the caller's types
                "The DTLS key must be an elliptic curve key on P-256."
            )
        if certificate.public_key() != key.public_key():
            raise ValueError("The DTLS certificate was not made with the key beside it.")
        return cls(key, certificate)

    def to_pem(self) -> bytes:
        """Return the private key and the certificate."""
        key = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return key + self._certificate.public_bytes(serialization.Encoding.PEM)


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


def _write_secret(path: Path, content: bytes) -> None:
    """Replace `path` in one step with a file that only its owner can read."""
    partial = path.with_name(path.name + ".new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)
