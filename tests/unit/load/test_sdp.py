"""The bots' descriptions: the node understands the offer, the bots understand the answer."""

import pytest

from sfu.signaling.negotiate import LocalCandidate, LocalDescription, negotiate
from tests.load.light import sdp
from tests.load.light.dtls import Identity
from tests.load.light.rtp import LEVEL_URI, MID_URI, RID_URI, TRANSPORT_CC_URI

FINGERPRINT = Identity().fingerprint
CREDENTIALS = sdp.Credentials("abcd1234", "p" * 32, FINGERPRINT)
SECTIONS = (
    sdp.Sending("audio", "0", ssrc=11, extensions=(LEVEL_URI,)),
    sdp.Sending("video", "1", rids=("q", "h", "f"), extensions=(MID_URI, RID_URI, TRANSPORT_CC_URI)),
    sdp.Slot("audio", "2", extensions=(TRANSPORT_CC_URI,)),
    sdp.Slot("video", "3", extensions=(TRANSPORT_CC_URI,)),
    sdp.Slot("video", "4", rtx=False),
    sdp.Data("5"),
)
NODE = LocalDescription(
    ufrag="nodeufrag",
    pwd="n" * 32,
    fingerprint=f"sha-256 {FINGERPRINT}",
    candidates=(LocalCandidate("2001:db8::1", 8082, 10), LocalCandidate("192.0.2.1", 8082, 20)),
    ssrc_seed=b"seed",
    session_id=1,
    version=1,
)


def test_the_node_takes_the_offer_for_what_it_says() -> None:
    plan = negotiate(sdp.offer(CREDENTIALS, SECTIONS), NODE).plan
    assert (plan.ufrag, plan.pwd, plan.data) == ("abcd1234", "p" * 32, True)
    microphone, camera = plan.publish
    assert (microphone.mid, [ssrc for ssrc, _ in microphone.ssrcs]) == ("0", [11])
    assert (camera.mid, camera.rids) == ("1", ("q", "h", "f"))
    assert [(slot.mid, slot.kind, slot.rtx_ssrc is not None) for slot in plan.slots] == [
        ("2", "audio", False),
        ("3", "video", True),
        ("4", "video", False),
    ]
    numbered = [TRANSPORT_CC_URI in slot.extensions for slot in plan.slots]
    assert numbered == [True, True, False]


def test_the_answer_is_read_for_what_it_says() -> None:
    negotiation = negotiate(sdp.offer(CREDENTIALS, SECTIONS), NODE)
    answer = sdp.parse(negotiation.answer)
    assert answer.credentials == sdp.Credentials("nodeufrag", "n" * 32, FINGERPRINT)
    assert answer.setup == "passive"
    assert answer.candidates == (("192.0.2.1", 8082), ("2001:db8::1", 8082))
    slots = [section for section in answer.sections if section.direction == "sendonly"]
    assert [(slot.mid, slot.ssrcs, slot.repairs) for slot in slots] == [
        (slot.mid, (slot.ssrc,), {slot.ssrc: slot.rtx_ssrc} if slot.rtx_ssrc else {})
        for slot in negotiation.plan.slots
    ]
    numbered = {section.mid for section in answer.sections if TRANSPORT_CC_URI in section.extensions}
    assert numbered == {"1", "2", "3"}
    assert negotiation.answer.count(" transport-cc\r\n") == len(numbered)


@pytest.mark.parametrize("missing", ["ice-ufrag", "ice-pwd", "fingerprint", "setup"])
def test_a_description_that_lacks_something_is_an_error(missing: str) -> None:
    whole = negotiate(sdp.offer(CREDENTIALS, SECTIONS), NODE).answer
    text = "".join(line for line in whole.splitlines(True) if not line.startswith(f"a={missing}:"))
    with pytest.raises(ValueError, match="has no"):
        sdp.parse(text)


def test_names_for_the_local_network_are_no_candidates() -> None:
    text = negotiate(sdp.offer(CREDENTIALS, SECTIONS), NODE).answer.replace(
        "192.0.2.1 8082 typ", "x.local 8082 typ"
    )
    assert sdp.parse(text).candidates == (("2001:db8::1", 8082),)
