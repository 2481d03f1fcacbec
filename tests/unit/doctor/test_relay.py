"""TURN URIs as RFC 7065 has them."""

import pytest

from doctor.relay import Relay


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("turn:turn.example.org", Relay("turn.example.org", 3478, "udp", False)),
        ("turn:turn.example.org:80?transport=tcp", Relay("turn.example.org", 80, "tcp", False)),
        ("turns:turn.example.org", Relay("turn.example.org", 5349, "tcp", True)),
        ("turns:[2001:db8::1]:443?transport=tcp", Relay("2001:db8::1", 443, "tcp", True)),
    ],
)
def test_a_way_is_read(url: str, relay: Relay) -> None:
    assert Relay.at(url) == relay


@pytest.mark.parametrize("url", ["", "stun:a", "turn:", "turn:a:b", "turn:a?transport=sctp", "turn://a"])
def test_what_is_no_way_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the address"):
        Relay.at(url)
