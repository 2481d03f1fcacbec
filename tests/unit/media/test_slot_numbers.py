"""Slots of receivers that send transport-wide feedback: each packet has room for its number, first of all."""

import pytest

from sfu.media.speakers import AUDIO_LEVEL
from sfu.media.translation import Profile, Translation, translate
from sfu.rtp.packet import Packet, parse
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from tests.unit.media.stage import (
    MEDIA_SSRC,
    RTX_SSRC,
    THEIR_OPUS,
    THEIR_VP8,
    VIDEO_PROFILE,
    VP8,
    Publisher,
    Screen,
    microphone,
    screen,
)
from tests.unit.rtp import wire

TIME = "urn:time"
EMPTY = b"\0\0"


def numbered(id_: int = 3, *others: tuple[str, int]) -> Profile:
    """Return a profile with the extension, after others."""
    return Profile((THEIR_VP8,), (*others, (TRANSPORT_CC, id_)))


def playing(shown: Screen, publisher: Publisher, extensions: bytes = b"") -> list[Packet]:
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True, extensions=extensions)
    publisher.send(2, now=1.1, extensions=extensions)
    return shown.link.take()


def test_a_profile_knows_whether_packets_are_numbered() -> None:
    assert numbered(5).number_id == 5
    assert VIDEO_PROFILE.number_id is None


def test_numbers_are_the_nodes_own_and_never_those_of_the_publisher() -> None:
    theirs = {1: TRANSPORT_CC, 2: TIME}
    translation = translate((VP8,), theirs, numbered(3, (TIME, 9)))
    assert translation == Translation({96: 100}, {96: 101}, {2: 9}, ((3, EMPTY),))
    assert translate((VP8,), theirs, VIDEO_PROFILE).own == ()


def test_the_number_comes_first_and_what_the_publisher_said_after_it() -> None:
    publisher = Publisher(extensions={1: TRANSPORT_CC, 2: TIME})
    shown = screen(numbered(3, (TIME, 9)))
    extensions = wire.one_byte({2: b"abc", 1: b"\x12\x34"})
    for packet in playing(shown, publisher, extensions):
        assert list(packet.extensions()) == [(3, EMPTY), (9, b"abc")]
    assert shown.link.numbered == 2


@pytest.mark.parametrize("id_", [1, 14, 15, 20])
def test_a_packet_without_extensions_gets_the_number_alone(id_: int) -> None:
    """Ids above 14 need the two-byte form (RFC 8285 §4.3)."""
    shown = screen(numbered(id_))
    packets = playing(shown, Publisher())
    assert [list(packet.extensions()) for packet in packets] == [[(id_, EMPTY)]] * 2


@pytest.mark.parametrize("id_", [3, 20])
def test_the_number_can_be_filled_in(id_: int) -> None:
    publisher, shown = Publisher(extensions={2: TIME}), screen(numbered(id_, (TIME, 9)))
    (first, _) = playing(shown, publisher, wire.one_byte({2: b"abc"}))
    shown.slot.nack([first.seq], 1.2)
    shown.slot.pad(1)
    for packet in (first, *shown.link.take()):
        stamped = parse(wire.numbered(packet.data, 0xBEEF), 0.0)
        assert stamped is not None
        assert next(stamped.extensions()) == (id_, b"\xbe\xef")
        assert stamped.data[stamped.payload_start :] == packet.data[packet.payload_start :]


def test_repairs_are_numbered_as_well() -> None:
    publisher, shown = Publisher(extensions={2: TIME}), screen(numbered(3, (TIME, 9)))
    sent = playing(shown, publisher, wire.one_byte({2: b"abc"}))
    shown.slot.nack([packet.seq for packet in sent], 1.2)
    repairs = shown.link.take()
    assert [packet.ssrc for packet in repairs] == [RTX_SSRC] * 2
    assert [list(packet.extensions()) for packet in repairs] == [[(3, EMPTY), (9, b"abc")]] * 2
    assert shown.link.numbered == 4


def test_what_waited_for_its_label_is_numbered_when_it_leaves() -> None:
    publisher, shown = Publisher(), screen(numbered(), prompt=False)
    assert playing(shown, publisher) == []
    assert shown.link.numbered == 0
    shown.slot.release()
    publisher.send(3, now=1.2)
    assert [packet.ssrc for packet in shown.link.take()] == [MEDIA_SSRC] * 3
    assert shown.link.numbered == 3


def test_sound_is_numbered_as_well() -> None:
    publisher = microphone()
    shown = screen(Profile((THEIR_OPUS,), ((AUDIO_LEVEL, 7), (TRANSPORT_CC, 3))))
    shown.show(publisher.track, 0, 1.0)
    publisher.send(1, now=1.0, payload=b"opus", extensions=wire.one_byte({1: b"\x30"}))
    (packet,) = shown.link.take()
    assert list(packet.extensions()) == [(3, EMPTY), (7, b"\x30")]
    assert shown.link.numbered == 1


def test_receivers_of_both_kinds_watch_one_publisher() -> None:
    publisher = Publisher(extensions={1: TRANSPORT_CC})
    screens = [screen(numbered()), screen(), screen(numbered(9))]
    extensions = wire.one_byte({1: b"\x12\x34"})
    for shown in screens:
        shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True, extensions=extensions)
    told = [[list(packet.extensions()) for packet in shown.link.take()] for shown in screens]
    assert told == [[[(3, EMPTY)]], [[]], [[(9, EMPTY)]]]
    assert [shown.link.numbered for shown in screens] == [1, 0, 1]
