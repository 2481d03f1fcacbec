"""What of SCTP may be shown to aiortc. Each refused packet would hang, flood or crash it."""

import struct
from contextlib import suppress

import pytest
from aiortc import rtcsctptransport as aiortc
from hypothesis import given
from hypothesis import strategies as st

from sfu.transport.sctp import MAX_CONTROL_CHUNKS, MAX_STREAM_ID, plausible


def packet(*chunks: tuple[int, bytes]) -> bytes:
    body = b"".join(
        struct.pack("!BBH", kind, 3, len(content) + 4) + content + bytes(-len(content) % 4)
        for kind, content in chunks
    )
    return bytes(12) + body


def data(stream: int = 0, content: bytes = b"x") -> tuple[int, bytes]:
    return 0, struct.pack("!IHHI", 1, stream, 0, 51) + content


def sack(*gaps: tuple[int, int], duplicates: int = 0) -> tuple[int, bytes]:
    blocks = b"".join(struct.pack("!HH", *gap) for gap in gaps)
    return 3, struct.pack("!IIHH", 1, 1000, len(gaps), duplicates) + blocks + bytes(4 * duplicates)


ZERO_LENGTH_PARAMETER = struct.pack("!HH", 7, 0)
INIT_HEAD = struct.pack("!IIHHI", 1, 1000, 10, 10, 1)


@pytest.mark.parametrize(
    "good",
    [
        packet(),
        packet(data(), data(MAX_STREAM_ID)),
        packet(*[data()] * 60),
        packet(sack((2, 3), (5, 200), duplicates=2), data()),
        packet((1, INIT_HEAD)),
        packet((1, INIT_HEAD + struct.pack("!HH", 0xC000, 4))),
        packet((4, struct.pack("!HH4s", 1, 8, b"beat"))),
        packet((10, b"cookie"), data()),
        packet((11, b"")),
        packet((192, struct.pack("!IHH", 9, MAX_STREAM_ID, 3))),
        packet((77, b"unknown chunk")),
    ],
)
def test_lets_pass(good: bytes) -> None:
    assert plausible(good)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(packet(data(content=b"")), id="DATA without data"),
        pytest.param(packet((0, b"short")), id="short DATA"),
        pytest.param(packet(data(MAX_STREAM_ID + 1)), id="stream out of range"),
        pytest.param(
            packet((192, struct.pack("!IHH", 9, MAX_STREAM_ID + 1, 3))), id="FORWARD-TSN out of range"
        ),
        pytest.param(packet((192, struct.pack("!IH", 9, 1))), id="FORWARD-TSN cut"),
        pytest.param(packet(sack((1, 65535))), id="wide gap"),
        pytest.param(packet(sack(*[(1, 100)] * 100)), id="many gaps"),
        pytest.param(packet(sack((5, 2))), id="gap that ends before it starts"),
        pytest.param(packet((3, struct.pack("!IIHH", 1, 1, 50, 0))), id="SACK without its gaps"),
        pytest.param(packet((3, b"cut")), id="short SACK"),
        pytest.param(packet((1, INIT_HEAD[:-1])), id="short INIT"),
        pytest.param(packet((7, b"")), id="short SHUTDOWN"),
        pytest.param(packet(*[(4, b"")] * (MAX_CONTROL_CHUNKS + 1)), id="too many control chunks"),
        pytest.param(bytes(12) + struct.pack("!BBH", 0, 0, 3) + bytes(9), id="chunk shorter than its header"),
        pytest.param(bytes(12) + struct.pack("!BBH", 77, 0, 0), id="chunk of no length"),
        pytest.param(bytes(12) + struct.pack("!BBH", 77, 0, 99), id="chunk past the end"),
        *[
            pytest.param(packet((kind, head + ZERO_LENGTH_PARAMETER)), id=f"zero-length parameter in {kind}")
            for kind, head in (
                (1, INIT_HEAD),
                (2, INIT_HEAD),
                (4, b""),
                (5, b""),
                (6, b""),
                (9, b""),
                (130, b""),
            )
        ],
    ],
)
def test_keeps_from_aiortc(bad: bytes) -> None:
    assert not plausible(bad)


@given(st.binary(max_size=1500))
def test_any_bytes_are_plausible_or_not(content: bytes) -> None:
    plausible(content)


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 9, 130, 192]), st.binary(max_size=60)), max_size=6
    )
)
def test_aiortc_parses_whatever_is_plausible(chunks: list[tuple[int, bytes]]) -> None:
    """It may find it senseless (a ValueError, which it handles), but raises nothing else and ends."""
    made = packet(*chunks)
    if plausible(made):
        checksum = aiortc.crc32c(made[:8] + bytes(4) + made[12:])
        with suppress(ValueError):
            aiortc.parse_packet(made[:8] + struct.pack("<I", checksum) + made[12:])
