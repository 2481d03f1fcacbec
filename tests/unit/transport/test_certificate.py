"""The node's certificate."""

from datetime import UTC, datetime, timedelta

from sfu.transport.certificate import Certificate
from sfu.transport.dtls import SRTP_PROFILES


def test_the_fingerprint_is_aiortcs() -> None:
    made = Certificate.generate()
    sha256 = made.shared.getFingerprints()[0]
    assert made.fingerprint == f"{sha256.algorithm} {sha256.value}"


def test_lasts_for_years() -> None:
    assert Certificate.generate().shared.expires - datetime.now(UTC) > timedelta(days=3000)


def test_one_context_serves_all_connections() -> None:
    shared = Certificate.generate().shared
    assert shared._create_ssl_context(SRTP_PROFILES) is shared._create_ssl_context(SRTP_PROFILES)
