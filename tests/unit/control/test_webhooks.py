"""What of webhooks is pure: signatures, and which addresses are public."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.webhooks.signature import secret_of, sign
from control.webhooks.targets import is_public


def test_signatures_are_those_of_the_specification() -> None:
    """The example that the specification's own libraries test themselves by."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_endpoint_has_a_secret_of_its_own() -> None:
    assert secret_of(b"house", "a") == secret_of(b"house", "a") != secret_of(b"house", "b")
    assert secret_of(b"house", "a") != secret_of(b"other", "a")
    assert secret_of(b"house", "a").startswith("whsec_")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),  # RFC 6598
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("64:ff9b::7f00:1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),  # Teredo
    ],
)
def test_public_addresses(address: str, expected: bool) -> None:
    assert is_public(ip_address(address)) is expected


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_counts_for_itself(address: object) -> None:
    number = int(ip_address(str(address)))
    mapped = ip_address((0xFFFF << 32) | number)
    sixtofour = ip_address((0x2002 << 112) | (number << 80) | 1)
    assert is_public(mapped) == is_public(sixtofour) == is_public(ip_address(number))
