"""Real offers: what the node takes from each, and answers that hold together."""

import re

import pytest
from aiortc.sdp import SessionDescription

from sfu.signaling.extensions import MID, REPAIRED_RID, RID, TRANSPORT_CC
from sfu.signaling.negotiate import LocalDescription, negotiate
from sfu.signaling.plan import Codec, LinkPlan
from sfu.signaling.sdp import Limits, Section, parse
from tests.unit.signaling import golden

LIMITS = Limits()
MIRROR = {"sendonly": "recvonly", "sendrecv": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


def names(codecs: tuple[Codec, ...]) -> str:
    return " ".join(dict.fromkeys(codec.name for codec in codecs))


def summary(plan: LinkPlan) -> dict[str, str]:
    """Return each m-line by mid in a few words."""
    told = {mid: "inactive" for mid in plan.inactive} | {mid: "rejected" for mid in plan.rejected}
    for publish in plan.publish:
        told[publish.mid] = " ".join(["publish", names(publish.codecs), *publish.rids])
    for slot in plan.slots:
        told[slot.mid] = f"slot {names(slot.codecs)}"
    return dict(sorted(told.items(), key=lambda item: int(item[0])))


CHROMIUM_AUDIO, CHROMIUM_VIDEO = "opus red", "VP8 VP9 H264 AV1"
FIREFOX_AUDIO, FIREFOX_VIDEO = "opus", "VP8 VP9 AV1"


def page(audio: str, video: str, audio_slots: int, video_slots: int) -> dict[str, str]:
    first = 3 + audio_slots
    return {
        "0": f"publish {audio}",
        "1": f"publish {video} q h f",
        "2": f"publish {video}",
        **{str(mid): f"slot {audio}" for mid in range(3, first)},
        **{str(mid): f"slot {video}" for mid in range(first, first + video_slots)},
    }


def browser(name: str, audio: str, video: str) -> dict[str, dict[str, str]]:
    small = page(audio, video, 1, 1)
    first = {"1": f"publish {video}", "2": f"slot {audio}", "3": f"slot {video}"}
    expected = {
        "page": page(audio, video, 3, 9),
        "more-slots": page(audio, video, 3, 9) | {str(mid): f"slot {video}" for mid in range(16, 24)},
        "slots": {str(mid): f"slot {audio if mid < 3 else video}" for mid in range(12)},
        "small": small,
        "ice-restart": small,
        "inactive": small | {"2": "inactive"},
        "stopped": small | {"2": "rejected"},
        "recycled": {mid: told for mid, told in small.items() if mid != "2"} | {"6": f"publish {video}"},
        "first-stopped": {"0": "rejected"} | first,
        "first-stopped-more": first | {"5": f"slot {audio}", "6": f"slot {video}"},
        "plain": {"0": f"publish {audio}", "1": f"publish {video}"},
        "av1-simulcast": {"0": "publish VP9 AV1 q h f"},
        "unsupported": {"0": f"publish {video}", "1": "rejected"},
    }
    return {f"{name}-{case}": told for case, told in expected.items()}


BOT = {
    "0": "publish opus",
    "1": "publish VP8 H264",
    **{str(mid): "slot opus" for mid in (2, 3, 4)},
    **{str(mid): "slot VP8 H264" for mid in (5, 6, 7)},
}
EXPECTED = {
    **browser("chromium", CHROMIUM_AUDIO, CHROMIUM_VIDEO),
    **browser("firefox", FIREFOX_AUDIO, FIREFOX_VIDEO),
    "chromium-all-extensions": {
        "0": f"publish {CHROMIUM_AUDIO}",
        "1": f"publish {CHROMIUM_VIDEO}",
        "2": f"slot {CHROMIUM_AUDIO}",
        "3": f"slot {CHROMIUM_VIDEO}",
    },
    "aiortc-bot": BOT,
    "aiortc-bot-more": BOT | {"9": "slot VP8 H264", "10": "slot VP8 H264"},
    "aiortc-plain": {"0": "publish opus", "1": "publish VP8 H264"},
}


@pytest.mark.parametrize("name", golden.NAMES)
def test_each_m_line_becomes_what_the_client_meant(name: str) -> None:
    plan = negotiate(golden.read(name), golden.LOCAL).plan
    assert summary(plan) == EXPECTED[name]
    assert plan.data == ("m=application" in golden.read(name))


@pytest.mark.parametrize("name", golden.NAMES)
def test_answer_mirrors_the_offer_line_by_line(name: str) -> None:
    offer = parse(golden.read(name), LIMITS)
    negotiation = negotiate(golden.read(name), golden.LOCAL)
    answer = parse(negotiation.answer, LIMITS)
    rejected = negotiation.plan.rejected
    assert "ice-lite" in answer.attributes
    group = offer.attributes["group"][0].split()
    assert answer.attributes["group"][0].split() == [mid for mid in group if mid not in rejected]
    for offered, answered in zip(offer.sections, answer.sections, strict=True):
        assert (answered.kind, answered.protocol) == (offered.kind, offered.protocol)
        assert answered.first("mid") == offered.first("mid")
        if answered.first("mid") in rejected:
            assert (answered.port, answered.formats) == (0, offered.formats)
        else:
            check_accepted(offered, answered)


def check_accepted(offered: Section, answered: Section) -> None:
    assert answered.port == 8082
    assert answered.all("setup") == ("passive",)
    assert answered.all("fingerprint") == (golden.LOCAL.fingerprint,)
    assert (answered.first("ice-ufrag"), answered.first("ice-pwd")) == (golden.LOCAL.ufrag, golden.LOCAL.pwd)
    if offered.kind == "application":
        return
    assert answered.direction == MIRROR[offered.direction]
    assert set(answered.formats) <= set(offered.formats)
    for name in ("rtpmap", "fmtp", "rtcp-fb"):
        assert set(answered.all(name)) <= set(offered.all(name)), "only what was offered, in its own words"
    for flag in ("rtcp-mux", "rtcp-rsize", "extmap-allow-mixed"):
        assert answered.has(flag) == offered.has(flag)
    undirected = {re.sub(r"/\w+", "", line, count=1) for line in answered.all("extmap")}
    assert undirected <= {re.sub(r"/\w+", "", line, count=1) for line in offered.all("extmap")}
    assert {line.partition(" ")[0] for line in answered.all("rtpmap")} == set(answered.formats)


@pytest.mark.parametrize("name", golden.NAMES)
def test_candidates_stand_in_every_accepted_m_line(name: str) -> None:
    """Of m-lines that share a transport, browsers read the first's candidates and aiortc the last's."""
    negotiation = negotiate(golden.read(name), golden.LOCAL)
    for section in parse(negotiation.answer, LIMITS).sections:
        accepted = section.first("mid") not in negotiation.plan.rejected
        assert section.has("end-of-candidates") == accepted
        assert len(section.all("candidate")) == (3 if accepted else 0)


@pytest.mark.parametrize("name", golden.NAMES)
def test_an_independent_parser_reads_the_answer(name: str) -> None:
    negotiation = negotiate(golden.read(name), golden.LOCAL)
    read = SessionDescription.parse(negotiation.answer)
    slots = {slot.mid: slot for slot in negotiation.plan.slots}
    for media in read.media:
        if slot := slots.get(media.rtp.muxId):
            ssrcs = [slot.ssrc] if slot.rtx_ssrc is None else [slot.ssrc, slot.rtx_ssrc]
            assert [description.ssrc for description in media.ssrc] == ssrcs
            assert media.msid == f"slot-{slot.mid} track-{slot.mid}"


@pytest.mark.parametrize("name", golden.NAMES)
def test_publishers_name_their_streams_and_slots_carry_no_names(name: str) -> None:
    plan = negotiate(golden.read(name), golden.LOCAL).plan
    for publish in plan.publish:
        assert MID in publish.extensions.values()
        if publish.rids:
            assert {RID, REPAIRED_RID} <= set(publish.extensions.values())
    for slot in plan.slots:
        assert slot.extensions.keys().isdisjoint({MID, RID, REPAIRED_RID})


@pytest.mark.parametrize("name", golden.NAMES)
def test_vp8_comes_first_and_video_can_be_repaired(name: str) -> None:
    plan = negotiate(golden.read(name), golden.LOCAL).plan
    for line in (*plan.publish, *plan.slots):
        if line.kind == "video":
            assert line.codecs[0].name == ("VP9" if "av1" in name else "VP8")
            assert all(codec.rtx_payload_type for codec in line.codecs)
            assert all({"nack", "nack pli", "goog-remb"} <= set(codec.feedback) for codec in line.codecs)


@pytest.mark.parametrize("name", golden.NAMES)
def test_packets_are_numbered_and_acknowledged_wherever_the_client_offers_it(name: str) -> None:
    """Both ways, and never numbered without feedback. aiortc offers neither.

    Nor does Chromium once it was answered without: its later offers were recorded then.
    """
    offer = parse(golden.read(name), LIMITS)
    offered = {
        section.first("mid")
        for section in offer.sections
        if any(TRANSPORT_CC in line.split() for line in section.all("extmap"))
    }
    plan = negotiate(golden.read(name), golden.LOCAL).plan
    numbered = {publish.mid for publish in plan.publish if TRANSPORT_CC in publish.extensions.values()}
    numbered |= {slot.mid for slot in plan.slots if TRANSPORT_CC in slot.extensions}
    assert numbered == offered - set(plan.inactive) - set(plan.rejected)
    assert bool(numbered) is (TRANSPORT_CC in golden.read(name))
    for line in (*plan.publish, *plan.slots):
        assert line.mid not in numbered or "transport-cc" in line.codecs[0].feedback


@pytest.mark.parametrize("name", golden.NAMES)
def test_the_same_offer_has_the_same_outcome(name: str) -> None:
    assert negotiate(golden.read(name), golden.LOCAL) == negotiate(golden.read(name), golden.LOCAL)


@pytest.mark.parametrize("name", golden.KEPT_ANSWERS)
def test_answer_is_the_one_that_was_reviewed(name: str) -> None:
    assert negotiate(golden.read(name), golden.LOCAL).answer == golden.read(f"{name}.answer")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("chromium-page", "chromium-more-slots"),
        ("firefox-page", "firefox-more-slots"),
        ("firefox-small", "firefox-recycled"),
        ("aiortc-bot", "aiortc-bot-more"),
    ],
)
def test_slots_keep_their_ssrcs_when_the_client_offers_again(first: str, second: str) -> None:
    before = negotiate(golden.read(first), golden.LOCAL).plan
    after = negotiate(golden.read(second), golden.LOCAL).plan
    ssrcs = {slot.mid: (slot.ssrc, slot.rtx_ssrc) for slot in after.slots}
    assert before.slots
    assert all(ssrcs[slot.mid] == (slot.ssrc, slot.rtx_ssrc) for slot in before.slots)


