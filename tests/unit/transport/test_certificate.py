"""The node's certificate: kept, renewed, and never overwritten if it is not ours."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sfu.transport.certificate import RENEW_BEFORE_END, Certificate
from sfu.transport.dtls import SRTP_PROFILES


def test_the_fingerprint_is_aiortcs() -> None:
    made = Certificate.generate()
    sha256 = made.shared.getFingerprints()[0]
    assert made.fingerprint == f"{sha256.algorithm} {sha256.value}"


def test_is_kept_across_restarts(tmp_path: Path) -> None:
    path = tmp_path / "dtls.pem"
    first = Certificate.load_or_generate(path)
    assert Certificate.load_or_generate(path).fingerprint == first.fingerprint
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["dtls.pem"]


def test_is_renewed_before_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "dtls.pem"
    first = Certificate.load_or_generate(path)
    just_before = first.expires_at - RENEW_BEFORE_END - timedelta(seconds=1)
    assert Certificate.load_or_generate(path, now=just_before).fingerprint == first.fingerprint
    renewed = Certificate.load_or_generate(path, now=first.expires_at - RENEW_BEFORE_END)
    assert renewed.fingerprint != first.fingerprint
    assert renewed.expires_at > first.expires_at


def test_lasts_for_years() -> None:
    assert Certificate.generate().expires_at - datetime.now(UTC) > timedelta(days=3000)


@pytest.mark.parametrize("content", [b"", b"not a certificate", Certificate.generate().to_pem()[:300]])
def test_what_is_no_certificate_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "dtls.pem"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        Certificate.load_or_generate(path)
    assert path.read_bytes() == content


def test_a_key_of_another_kind_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = Certificate.generate().to_pem()
    with pytest.raises(ValueError, match="P-256"):
        Certificate.from_pem(key + certificate[certificate.index(b"-----BEGIN CERTIFICATE") :])


def test_the_key_of_another_certificate_is_refused() -> None:
    one, other = Certificate.generate().to_pem(), Certificate.generate().to_pem()
    cut = one.index(b"-----BEGIN CERTIFICATE")
    with pytest.raises(ValueError, match="beside it"):
        Certificate.from_pem(one[:cut] + other[other.index(b"-----BEGIN CERTIFICATE") :])


def test_one_context_serves_all_connections() -> None:
    shared = Certificate.generate().shared
    assert shared._create_ssl_context(SRTP_PROFILES) is shared._create_ssl_context(SRTP_PROFILES)
