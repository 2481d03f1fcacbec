"""Which header extensions are taken on which side."""

from dataclasses import replace

import pytest

from sfu.rtp import transport_cc
from sfu.signaling import extensions
from sfu.signaling.capabilities import DEFAULT
from sfu.signaling.extensions import KNOWN, Use, accepted_from_publisher, accepted_on_slot
from sfu.signaling.negotiate import OfferRefused, negotiate
from sfu.signaling.sdp import Section, parse
from tests.unit.signaling import golden
from tests.unit.signaling.offers import offer, section

UNKNOWN = "urn:example:unheard-of"


def read(*extmaps: str) -> Section:
    text = offer(section("0", *(f"a=extmap:{extmap}" for extmap in extmaps)))
    return parse(text, DEFAULT.limits).sections[0]


@pytest.mark.parametrize(
    ("uri", "publish", "slot"),
    [
        (extensions.MID, True, False),
        (extensions.RID, True, False),
        (extensions.REPAIRED_RID, True, False),
        (extensions.AUDIO_LEVEL, True, True),
        (extensions.ABS_SEND_TIME, False, True),
        (extensions.TRANSPORT_CC, True, True),
        (extensions.TRANSPORT_CC_02, False, False),
        (extensions.DEPENDENCY_DESCRIPTOR, True, True),
        (extensions.VIDEO_ORIENTATION, False, False),
        (extensions.ABS_CAPTURE_TIME, True, True),
        (extensions.PLAYOUT_DELAY, True, True),
        (extensions.COLOR_SPACE, True, True),
        (extensions.VIDEO_CONTENT_TYPE, True, True),
        (extensions.TRANSMISSION_OFFSET, False, False),
        (extensions.VIDEO_LAYERS_ALLOCATION, False, False),
        (extensions.GENERIC_FRAME_DESCRIPTOR, False, False),
        (UNKNOWN, True, True),
    ],
)
def test_policy(uri: str, publish: bool, slot: bool) -> None:
    offered = read(f"5 {uri}")
    assert accepted_from_publisher(offered, KNOWN, "AV1") == ({5: uri} if publish else {})
    assert accepted_on_slot(offered, KNOWN) == ({uri: 5} if slot else {})


@pytest.mark.parametrize(
    ("codec", "accepted"), [("AV1", True), ("H264", True), ("VP8", False), ("VP9", False)]
)
def test_descriptors_are_taken_of_what_says_nothing_of_its_layers(codec: str, accepted: bool) -> None:
    """Given the choice, Chromium says it there alone, and nothing in a VP8 payload."""
    offered = read(f"5 {extensions.DEPENDENCY_DESCRIPTOR}")
    assert bool(accepted_from_publisher(offered, KNOWN, codec)) is accepted


@pytest.mark.parametrize(
    ("direction", "publish", "slot"),
    [
        ("", True, True),
        ("/sendrecv", True, True),
        ("/sendonly", True, False),
        ("/recvonly", False, True),
        ("/inactive", False, False),
        ("/sideways", False, False),
    ],
)
def test_direction_is_the_clients(direction: str, publish: bool, slot: bool) -> None:
    offered = read(f"5{direction} {UNKNOWN}")
    assert bool(accepted_from_publisher(offered, KNOWN, "AV1")) is publish
    assert bool(accepted_on_slot(offered, KNOWN)) is slot


@pytest.mark.parametrize(
    ("direction", "answered"), [("", ""), ("/sendonly", "/recvonly"), ("/sendrecv", "/sendrecv")]
)
def test_direction_is_mirrored_in_the_answer(direction: str, answered: str) -> None:
    text = offer(section("0", f"a=extmap:5{direction} {UNKNOWN}"))
    assert f"a=extmap:5{answered} {UNKNOWN}\r\n" in negotiate(text, golden.LOCAL).answer


def test_attributes_of_an_extension_are_no_part_of_its_uri() -> None:
    offered = read(f"5 {extensions.AUDIO_LEVEL} vad=on")
    assert accepted_from_publisher(offered, KNOWN, "AV1") == {5: extensions.AUDIO_LEVEL}


def test_encrypted_extensions_are_not_taken_for_what_they_hide() -> None:
    assert accepted_from_publisher(read(f"5 {extensions.ENCRYPT} {UNKNOWN}"), KNOWN, "AV1") == {}


@pytest.mark.parametrize(
    "extmap", [f"0 {UNKNOWN}", f"15 {UNKNOWN}", f"4096 {UNKNOWN}", f"x {UNKNOWN}", "5", "5 ", ""]
)
def test_ids_beyond_one_byte_headers_and_broken_lines_are_left_out(extmap: str) -> None:
    assert accepted_from_publisher(read(extmap), KNOWN, "AV1") == {}


def test_ids_and_uris_are_used_once() -> None:
    offered = read("1 urn:a", "1 urn:b", "2 urn:a", "3 urn:c")
    assert accepted_from_publisher(offered, KNOWN, "AV1") == {1: "urn:a", 3: "urn:c"}


def test_one_id_for_two_extensions_in_a_bundle_is_refused() -> None:
    text = offer(section("0", "a=extmap:1 urn:a"), section("1", "a=extmap:1 urn:b"))
    with pytest.raises(OfferRefused, match="extension id 1"):
        negotiate(text, golden.LOCAL)


def test_transport_wide_congestion_control_is_turned_off_by_data_alone() -> None:
    capabilities = replace(
        DEFAULT,
        feedback={kind: kept - {"transport-cc"} for kind, kept in DEFAULT.feedback.items()},
        extensions=KNOWN | {extensions.TRANSPORT_CC: Use(False, False, "an experiment")},
    )
    assert "transport" in golden.read("chromium-small")
    negotiation = negotiate(golden.read("chromium-small"), golden.LOCAL, capabilities)
    assert "transport" not in negotiation.answer


def test_extension_and_node_mean_the_same_numbers() -> None:
    assert extensions.TRANSPORT_CC == transport_cc.EXTENSION


def test_every_policy_has_its_reason() -> None:
    assert all(use.reason for use in KNOWN.values())
