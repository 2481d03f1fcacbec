"""The bots' STUN codec, against the published samples and itself."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.light import stun

PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
# RFC 5769 sections 2.1 and 2.2.
SAMPLE_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
SAMPLE_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
TRANSACTION = bytes(range(12))


@pytest.mark.parametrize("sample", [SAMPLE_REQUEST, SAMPLE_RESPONSE])
def test_the_published_samples_are_genuine(sample: bytes) -> None:
    assert stun.parse(sample) is not None
    assert stun.genuine(sample, PASSWORD)
    assert not stun.genuine(sample, PASSWORD + "x")


@given(position=st.integers(0, len(SAMPLE_REQUEST) - 1), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(position: int, flip: int) -> None:
    changed = bytearray(SAMPLE_REQUEST)
    changed[position] ^= flip
    assert stun.parse(bytes(changed)) is None or not stun.genuine(bytes(changed), PASSWORD)


@pytest.mark.parametrize(("controlling", "role"), [(True, 0x802A), (False, 0x8029)])
def test_a_request_reads_back(controlling: bool, role: int) -> None:
    data = stun.request(
        transaction=TRANSACTION, username="them:us", password=PASSWORD, tiebreaker=7, controlling=controlling
    )
    message = stun.parse(data)
    assert message is not None
    assert (message.kind, message.transaction) == (stun.REQUEST, TRANSACTION)
    assert message.attributes[0x0006] == b"them:us"
    assert message.attributes[role] == (7).to_bytes(8, "big")
    assert (0x0025 in message.attributes) is controlling
    assert stun.genuine(data, PASSWORD)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::7"])
def test_a_success_holds_the_address_masked(host: str) -> None:
    data = stun.success(transaction=TRANSACTION, address=(host, 32853), password=PASSWORD)
    message = stun.parse(data)
    assert message is not None
    mapped = message.attributes[0x0020]
    packed = ipaddress.ip_address(host).packed
    mask = (bytes.fromhex("2112a442") + TRANSACTION)[: len(packed)]
    assert int.from_bytes(mapped[2:4], "big") ^ 0x2112 == 32853
    assert bytes(a ^ b for a, b in zip(mapped[4:], mask, strict=True)) == packed
    assert stun.genuine(data, PASSWORD)


@given(st.binary(max_size=80))
def test_garbage_is_none(data: bytes) -> None:
    message = stun.parse(data)
    assert message is None or data[4:8] == bytes.fromhex("2112a442")
    assert not stun.genuine(data, PASSWORD)
