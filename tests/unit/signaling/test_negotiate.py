"""What becomes of odd, hostile and plausible offers."""

import re
from dataclasses import replace

import pytest

from sfu.signaling.negotiate import LocalCandidate, OfferRefused, negotiate
from sfu.signaling.plan import LinkPlan
from tests.unit.signaling import golden
from tests.unit.signaling.offers import TRANSPORT, audio, data, offer, section


def plan(text: str) -> LinkPlan:
    return negotiate(text, golden.LOCAL).plan


def answer(text: str) -> str:
    return negotiate(text, golden.LOCAL).answer


def test_the_plan_of_a_small_offer() -> None:
    text = offer(
        audio("mic"),
        section("cam"),
        audio("a1", direction="recvonly"),
        section("v1", direction="recvonly"),
        section("later", direction="inactive"),
        data("d", "a=sctp-port:5001", "a=max-message-size:1000"),
    )
    link = plan(text)
    assert link.session == ("42", 7)
    assert (link.ufrag, link.pwd, link.setup) == ("user", "p" * 22, "actpass")
    assert link.fingerprints == (("sha-256", ":".join(["0A"] * 32)),)
    assert [(line.mid, line.kind) for line in link.publish] == [("mic", "audio"), ("cam", "video")]
    assert [(line.mid, line.kind) for line in link.slots] == [("a1", "audio"), ("v1", "video")]
    assert (link.inactive, link.rejected) == (("later",), ())
    assert (link.data, link.sctp_port, link.max_message_size) == (True, 5001, 1000)


