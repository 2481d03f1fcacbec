"""The STUN codec: RFC 5769's vectors, aioice as an independent reader, and any bytes at all."""

import struct
import zlib

import pytest
from aioice import stun as aioice
from hypothesis import given
from hypothesis import strategies as st

from sfu.transport import stun

RFC5769_PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
RFC5769_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf"
)
TRANSACTION = bytes(range(12))
addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 65535)),
    st.tuples(st.ip_addresses(v=6).map(str), st.integers(0, 65535), st.just(0), st.integers(0, 9)),
)


def request(username: str = "here:there", password: bytes = b"secret", **attributes: object) -> bytes:
    message = aioice.Message(aioice.Method.BINDING, aioice.Class.REQUEST, transaction_id=TRANSACTION)
    message.attributes["USERNAME"] = username
    message.attributes.update({name.replace("_", "-"): value for name, value in attributes.items()})
    message.add_message_integrity(password)
    return bytes(message)


def with_crc(unchecked: bytes) -> bytes:
    """Give a message the FINGERPRINT that makes it consistent."""
    body = unchecked[20:]
    header = unchecked[:2] + struct.pack("!H", len(body) + 8) + unchecked[4:20]
    crc = zlib.crc32(header + body) ^ 0x5354554E
    return header + body + struct.pack("!HHI", 0x8028, 4, crc)


def test_reads_the_request_of_rfc_5769() -> None:
    message = stun.parse(RFC5769_REQUEST)
    assert message is not None
    assert message.type == stun.BINDING_REQUEST
    assert message.username == b"evtj:h6vY"
    assert message.transaction == bytes.fromhex("b7e7a701bc34d686fa87dfae")
    assert message.controlled
    assert not message.use_candidate
    assert message.authentic(RFC5769_PASSWORD)
    assert not message.authentic(b"wrong")


def test_reads_what_a_controlling_agent_nominates_with() -> None:
    message = stun.parse(request(USE_CANDIDATE=None, ICE_CONTROLLING=7))
    assert message is not None
    assert message.use_candidate
    assert not message.controlled
    assert message.authentic(b"secret")


def test_a_message_without_integrity_is_not_authentic() -> None:
    bare = aioice.Message(aioice.Method.BINDING, aioice.Class.REQUEST)
    bare.attributes["USERNAME"] = "here:there"
    message = stun.parse(bytes(bare))
    assert message is not None
    assert not message.authentic(b"")
    assert not message.authentic(b"secret")


def test_attributes_after_the_integrity_are_not_believed() -> None:
    genuine = request()[:-8]
    message = stun.parse(with_crc(genuine + struct.pack("!HH", 0x0025, 0)))
    assert message is not None
    assert message.authentic(b"secret")
    assert not message.use_candidate


def test_of_two_usernames_the_first_counts() -> None:
    genuine = request()[:-8]
    second = struct.pack("!HH8s", 0x0006, 8, b"evil:one")
    message = stun.parse(with_crc(genuine[:20] + second + genuine[20:]))
    assert message is not None
    assert message.username == b"evil:one"
    assert not message.authentic(b"secret")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        RFC5769_REQUEST[:19],
        RFC5769_REQUEST[:-4],
        RFC5769_REQUEST + bytes(4),
        RFC5769_REQUEST[:4] + b"\x21\x12\xa4\x43" + RFC5769_REQUEST[8:],
        b"\x40" + RFC5769_REQUEST[1:],
        RFC5769_REQUEST[:-1] + b"\x00",
        with_crc(RFC5769_REQUEST[:20] + struct.pack("!HH", 0x0008, 4) + bytes(4)),
        with_crc(RFC5769_REQUEST[:20] + struct.pack("!HH", 0x0006, 60000) + bytes(4)),
        with_crc(with_crc(RFC5769_REQUEST[:20])),
    ],
    ids=[
        "empty",
        "one byte",
        "no header",
        "truncated",
        "trailing bytes",
        "wrong cookie",
        "not STUN",
        "wrong fingerprint",
        "short integrity",
        "attribute past the end",
        "fingerprint not last",
    ],
)
def test_refuses(data: bytes) -> None:
    assert stun.parse(data) is None


@given(st.binary(max_size=1600))
def test_any_bytes_parse_or_do_not(data: bytes) -> None:
    stun.parse(data)


@given(st.binary(max_size=400).map(lambda body: body + bytes(-len(body) % 4)))
def test_any_attributes_parse_or_do_not(body: bytes) -> None:
    stun.parse(with_crc(struct.pack("!HHI12s", 1, 0, 0x2112A442, TRANSACTION) + body))


@given(st.integers(0, len(RFC5769_REQUEST) - 9), st.integers(1, 255))
def test_a_changed_byte_before_the_fingerprint_never_passes_for_genuine(at: int, change: int) -> None:
    data = bytearray(RFC5769_REQUEST)
    data[at] ^= change
    message = stun.parse(bytes(data))
    assert message is None or not message.authentic(RFC5769_PASSWORD)


@given(st.binary(min_size=12, max_size=12), addresses, st.binary(min_size=1, max_size=64))
def test_aioice_reads_our_success(transaction: bytes, source: stun.Address, password: bytes) -> None:
    answer = aioice.parse_message(stun.success(transaction, source, password))
    assert answer.message_class is aioice.Class.RESPONSE
    assert answer.message_method is aioice.Method.BINDING
    assert answer.transaction_id == transaction
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == source[:2]
    assert answer.check_message_integrity(password)


def test_aioice_reads_our_role_conflict() -> None:
    answer = aioice.parse_message(stun.role_conflict(TRANSACTION, b"secret"))
    assert answer.message_class is aioice.Class.ERROR
    assert answer.attributes["ERROR-CODE"] == (487, "Role Conflict")
    assert answer.check_message_integrity(b"secret")


def test_we_read_our_own_answers() -> None:
    answer = stun.parse(stun.success(TRANSACTION, ("192.0.2.1", 9), b"secret"))
    assert answer is not None
    assert answer.type == stun.BINDING_SUCCESS
    assert answer.authentic(b"secret")
