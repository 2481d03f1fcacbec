"""The reader of session descriptions: tolerant of dialects, firm on limits."""

import dataclasses

import pytest

from sfu.signaling.sdp import Limits, OfferRefused, is_token, number, parse

LIMITS = Limits()
MINIMAL = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def test_sections_hold_their_attributes_in_order() -> None:
    description = parse(
        MINIMAL + "a=group:BUNDLE 0\r\nm=audio 9 RTP/AVP 0 8\r\na=x:1\r\na=y\r\na=x: 2\r\n", LIMITS
    )
    (section,) = description.sections
    assert description.origin == "- 1 2 IN IP4 127.0.0.1"
    assert (section.kind, section.port, section.protocol) == ("audio", 9, "RTP/AVP")
    assert section.formats == ("0", "8")
    assert section.all("x") == ("1", "2")
    assert section.has("y")
    assert section.first("y") == ""
    assert section.first("z") is None
    assert section.first("group") == "BUNDLE 0"


def test_a_section_overrides_the_session() -> None:
    text = MINIMAL + "a=x:session\r\na=y:session\r\nm=audio 9 RTP/AVP 0\r\na=x:own\r\n"
    (section,) = parse(text, LIMITS).sections
    assert (section.all("x"), section.all("y")) == (("own",), ("session",))


@pytest.mark.parametrize(
    ("session", "own", "direction"),
    [
        ("", "", "sendrecv"),
        ("", "a=recvonly\r\n", "recvonly"),
        ("a=sendrecv\r\n", "a=inactive\r\n", "inactive"),
        ("a=sendonly\r\n", "", "sendonly"),
    ],
)
def test_direction_is_the_sections_own_then_the_sessions(session: str, own: str, direction: str) -> None:
    description = parse(f"{MINIMAL}{session}m=video 9 RTP/AVP 96\r\n{own}", LIMITS)
    assert description.sections[0].direction == direction


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL.replace("\r\n", "\n") + "m=audio 9 RTP/AVP 0\n",
        MINIMAL.replace("\r\n", "\r\n\r\n") + "m=audio 9 RTP/AVP 0",
        MINIMAL + "m=audio 9/2 RTP/AVP 0\r\n",
        MINIMAL + "m=audio  9  RTP/AVP  0 \r\n",
        MINIMAL.replace("s=-", "s=\u00fcber \u2028 alles") + "m=audio 9 RTP/AVP 0\r\n",
        MINIMAL + "nonsense\r\n=\r\nA=1\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 host.example/127\r\n",
    ],
    ids=["bare newlines", "blank lines", "port count", "spaces", "free text", "unknown lines"],
)
def test_dialects_are_read(text: str) -> None:
    (section,) = parse(text, LIMITS).sections
    assert (section.kind, section.port, section.formats) == ("audio", 9, ("0",))


def test_attributes_outside_printable_ascii_are_skipped() -> None:
    text = MINIMAL + "m=audio 9 RTP/AVP 0\r\na=x:\u00fc\r\na=y:a\x00b\r\na=z:a\rb\r\na=x:1\r\n"
    assert parse(text, LIMITS).sections[0].attributes == {"x": ("1",)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begins with v=0"),
        ("m=audio 9 RTP/AVP 0\r\n", "begins with v=0"),
        ("o=- 1 2 IN IP4 0.0.0.0\r\nv=0\r\n", "begins with v=0"),
        (MINIMAL + "m=audio\r\n", "malformed"),
        (MINIMAL + "m=audio 9 RTP/AVP\r\n", "malformed"),
        (MINIMAL + "m=audio nine RTP/AVP 0\r\n", "malformed"),
        (MINIMAL + "m=audio -9 RTP/AVP 0\r\n", "malformed"),
        (MINIMAL + "m=audio 65536 RTP/AVP 0\r\n", "malformed"),
        (MINIMAL + "m=audio \u0669 RTP/AVP 0\r\n", "do not belong"),
        (MINIMAL + "m=audio 9 RTP/AVP 0\x00\r\n", "do not belong"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OfferRefused, match=reason):
        parse(text, LIMITS)


PADDING = ("x" * 70 + "\n") * 6
SMALL = Limits(characters=400, lines=20, line_characters=80, sections=3, section_attributes=4)


@pytest.mark.parametrize(
    ("most", "more", "reason"),
    [
        ((MINIMAL + PADDING)[:400], (MINIMAL + PADDING)[:401], "400 characters"),
        (MINIMAL + "\n" * 16, MINIMAL + "\n" * 17, "20 lines"),
        (MINIMAL + "a=" + "x" * 78, MINIMAL + "a=" + "x" * 79, "80 characters"),
        (MINIMAL + "m=audio 9 RTP/AVP 0\n" * 3, MINIMAL + "m=audio 9 RTP/AVP 0\n" * 4, "3 m-lines"),
        (MINIMAL + "a=x\n" * 4, MINIMAL + "a=x\n" * 5, "4 attributes"),
    ],
)
def test_limits_are_kept(most: str, more: str, reason: str) -> None:
    parse(most, SMALL)
    with pytest.raises(OfferRefused, match=reason):
        parse(more, SMALL)


def test_every_limit_is_tested() -> None:
    assert len(dataclasses.fields(Limits)) == 5


@pytest.mark.parametrize(
    ("text", "most", "value"),
    [
        ("0", 9, 0),
        ("9", 9, 9),
        ("10", 9, None),
        ("007", 9, 7),
        ("", 9, None),
        ("-1", 9, None),
        ("+1", 9, None),
        ("1.0", 9, None),
        ("\u0661", 9, None),
        ("9" * 5000, 9, None),
    ],
)
def test_number(text: str, most: int, value: int | None) -> None:
    assert number(text, most) == value


@pytest.mark.parametrize(("text", "told"), [("audio-1", True), ("", False), ("a b", False), ("a:b", False)])
def test_token(text: str, told: bool) -> None:
    assert is_token(text) is told