@pytest.mark.parametrize(
    ("direction", "answered"),
    [("sendonly", "recvonly"), ("sendrecv", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_directions_are_answered(direction: str, answered: str) -> None:
    assert f"\r\na={answered}\r\n" in answer(offer(section("0", direction=direction)))


def test_a_section_without_direction_sends() -> None:
    lines = [line for line in section("0") if line != "a=sendonly"]
    assert [line.mid for line in plan(offer(lines)).publish] == ["0"]


ODD = {
    "fmtp without rtpmap": ("a=fmtp:103 apt=96",),
    "extmap with attributes": ("a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid some attributes",),
    "ssrc attribute without value": ("a=ssrc:7 cname", "a=ssrc:7"),
    "payload types of RTCP": ("a=rtpmap:72 VP8/90000", "a=rtpmap:76 VP9/90000"),
    "host name and ttl in c=": ("c=IN IP4 host.example/127/3",),
    "spaces in fmtp": ("a=fmtp:96 x=1; y = 2 ;",),
    "empty attributes": (
        "a=",
        "a=:",
        "a=rtpmap:",
        "a=fmtp:",
        "a=rtcp-fb:",
        "a=extmap:",
        "a=rid:",
        "a=group:",
    ),
    "attributes without value": (
        "a=rtpmap",
        "a=fmtp",
        "a=rtcp-fb",
        "a=extmap",
        "a=rid",
        "a=simulcast",
        "a=ssrc",
    ),
    "unknown attributes": ("a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp-xr:rcvr-rtt=all", "a=framerate:30", "b=AS:30"),
    "candidates": ("a=candidate:1 1 udp 1 client.example 9 typ host", "a=candidate:x", "a=end-of-candidates"),
    "everything twice": tuple(section("0")[4:]),
}


@pytest.mark.parametrize("lines", ODD.values(), ids=ODD.keys())
def test_odd_lines_do_no_harm(lines: tuple[str, ...]) -> None:
    (publish,) = plan(offer(section("0", *lines))).publish
    assert publish.codecs[0].payload_type == 96


def test_port_count_does_no_harm() -> None:
    assert plan(offer(section("0", port="9/2"))).publish


def test_fmtp_is_echoed_as_written() -> None:
    assert "a=fmtp:96 x=1; y = 2 ;\r\n" in answer(offer(section("0", "a=fmtp:96 x=1; y = 2 ;")))


REJECTED = {
    "no codec": section("1", formats="98"),
    "redundancy of nothing": audio("1", "a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111", formats="63"),
    "unknown kind": section("1", kind="text"),
    "unknown protocol": section("1", protocol="RTP/AVP"),
    "data of another kind": data("1", formats="something-else"),
    "data over another protocol": data("1", protocol="DTLS/SCTP", formats="5000"),
    "closed data port": data("1", "a=sctp-port:0"),
    "turned down by the client": section("1", port="0"),
}


@pytest.mark.parametrize("lines", REJECTED.values(), ids=REJECTED.keys())
def test_what_is_not_carried_is_turned_down_in_its_place(lines: list[str]) -> None:
    negotiation = negotiate(offer(section("0"), lines, section("2")), golden.LOCAL)
    assert negotiation.plan.rejected == ("1",)
    assert [publish.mid for publish in negotiation.plan.publish] == ["0", "2"]
    assert "a=group:BUNDLE 0 2\r\n" in negotiation.answer
    kind, _, protocol, *formats = lines[0][2:].split()
    block = negotiation.answer.split("m=")[2]
    assert block.startswith(f"{kind} 0 {protocol} {' '.join(formats)}\r\n")
    assert "a=mid:1\r\n" in block
    assert "ice-ufrag" not in block


def test_a_second_association_is_turned_down() -> None:
    link = plan(offer(data("0", "a=sctp-port:1"), data("1", "a=sctp-port:2")))
    assert (link.data, link.sctp_port, link.rejected) == (True, 1, ("1",))


def test_m_lines_outside_the_bundle_are_turned_down() -> None:
    link = plan(offer(section("0"), section("1"), section("2"), group="BUNDLE 0 2 9 0"))
    assert link.rejected == ("1",)


def test_bundle_only_m_lines_have_port_0_and_are_carried() -> None:
    text = offer(section("0"), section("1", "a=bundle-only", port="0"))
    assert [publish.mid for publish in plan(text).publish] == ["0", "1"]


def test_transport_is_described_by_the_first_of_the_bundle() -> None:
    bare = [line for line in section("1") if line not in (*TRANSPORT, "a=rtcp-mux")]
    text = offer(bare, section("0"), group="BUNDLE 0 1")
    negotiation = negotiate(text, golden.LOCAL)
    assert negotiation.plan.ufrag == "user"
    assert "a=group:BUNDLE 0 1\r\n" in negotiation.answer


def test_transport_may_be_described_for_the_session() -> None:
    bare = [line for line in section("0") if line not in (*TRANSPORT, "a=rtcp-mux")]
    assert plan(offer(bare, session=(*TRANSPORT, "a=rtcp-mux"))).ufrag == "user"


def test_a_lone_m_line_needs_no_group() -> None:
    negotiation = negotiate(offer(section("0"), group=""), golden.LOCAL)
    assert [publish.mid for publish in negotiation.plan.publish] == ["0"]
    assert "BUNDLE" not in negotiation.answer


def without(name: str) -> list[str]:
    return [line for line in section("0") if not line.startswith(f"a={name}")]


def instead(name: str, value: str) -> list[str]:
    return [*without(name), f"a={name}:{value}"]


REFUSED = {
    "no m-line": (offer(), "share one transport"),
    "no mid": (offer(without("mid"), group=""), "share one transport"),
    "no group": (offer(section("0"), section("1"), group=""), "share one transport"),
    "group of strangers": (offer(section("0"), group="BUNDLE 7"), "share one transport"),
    "first turned down": (offer(section("0", formats="98"), section("1")), "with mid 0, cannot be accepted"),
    "nothing carried": (offer(section("0", kind="text")), "cannot be accepted"),
    "same mid": (offer(section("0"), section("0")), "same mid"),
    "long mid": (offer(section("x" * 17)), "not a token"),
    "broken mid": (offer(section("a:b"), group="BUNDLE a:b"), "not a token"),
    "empty mid": (offer(section(""), group=""), "not a token"),
    "no ufrag": (offer(without("ice-ufrag")), "ice-ufrag"),
    "short ufrag": (offer(instead("ice-ufrag", "abc")), "ice-ufrag"),
    "no pwd": (offer(without("ice-pwd")), "ice-pwd"),
    "short pwd": (offer(instead("ice-pwd", "p" * 21)), "ice-pwd"),
    "foreign pwd": (offer(instead("ice-pwd", "p" * 21 + " ")), "ice-pwd"),
    "long pwd": (offer(instead("ice-pwd", "p" * 257)), "ice-pwd"),
    "no fingerprint": (offer(without("fingerprint")), "fingerprint"),
    "weak fingerprint": (offer(instead("fingerprint", "sha-1 " + ":".join(["0A"] * 20))), "fingerprint"),
    "short fingerprint": (offer(instead("fingerprint", "sha-256 0A:0A")), "fingerprint"),
    "no hex": (offer(instead("fingerprint", "sha-256 " + ":".join(["XX"] * 32))), "fingerprint"),
    "passive": (offer(instead("setup", "passive")), "setup"),
    "holdconn": (offer(instead("setup", "holdconn")), "setup"),
    "no rtcp-mux": (offer(without("rtcp-mux")), "rtcp-mux"),
    "both lite": (offer(section("0"), session=("a=ice-lite",)), "ICE-lite"),
    "no origin": (offer(section("0")).replace("o=", "x="), "o= line"),
    "short origin": (offer(section("0")).replace("o=- 42 7 IN", "o=- 42"), "o= line"),
    "origin of words": (offer(section("0")).replace("o=- 42 7", "o=- id version"), "o= line"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(OfferRefused, match=re.escape(reason)) as refusal:
        negotiate(text, golden.LOCAL)
    assert refusal.value.detail == str(refusal.value)


@pytest.mark.parametrize("setup", ["actpass", "active"])
def test_the_client_may_be_the_dtls_client(setup: str) -> None:
    text = offer(instead("setup", setup))
    assert plan(text).setup == setup
    assert "a=setup:passive\r\n" in answer(text)


def test_unsaid_the_client_is_the_dtls_client() -> None:
    assert plan(offer(without("setup"))).setup == "active"


def test_fingerprints_of_known_hashes_are_kept() -> None:
    lines = [
        f"a=fingerprint:SHA-512 {':'.join(['ff'] * 64)}",
        "a=fingerprint:md5 00",
        "a=fingerprint:sha-384",
    ]
    fingerprints = plan(offer(section("0", *lines))).fingerprints
    assert fingerprints == (("sha-256", ":".join(["0A"] * 32)), ("sha-512", ":".join(["FF"] * 64)))


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        ((), 65536),
        (("a=max-message-size:0",), 0),
        (("a=max-message-size:x",), 65536),
        (("a=max-message-size:1",), 1),
    ],
)
def test_largest_message_of_the_client(lines: tuple[str, ...], size: int) -> None:
    assert plan(offer(data("0", *lines))).max_message_size == size


def test_an_offer_of_data_alone() -> None:
    negotiation = negotiate(offer(data("0", "a=sctp-port:5000")), golden.LOCAL)
    assert negotiation.plan.data
    assert "m=application 8082 UDP/DTLS/SCTP webrtc-datachannel\r\n" in negotiation.answer
    assert "a=sctp-port:5000\r\na=max-message-size:16384\r\n" in negotiation.answer


def test_a_slot_without_rtx_has_one_ssrc() -> None:
    negotiation = negotiate(offer(audio("0", direction="recvonly")), golden.LOCAL)
    (slot,) = negotiation.plan.slots
    assert slot.rtx_ssrc is None
    assert re.findall(r"a=ssrc.*", negotiation.answer) == [f"a=ssrc:{slot.ssrc} cname:parley\r"]


def test_a_slot_with_rtx_names_both_streams() -> None:
    negotiation = negotiate(offer(section("0", direction="recvonly")), golden.LOCAL)
    (slot,) = negotiation.plan.slots
    assert re.findall(r"a=(ssrc.*?|msid.*?)\r", negotiation.answer) == [
        "msid:slot-0 track-0",
        f"ssrc-group:FID {slot.ssrc} {slot.rtx_ssrc}",
        f"ssrc:{slot.ssrc} cname:parley",
        f"ssrc:{slot.rtx_ssrc} cname:parley",
    ]


CANDIDATES = {
    "none": ((), 9, "IP4 0.0.0.0"),
    "only tcp": ((LocalCandidate("192.0.2.1", 1, 9, "tcp"),), 9, "IP4 0.0.0.0"),
    "best udp": (
        (
            LocalCandidate("192.0.2.1", 1, 1),
            LocalCandidate("192.0.2.2", 2, 2),
            LocalCandidate("192.0.2.3", 3, 3, "tcp"),
        ),
        2,
        "IP4 192.0.2.2",
    ),
    "ipv6": ((LocalCandidate("2001:db8::1", 1, 1),), 1, "IP6 2001:db8::1"),
}


@pytest.mark.parametrize(("candidates", "port", "address"), CANDIDATES.values(), ids=CANDIDATES.keys())
def test_default_candidate(candidates: tuple[LocalCandidate, ...], port: int, address: str) -> None:
    local = replace(golden.LOCAL, candidates=candidates)
    text = negotiate(offer(section("0")), local).answer
    assert f"m=video {port} UDP/TLS/RTP/SAVPF 96 97\r\nc=IN {address}\r\n" in text
    assert text.count("a=candidate:") == len(candidates)


def test_answer_carries_the_nodes_session() -> None:
    local = replace(golden.LOCAL, session_id=99, version=3)
    assert negotiate(offer(section("0")), local).answer.startswith("v=0\r\no=- 99 3 IN IP4 127.0.0.1\r\n")


def test_the_largest_offer_is_answered() -> None:
    lines = [f"a=rtpmap:{payload_type} VP8/90000" for payload_type in range(96, 128)]
    formats = " ".join(str(payload_type) for payload_type in range(96, 128))
    text = offer(*(section(str(mid), *lines, "a=rtcp-fb:* nack", formats=formats) for mid in range(128)))
    assert len(plan(text).publish) == 128
    with pytest.raises(OfferRefused, match="128 m-lines"):
        negotiate(text + "\r\n".join(section("128")), golden.LOCAL)
