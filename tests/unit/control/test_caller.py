from ipaddress import ip_address, ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from control.edge.caller import Caller, identify
from control.refusals import Refused

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def seen(remote: str | None, headers: dict[str, str], public_url: URL | None = None) -> Caller:
    request = make_mocked_request("GET", "/", headers={"Host": "meet.lan:8080"} | headers)
    return identify(request.clone(remote=remote), PROXIES, public_url)


@pytest.mark.parametrize(
    ("remote", "forwarded", "address", "relayed"),
    [
        ("203.0.113.7", None, "203.0.113.7", False),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7", True),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1", False),
        ("10.0.0.1", "192.0.2.1, 198.51.100.1", "198.51.100.1", False),
        ("10.0.0.1", "192.0.2.1, 198.51.100.1, 10.0.0.2", "198.51.100.1", False),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", False),
        ("10.0.0.1", "nonsense", "0.0.0.0", False),
        ("::1", "2001:db8::5", "2001:db8::5", False),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1", False),
        ("", None, "0.0.0.0", False),
    ],
)
def test_whose_address_counts(remote: str, forwarded: str | None, address: str, relayed: bool) -> None:
    caller = seen(remote, {} if forwarded is None else {"X-Forwarded-For": forwarded})
    assert (caller.address, caller.relayed) == (ip_address(address), relayed)
    assert not (relayed and caller.within((ip_network("0.0.0.0/0"),)))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_one_subscriber_is_counted_once(address: str, key: str) -> None:
    assert Caller(ip_address(address), URL("http://x"), relayed=False).rate_key == key


def test_where_they_see_us() -> None:
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "meet.example.org"}
    assert seen("203.0.113.7", proxied).base == URL("http://meet.lan:8080")
    assert seen("10.0.0.1", proxied).base == URL("https://meet.example.org")
    assert seen("10.0.0.1", proxied).secure
    assert seen("203.0.113.7", {}, URL("https://set.example.org")).base == URL("https://set.example.org")


@pytest.mark.parametrize("name", ["X-Forwarded-Proto", "X-Forwarded-Host"])
@pytest.mark.parametrize("word", ["", "https, http", "java script", "a@b", "x/y"])
def test_a_proxy_that_talks_nonsense_is_refused(name: str, word: str) -> None:
    with pytest.raises(Refused):
        seen("10.0.0.1", {name: word})
