"""Which addresses a node advertises."""

from ipaddress import ip_address

import pytest

from sfu.transport import candidates as module
from sfu.transport.candidates import candidates

MACHINE = [
    "127.0.0.1",
    "::1",
    "192.0.2.7",
    "10.1.2.3",
    "fe80::1",
    "2001:db8::7",
    "169.254.3.4",
    "fd00::2",
    "10.1.2.3",
]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found = list(MACHINE)
    monkeypatch.setattr(module, "interface_addresses", lambda: [ip_address(each) for each in found])
    return found


def addresses(*setting: str, loopback: bool = False, families: tuple[int, ...] = (4, 6)) -> list[str]:
    return [each.address for each in candidates(setting, 5000, 0, loopback=loopback, families=families)]


def test_global_and_private_ones_each_once(machine: list[str]) -> None:
    assert addresses() == ["192.0.2.7", "10.1.2.3", "2001:db8::7", "fd00::2"]


def test_only_of_the_families_we_listen_on(machine: list[str]) -> None:
    assert addresses(families=(4,)) == ["192.0.2.7", "10.1.2.3"]


def test_loopback_if_asked_for(machine: list[str]) -> None:
    assert addresses(loopback=True)[-2:] == ["127.0.0.1", "::1"]


def test_loopback_if_there_is_nothing_else(machine: list[str]) -> None:
    machine[:] = ["127.0.0.1", "::1", "fe80::1"]
    assert addresses() == ["127.0.0.1", "::1"]


def test_the_setting_is_taken_as_it_is(machine: list[str]) -> None:
    assert addresses("203.0.113.9", "::1", loopback=True) == ["203.0.113.9", "::1"]


def test_a_setting_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="not-an-address"):
        addresses("not-an-address")


def test_priorities_fall_and_foundations_differ(machine: list[str]) -> None:
    made = candidates((), 5000, 443, loopback=True, families=(4, 6))
    assert len({each.priority for each in made}) == len({each.foundation for each in made}) == len(made)
    v4 = [each.priority for each in made if "." in each.address]
    assert v4 == sorted(v4, reverse=True)
    assert all(0 < each.priority < 2**31 for each in made)


def test_over_tcp_they_are_the_same_and_come_after_all_over_udp(machine: list[str]) -> None:
    made = candidates((), 5000, 443, loopback=False, families=(4, 6))
    udp, tcp = made[: len(made) // 2], made[len(made) // 2 :]
    assert [each.address for each in udp] == [each.address for each in tcp] == addresses()
    assert {(each.protocol, each.port) for each in udp} == {("udp", 5000)}
    assert {(each.protocol, each.port) for each in tcp} == {("tcp", 443)}
    assert min(each.priority for each in udp) > max(each.priority for each in tcp)


def test_this_machine_has_some() -> None:
    assert "127.0.0.1" in addresses(loopback=True)
