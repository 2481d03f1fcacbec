"""What VP9 says of its layers, as a browser writes it and as nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.payload import Payload, read_vp9


def read(payload: str) -> Payload:
    """Read a payload that stands in the middle of a packet."""
    data = bytes.fromhex(payload)
    return read_vp9(b"\xff" * 3 + data + b"\xff" * 40, 3, 3 + len(data))


# What Chromium 156 sent of L3T3_KEY and L3T3; then without flexible mode, and without layers.
@pytest.mark.parametrize(
    ("payload", "layers", "flags", "sizes"),
    [
        (
            "ba cd21 10 58 0140 00b4 0280 0168 0500 02d0 82",
            (0, 0),
            "U R",
            [(320, 180), (640, 360), (1280, 720)],
        ),
        ("b4 cd21 10 82", (0, 0), "U R E", []),
        ("b8 cd21 13 82", (1, 0), "U D R", []),
        ("b5 cd21 15 82", (2, 0), "U D E", []),
        ("fd cd22 50 02 82", (0, 2), "P U E", []),
        ("f9 cd22 54 02 82", (2, 2), "P U", []),
        ("fa cd24 10 09 02 40 82", (0, 0), "P U R", [(0, 0)] * 3),
        ("fa cd24 10 09 02 10 0140 00b4", (0, 0), "P U R", [(320, 180)]),
        ("fa cd24 10 08 40 82", (0, 0), "P U R", [(0, 0)] * 3),
        ("aa cd21 00 07 20 82", (0, 0), "R", [(0, 0)] * 2),
        ("ec cd21 24 07 82", (2, 1), "P R E", []),
    ],
)
def test_layers(payload: str, layers: tuple[int, int], flags: str, sizes: list[tuple[int, int]]) -> None:
    said = read(payload)
    indices = said.indices
    assert indices is not None
    assert (indices.spatial, indices.temporal) == (said.spatial, said.temporal) == layers
    assert said.sync is indices.switching_up
    found = {
        "P": indices.inter_picture,
        "U": indices.switching_up,
        "D": indices.inter_layer,
        "R": indices.reference,
        "E": indices.ends_frame,
    }
    assert [flag for flag, holds in found.items() if holds] == sorted(flags.split(), key="PUDRE".index)
    assert list(said.sizes) == sizes


@pytest.mark.parametrize("payload", ["88 8123 82", "08 82", "48 82", "98 8123 82"])
def test_a_stream_without_layers_says_nothing_of_them(payload: str) -> None:
    said = read(payload)
    assert said.indices is None
    assert (said.spatial, said.temporal, said.sizes) == (0, 0, ())


@pytest.mark.parametrize(
    "payload",
    [
        "aa cd21 00 07",
        "aa cd21 00 07 58",
        "aa cd21 00 07 58 0140 00b4 0280 0168 0500 02",
        "fa cd24 10 09",
        "fa cd24 10 09 09 09 09",
    ],
)
def test_sizes_that_are_cut_short_are_not_read(payload: str) -> None:
    """The packet is good for all else."""
    said = read(payload)
    assert said.indices is not None
    assert said.sizes == ()
    assert said.picture_id >= 0


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=6))
def test_packets_alike_share_what_they_say(first: int, layers: int, rest: bytes) -> None:
    data = bytes((first & 0x7D | 0x20, layers)) + rest
    one, other = read_vp9(data, 0, len(data)), read_vp9(data + bytes(1), 0, len(data) + 1)
    assert one.indices is other.indices or None in (one.indices, other.indices)
