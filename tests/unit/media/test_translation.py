"""Payload types and extension ids are each client's own; a translation leads from one to another."""

from sfu.media.ports import Format
from sfu.media.translation import Profile, translate
from tests.unit.media.stage import H264, THEIR_VP8, VIDEO_PROFILE, VP8, Publisher, screen
from tests.unit.rtp import wire

LEVEL, TIME, MID = "urn:level", "urn:time", "urn:mid"


def test_formats_are_matched_by_codec_and_variant() -> None:
    theirs = Profile((THEIR_VP8, Format("H264", "42/0", 105, 106, 90_000)), ())
    translation = translate((VP8, H264), {}, theirs)
    assert translation.payload_types == {96: 100}
    assert translation.rtx_payload_types == {96: 101}


def test_the_receivers_first_choice_of_equal_formats_is_taken() -> None:
    twice = (Format("H264", "42/1", 110, 111, 90_000), Format("H264", "42/1", 120, 121, 90_000))
    assert translate((H264,), {}, Profile(twice, ())).payload_types == {102: 110}


def test_a_receiver_without_rtx() -> None:
    plain = Profile((Format("VP8", "", 100, None, 90_000),), ())
    assert translate((VP8,), {}, plain).rtx_payload_types == {}


def test_extensions_are_matched_by_uri() -> None:
    theirs = Profile((THEIR_VP8,), ((LEVEL, 9), (TIME, 3)))
    assert translate((VP8,), {1: LEVEL, 2: MID}, theirs).extension_ids == {1: 9}


def test_a_track_translates_once_for_all_receivers_alike() -> None:
    track = Publisher().track
    equal = Profile(tuple(VIDEO_PROFILE.formats), tuple(VIDEO_PROFILE.extensions))
    assert track.translation(VIDEO_PROFILE) is track.translation(equal)
    assert track.translation(Profile((THEIR_VP8,), ((LEVEL, 9),))) is not track.translation(equal)


def test_agreed_extensions_reach_the_receiver_under_its_ids_and_others_do_not() -> None:
    publisher = Publisher(extensions={1: LEVEL, 2: MID, 15: TIME})
    narrow = screen(Profile((THEIR_VP8,), ((LEVEL, 9),)))
    wide = screen(Profile((THEIR_VP8,), ((LEVEL, 2), (TIME, 20))))
    none = screen()
    for shown in (narrow, wide, none):
        shown.show(publisher.track, 720, 1.0)
    elements = {1: b"\x30", 2: b"mid", 7: b"unknown", 15: b"123"}
    publisher.send(1, now=1.0, key=True, extensions=wire.two_byte(elements))
    publisher.send(2, now=1.0)
    found = [[dict(packet.extensions()) for packet in shown.link.take()] for shown in (narrow, wide, none)]
    assert found == [[{9: b"\x30"}, {}], [{2: b"\x30", 20: b"123"}, {}], [{}, {}]]