def test_an_ice_restart_changes_the_credentials_and_nothing_else() -> None:
    before = negotiate(golden.read("firefox-small"), golden.LOCAL).plan
    after = negotiate(golden.read("firefox-ice-restart"), golden.LOCAL).plan
    assert (before.ufrag, before.pwd) != (after.ufrag, after.pwd)
    assert before.fingerprints == after.fingerprints
    assert (before.publish, before.slots) == (after.publish, after.slots)
    assert before.session[0] == after.session[0]
    assert before.session[1] < after.session[1]


def test_chromium_prefers_what_every_client_plays() -> None:
    camera = negotiate(golden.read("chromium-page"), golden.LOCAL).plan.publish[1]
    told = [
        (codec.payload_type, codec.name, codec.profile, codec.rtx_payload_type) for codec in camera.codecs
    ]
    assert told == [
        (96, "VP8", "", 97),
        (98, "VP9", "0", 99),
        (108, "H264", "constrained-baseline/1", 109),
        (102, "H264", "baseline/1", 103),
        (116, "H264", "main/1", 117),
        (114, "H264", "constrained-baseline/0", 115),
        (104, "H264", "baseline/0", 107),
        (39, "H264", "main/0", 40),
        (45, "AV1", "0", 46),
    ]


def test_firefox_names_the_streams_of_its_layers() -> None:
    camera = negotiate(golden.read("firefox-small"), golden.LOCAL).plan.publish[1]
    assert len(camera.ssrcs) == len(camera.rids) == 3
    assert all(rtx for _, rtx in camera.ssrcs)


def test_aiortc_names_its_streams() -> None:
    audio, video = negotiate(golden.read("aiortc-bot"), golden.LOCAL).plan.publish
    assert [rtx for _, rtx in audio.ssrcs] == [None]
    assert len(video.ssrcs) == 1
    assert video.ssrcs[0][1] is not None


def test_links_with_different_seeds_have_different_ssrcs() -> None:
    other = LocalDescription(
        ufrag="node",
        pwd="n" * 24,
        fingerprint=golden.LOCAL.fingerprint,
        candidates=(),
        ssrc_seed=b"another",
        session_id=1,
        version=1,
    )
    ours = negotiate(golden.read("chromium-slots"), golden.LOCAL).plan.slots
    theirs = negotiate(golden.read("chromium-slots"), other).plan.slots
    assert {slot.ssrc for slot in ours}.isdisjoint(slot.ssrc for slot in theirs)
