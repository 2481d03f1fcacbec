"""Which codecs of an m-line are taken, and how."""

import pytest

from sfu.signaling.capabilities import DEFAULT
from sfu.signaling.codecs import acceptable, parameters
from sfu.signaling.plan import Codec, Kind
from sfu.signaling.sdp import parse
from tests.unit.signaling.offers import offer


def accepted(kind: Kind, formats: str, *lines: str) -> tuple[Codec, ...]:
    head = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {formats}", "a=mid:0"]
    (section,) = parse(offer([*head, *lines]), DEFAULT.limits).sections
    return acceptable(section, DEFAULT.codecs[kind], DEFAULT.feedback[kind])


def payload_types(*lines: str, formats: str = "96 97 98 99", kind: Kind = "video") -> list[int]:
    return [codec.payload_type for codec in accepted(kind, formats, *lines)]


def h264(payload_type: int, fmtp: str) -> tuple[str, str]:
    return f"a=rtpmap:{payload_type} H264/90000", f"a=fmtp:{payload_type} {fmtp}"


def test_a_codec_is_read_whole() -> None:
    lines = (
        "a=rtpmap:96 vp8/90000",
        "a=rtcp-fb:* nack",
        "a=rtcp-fb:96 nack  pli",
        "a=rtcp-fb:96 transport-cc",
        "a=rtcp-fb:96 ccm tmmbr",
        "a=rtcp-fb:96 nack",
        "a=fmtp:96 max-fs=12288; max-fr=60",
        "a=rtpmap:97 RTX/90000",
        "a=fmtp:97 apt=96;rtx-time=3000",
    )
    assert accepted("video", "96 97", *lines) == (
        Codec(96, "VP8", 90000, 1, "max-fs=12288; max-fr=60", 97, ("nack", "nack pli", "transport-cc")),
    )


def test_opus_then_red() -> None:
    lines = ("a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111", "a=rtpmap:111 OPUS/48000/2")
    assert [codec.name for codec in accepted("audio", "63 111", *lines)] == ["opus", "red"]


@pytest.mark.parametrize(
    "lines",
    [
        ("a=rtpmap:96 G722/8000",),
        ("a=rtpmap:96 opus/48000",),
        ("a=rtpmap:96 opus/48000/2/2",),
        ("a=rtpmap:96 opus/16000/2",),
        ("a=rtpmap:96 VP8/90000",),
        ("a=rtpmap:96 telephone-event/48000",),
        ("a=rtpmap:96 red/48000/2", "a=fmtp:96 98/98"),
        ("a=rtpmap:96 red/48000/2",),
        ("a=rtpmap:96",),
        ("a=rtpmap:96 ",),
        ("a=rtpmap: opus/48000/2",),
        ("a=rtpmap:96 opus",),
        ("a=rtpmap:96 opus/x/y",),
        ("a=rtpmap:100 opus/48000/2",),
        ("a=fmtp:96 minptime=10",),
    ],
)
def test_audio_that_is_not_carried(lines: tuple[str, ...]) -> None:
    assert accepted("audio", "96", *lines) == ()


@pytest.mark.parametrize(
    "lines",
    [
        ("a=rtpmap:96 VP9/90000", "a=fmtp:96 profile-id=2"),
        ("a=rtpmap:96 AV1/90000", "a=fmtp:96 level-idx=5; Profile=1"),
        ("a=rtpmap:96 VP8/8000",),
        ("a=rtpmap:96 H265/90000",),
        ("a=rtpmap:96 red/90000", "a=fmtp:96 98/98"),
        ("a=rtpmap:96 ulpfec/90000",),
        ("a=rtpmap:96 flexfec-03/90000",),
        ("a=rtpmap:96 rtx/90000", "a=fmtp:96 apt=96"),
        h264(96, "packetization-mode=1;profile-level-id=f4001f"),
        h264(96, "packetization-mode=2;profile-level-id=42e01f"),
        h264(96, "profile-level-id=42e0"),
        h264(96, "profile-level-id=zzzzzz"),
        h264(96, "profile-level-id="),
    ],
)
def test_video_that_is_not_carried(lines: tuple[str, ...]) -> None:
    assert accepted("video", "96", *lines) == ()


