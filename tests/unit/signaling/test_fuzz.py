"""Any text gives a negotiation or a refusal: real offers with random damage, and text that never was one."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.signaling.negotiate import Negotiation, OfferRefused, negotiate
from sfu.signaling.sdp import Limits, parse
from tests.unit.signaling import golden
from tests.unit.signaling.offers import TRANSPORT

OFFERS = [
    golden.read(name).split("\r\n")
    for name in golden.NAMES
    if name.endswith(("-plain", "-small", "-stopped", "-recycled", "-av1-simulcast", "-bot"))
]
LINES = sorted({line for lines in OFFERS for line in lines})
EDGES = [
    "",
    " ",
    "0",
    "-1",
    "65536",
    "4294967296",
    "9" * 5000,
    "/",
    ";",
    ",",
    "~",
    "*",
    ":",
    "=",
    "\r",
    "\x00",
    "\u0661",
    "\ud800",
]

HEAD = [
    *("v=0", "o=- 1 1 IN IP4 0.0.0.0", "a=group:BUNDLE 0 1 2 3", "a=rtcp-mux", *TRANSPORT),
    *("m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101", "a=mid:0", "a=rtpmap:96 VP8/90000"),
]

odd_text = st.text(max_size=8) | st.sampled_from(EDGES)
damage = st.tuples(
    st.sampled_from(["drop", "double", "move", "put", "replace a word", "cut", "splice"]),
    st.integers(0, 1 << 16),
    st.integers(0, 1 << 16),
    st.sampled_from(LINES),
    odd_text,
)


def damaged(lines: list[str], steps: list[tuple[str, int, int, str, str]]) -> str:
    for kind, first, second, other, text in steps:
        index = first % len(lines)
        line = lines[index]
        match kind:
            case "drop" if len(lines) > 1:
                del lines[index]
            case "double":
                lines.insert(second % len(lines), line)
            case "move":
                lines.insert(second % len(lines), lines.pop(index))
            case "put":
                lines.insert(index, other)
            case "replace a word":
                words = line.split(" ")
                words[second % len(words)] = text
                lines[index] = " ".join(words)
            case "cut":
                lines[index] = line[: second % (len(line) + 1)]
            case "splice":
                at = second % (len(line) + 1)
                lines[index] = line[:at] + text + line[at:]
    return "\r\n".join(lines)


def outcome(text: str) -> Negotiation | None:
    try:
        return negotiate(text, golden.LOCAL)
    except OfferRefused as refusal:
        assert refusal.detail
        return None


def check(text: str) -> None:
    negotiation = outcome(text)
    if negotiation is None:
        return
    assert negotiation.answer.isascii()
    offer, answer = parse(text, Limits()), parse(negotiation.answer, Limits())
    mids = [section.first("mid") for section in offer.sections]
    assert [section.first("mid") for section in answer.sections] == mids
    plan = negotiation.plan
    taken = [*(line.mid for line in (*plan.publish, *plan.slots)), *plan.inactive, *plan.rejected]
    assert len(taken) + plan.data == sum(mid is not None for mid in mids)
    assert outcome(text) == negotiation


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=st.sampled_from(OFFERS), steps=st.lists(damage, min_size=1, max_size=12))
def test_damaged_offers(lines: list[str], steps: list[tuple[str, int, int, str, str]]) -> None:
    check(damaged(list(lines), steps))


@settings(max_examples=200, deadline=None, database=None)
@given(lines=st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=60))
def test_shuffled_lines(lines: list[str]) -> None:
    check("\r\n".join([*HEAD, *lines]))


@settings(max_examples=100, deadline=None, database=None)
@given(text=st.text())
def test_text_that_never_was_an_offer(text: str) -> None:
    assert outcome(text) is None
