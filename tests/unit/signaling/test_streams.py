"""Simulcast layers, signalled SSRCs, and the SSRCs of slots."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.signaling.capabilities import DEFAULT
from sfu.signaling.extensions import RID
from sfu.signaling.negotiate import OfferRefused, negotiate
from sfu.signaling.plan import PublishPlan
from sfu.signaling.sdp import parse
from sfu.signaling.streams import signalled_ssrcs, slot_ssrcs
from tests.unit.signaling import golden
from tests.unit.signaling.offers import offer, section

RIDS = tuple(f"a=rid:{rid} send" for rid in ("q", "h", "f"))


def publish(*lines: str) -> PublishPlan:
    (plan,) = negotiate(offer(section("0", f"a=extmap:4 {RID}", *lines)), golden.LOCAL).plan.publish
    return plan


@pytest.mark.parametrize(
    ("simulcast", "rids"),
    [
        ("send q;h;f", ("q", "h", "f")),
        ("send f;h;q", ("f", "h", "q")),
        (" send  q;h;f ", ("q", "h", "f")),
        ("send q;~h;~f", ("q", "h", "f")),
        ("send q,h;f", ("q", "f")),
        ("send x,~h;f", ("h", "f")),
        ("recv a;b send q;h", ("q", "h")),
        ("send q;h recv a;b", ("q", "h")),
        ("send rid=q;h", ("q", "h")),
        ("send q;q;q", ("q",)),
        ("send q;x;;~;,;f", ("q", "f")),
        ("recv q;h", ()),
        ("send", ()),
        ("", ()),
    ],
)
def test_simulcast_layers(simulcast: str, rids: tuple[str, ...]) -> None:
    assert publish(*RIDS, f"a=simulcast:{simulcast}").rids == rids


def test_answer_asks_for_the_layers() -> None:
    lines = (f"a=extmap:4 {RID}", *RIDS, "a=simulcast:send q;~h;f")
    answer = negotiate(offer(section("0", *lines)), golden.LOCAL).answer
    assert "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n" in answer


def test_restrictions_of_a_layer_bind_the_client_alone() -> None:
    lines = ("a=rid:q send pt=96;max-width=320", "a=rid:h recv", "a=simulcast:send q;h")
    assert publish(*lines).rids == ("q",)


def test_layers_beyond_the_fourth_are_left_out() -> None:
    rids = "abcdef"
    lines = [f"a=rid:{rid} send" for rid in rids]
    assert publish(*lines, f"a=simulcast:send {';'.join(rids)}").rids == ("a", "b", "c", "d")


@pytest.mark.parametrize("rid", ["a b", "x" * 17, "q!", "q/"])
def test_names_that_are_no_rids_are_left_out(rid: str) -> None:
    assert publish(f"a=rid:{rid} send", f"a=simulcast:send {rid}").rids == ()


def test_without_the_rid_extension_layers_could_not_be_told_apart() -> None:
    negotiation = negotiate(offer(section("0", *RIDS, "a=simulcast:send q;h;f")), golden.LOCAL)
    assert negotiation.plan.publish[0].rids == ()
    assert "simulcast" not in negotiation.answer


@pytest.mark.parametrize(
    ("lines", "ssrcs"),
    [
        ((), ()),
        (("a=ssrc:1 cname:x", "a=ssrc:1 msid:a b"), ((1, None),)),
        (("a=ssrc-group:FID 1 2", "a=ssrc:1 cname:x", "a=ssrc:2 cname:x"), ((1, 2),)),
        (("a=ssrc:2 cname:x", "a=ssrc:1 cname:x", "a=ssrc-group:FID 1 2"), ((1, 2),)),
        (("a=ssrc-group:FID 1 2",), ((1, 2),)),
        (
            ("a=ssrc-group:SIM 1 3", "a=ssrc-group:FID 1 2", "a=ssrc-group:FID 3 4", "a=ssrc:1", "a=ssrc:3"),
            ((1, 2), (3, 4)),
        ),
        (("a=ssrc-group:FEC-FR 1 9", "a=ssrc:1 cname:x", "a=ssrc:9 cname:x"), ((1, None),)),
        (("a=ssrc:1",), ((1, None),)),
        (("a=ssrc", "a=ssrc:", "a=ssrc:x cname:x", "a=ssrc:0 x", "a=ssrc:-1 x", "a=ssrc:4294967296 x"), ()),
        (
            (
                "a=ssrc-group",
                "a=ssrc-group:",
                "a=ssrc-group:FID",
                "a=ssrc-group:FID 1",
                "a=ssrc-group:FID 1 2 3",
            ),
            (),
        ),
    ],
)
def test_signalled_ssrcs(lines: tuple[str, ...], ssrcs: tuple[tuple[int, int | None], ...]) -> None:
    (read,) = parse(offer(section("0", *lines)), DEFAULT.limits).sections
    assert signalled_ssrcs(read, 16) == ssrcs


def test_too_many_streams_are_refused() -> None:
    with pytest.raises(OfferRefused, match="more than 16 streams"):
        publish(*(f"a=ssrc:{ssrc} cname:x" for ssrc in range(1, 18)))


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a=ssrc:1 x",), ("a=ssrc:1 x",)), (("a=ssrc:1 x",), ("a=ssrc-group:FID 2 1",))],
)
def test_one_ssrc_in_two_m_lines_is_refused(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    with pytest.raises(OfferRefused, match="same SSRC"):
        negotiate(offer(section("0", *first), section("1", *second)), golden.LOCAL)


MIDS = st.lists(st.text("abc0123456789", min_size=1, max_size=16), unique=True, max_size=40)


@settings(max_examples=100, database=None, deadline=None)
@given(mids=MIDS, more=MIDS, seed=st.binary(min_size=1, max_size=64))
def test_slot_ssrcs_are_distinct_and_stay(mids: list[str], more: list[str], seed: bytes) -> None:
    before = slot_ssrcs(mids, seed)
    ssrcs = [ssrc for pair in before.values() for ssrc in pair]
    assert len(set(ssrcs)) == len(ssrcs) == 2 * len(mids)
    assert all(0 < ssrc < 1 << 32 for ssrc in ssrcs)
    after = slot_ssrcs([*mids, *(mid for mid in more if mid not in mids)], seed)
    assert {mid: after[mid] for mid in mids} == before


def test_colliding_slot_ssrcs_are_drawn_again() -> None:
    """Of 400,000 random 32-bit numbers about nineteen pairs are equal."""
    pairs = slot_ssrcs((str(mid) for mid in range(200_000)), b"seed").values()
    assert len({ssrc for pair in pairs for ssrc in pair}) == 400_000