@pytest.mark.parametrize(
    ("fmtp", "profile"),
    [
        ("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "constrained-baseline/1"),
        ("packetization-mode=0;profile-level-id=42E01F", "constrained-baseline/0"),
        ("profile-level-id=42001f ; packetization-mode = 1", "baseline/1"),
        ("profile-level-id=4d001f", "main/0"),
        ("profile-level-id=4d801f", "constrained-baseline/0"),
        ("profile-level-id=640c1f", "constrained-high/0"),
        ("profile-level-id=64001f", "high/0"),
        ("sprop-parameter-sets=x", "baseline/0"),
    ],
)
def test_h264_profiles(fmtp: str, profile: str) -> None:
    (codec,) = accepted("video", "96", *h264(96, fmtp))
    assert (codec.profile, codec.fmtp) == (profile, fmtp)


def test_node_orders_by_its_own_preference() -> None:
    lines = (
        "a=rtpmap:96 AV1/90000",
        *h264(97, "profile-level-id=42e01f"),
        *h264(98, "packetization-mode=1;profile-level-id=64001f"),
        "a=rtpmap:99 VP8/90000",
    )
    assert payload_types(*lines) == [99, 98, 97, 96]


@pytest.mark.parametrize("payload_type", [64, 72, 76, 95])
def test_payload_types_that_would_read_as_rtcp_are_left_out(payload_type: int) -> None:
    """With rtcp-mux the second byte of such a packet looks like an RTCP packet type (RFC 5761)."""
    line = f"a=rtpmap:{payload_type} VP8/90000"
    assert payload_types(line, formats=str(payload_type)) == []


@pytest.mark.parametrize("payload_type", [0, 35, 63, 96, 127])
def test_other_payload_types_may_carry_anything(payload_type: int) -> None:
    line = f"a=rtpmap:{payload_type} VP8/90000"
    assert payload_types(line, formats=str(payload_type)) == [payload_type]


def test_payload_types_that_are_none_are_skipped() -> None:
    assert payload_types("a=rtpmap:96 VP8/90000", formats="* 128 -1 96 96 999999999999") == [96]


def test_of_contradicting_lines_the_first_counts() -> None:
    lines = ("a=rtpmap:96 VP8/90000", "a=rtpmap:96 AV1/90000", "a=fmtp:96 a=1", "a=fmtp:96 a=2")
    (codec,) = accepted("video", "96", *lines)
    assert (codec.name, codec.fmtp) == ("VP8", "a=1")


@pytest.mark.parametrize("apt", ["apt=96", "apt = 96 ", "rtx-time=1; apt=96"])
def test_rtx_is_found(apt: str) -> None:
    lines = ("a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtpmap:97 rtx/90000", f"a=fmtp:97 {apt}")
    assert accepted("video", "96 97", *lines)[0].rtx_payload_type == 97


@pytest.mark.parametrize("apt", ["apt=", "apt=x", "apt=98", "apt=97", "tpa=96", "apt", ""])
def test_rtx_for_nothing_is_left_out(apt: str) -> None:
    lines = ("a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtpmap:97 rtx/90000", f"a=fmtp:97 {apt}")
    assert accepted("video", "96 97", *lines)[0].rtx_payload_type is None


def test_without_nack_nobody_asks_for_rtx() -> None:
    lines = ("a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")
    assert accepted("video", "96 97", *lines)[0].rtx_payload_type is None


def test_fmtp_parameters() -> None:
    assert parameters("A=1; b = two=2;;c; ") == {"a": "1", "b": "two=2", "c": ""}
    assert parameters("0-15") == {"0-15": ""}
