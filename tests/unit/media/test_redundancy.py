"""Redundant audio: taken apart where it comes in, added for receivers whose networks lose packets."""

from collections.abc import Sequence

import pytest

from sfu.media.ingress import Ingress, Line
from sfu.media.layer import MOST_REPORTED_LOSS
from sfu.media.ports import Drop, Format
from sfu.media.speakers import AUDIO_LEVEL
from sfu.media.track import Track
from sfu.media.translation import Profile
from sfu.rtp import red
from sfu.rtp.packet import Packet
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from tests.unit.media.stage import (
    AUDIO_PROFILE,
    OPUS,
    THEIR_OPUS,
    VIDEO_PROFILE,
    Publisher,
    Screen,
    Wire,
    microphone,
    screen,
)
from tests.unit.rtp import wire

RED = Format("red", "", 63, None, 48_000)
THEIR_RED = Format("red", "", 64, None, 48_000)
RED_PROFILE = Profile((THEIR_OPUS, THEIR_RED), ((AUDIO_LEVEL, 7),))
FRAME = 960
LEVEL = wire.one_byte({1: b"\x1e"})


def payload(packet: Packet) -> bytes:
    return packet.data[packet.payload_start : packet.payload_end]


def sound(number: int) -> bytes:
    return b"sound %d" % number


# --- coming in ------------------------------------------------------------------------------------


class Door:
    """A microphone that may send redundancy, and a slot that plays it."""

    def __init__(self) -> None:
        self.shown = screen(AUDIO_PROFILE)
        self.ingress = Ingress(lambda layer: self.shown.show(layer.track, 0, 1.0))
        self.track = Track("p.1", "audio", (OPUS, RED), {1: AUDIO_LEVEL}, Wire())
        self.ingress.add("1", Line(self.track))

    def send(self, number: int, back: Sequence[int] = (), *, primary: bool = True) -> None:
        """Let a packet come that repeats those `back`, the oldest first."""
        blocks = [(FRAME * each, sound(number - each)) for each in back]
        self.put(number, red.pack(OPUS.payload_type, blocks, sound(number)))

    def put(self, number: int, data: bytes, payload_type: int = RED.payload_type) -> None:
        packet = wire.rtp(
            number,
            timestamp=FRAME * number,
            ssrc=5,
            payload_type=payload_type,
            payload=data,
            extensions=LEVEL,
        )
        self.ingress.receive(packet, 1.0 + number / 50)

    def heard(self) -> list[tuple[int, bytes]]:
        """Return what the slot sent since the last call: which packet (by its time), and its payload."""
        packets = self.shown.link.take()
        assert {packet.payload_type for packet in packets} <= {THEIR_OPUS.payload_type}
        return [(packet.timestamp, payload(packet)) for packet in packets]

    def numbers(self) -> list[int]:
        return [int(data.rpartition(b" ")[2]) for _, data in self.heard()]

    @property
    def drops(self) -> dict[Drop, int]:
        return dict(self.ingress.drops + self.track.layers[0].drops)


def test_of_redundant_audio_the_primary_is_passed_on() -> None:
    door = Door()
    for number in range(10, 15):
        door.send(number, [1] if number > 10 else [])
    heard = door.heard()
    assert [data for _, data in heard] == [sound(number) for number in range(10, 15)]
    assert [time - heard[0][0] for time, _ in heard] == [FRAME * at for at in range(5)]
    assert door.drops == {}


def test_levels_are_heard_though_the_payload_is_taken_apart() -> None:
    door = Door()
    door.send(10)
    door.send(11, [1])
    assert door.track.voice is not None
    assert door.track.voice.loudness > 0


def test_plain_audio_is_passed_on_as_it_is() -> None:
    door = Door()
    door.put(10, sound(10), OPUS.payload_type)
    door.send(11, [1])
    assert door.numbers() == [10, 11]


@pytest.mark.parametrize("copies", [1, 2])
def test_a_lost_packet_is_recovered_from_the_next_one(copies: int) -> None:
    door = Door()
    back = range(copies, 0, -1)
    door.send(10)
    door.send(11, [1])
    door.send(13, back)
    assert door.numbers() == [10, 11, 12, 13]
    assert door.drops == {}


def test_two_lost_in_a_row_are_recovered_from_two_copies() -> None:
    door = Door()
    door.send(10)
    door.send(13, [2, 1])
    assert door.numbers() == [10, 11, 12, 13]


def test_a_packet_recovered_keeps_its_time() -> None:
    door = Door()
    door.send(10)
    door.send(12, [1])
    times = [time for time, _ in door.heard()]
    assert [time - times[0] for time in times] == [0, FRAME, 2 * FRAME]


def test_a_copy_recovers_though_the_one_before_it_brought_none() -> None:
    door = Door()
    door.send(10)
    door.put(12, sound(12), OPUS.payload_type)
    door.send(13, [2, 1])
    assert door.numbers() == [10, 12, 11, 13]


def test_what_was_before_the_first_packet_is_not_missed() -> None:
    for first in (10, 0, 40_000, 0xFFFF):
        door = Door()
        door.send(first, [2, 1])
        assert door.numbers() == [first]


def test_numbers_wrap_while_a_packet_is_recovered() -> None:
    door = Door()
    door.send(0xFFFF)
    door.send(0x10001, [1])
    door.send(0x10002, [1])
    assert door.numbers() == [0xFFFF, 0x10000, 0x10001, 0x10002]


def test_what_came_itself_is_not_taken_from_a_copy() -> None:
    door = Door()
    door.send(10)
    door.send(12, [1])
    door.send(11)
    door.send(13, [2, 1])
    assert door.numbers() == [10, 11, 12, 13]
    assert door.drops == {Drop.DUPLICATE: 1}


def test_recovered_packets_are_still_reported_as_lost() -> None:
    """So that the publisher's encoder goes on guarding against the loss."""
    door = Door()
    for number in range(10, 30, 2):
        door.send(number, [1])
    (layer,) = door.track.layers
    assert layer.report_block(2.0).lost == 9


def test_malformed_redundancy_is_counted_and_goes_nowhere() -> None:
    door = Door()
    door.send(10)
    for number, data in enumerate((b"", b"\x80", b"\xef\0\0\xff\x6f"), 11):
        door.put(number, data)
    assert door.numbers() == [10]
    assert sum(door.drops.values()) == 3


@pytest.mark.parametrize("inner", [RED.payload_type, 35])
def test_blocks_of_a_foreign_type_or_nested_go_nowhere(inner: int) -> None:
    door = Door()
    door.send(10)
    door.put(11, red.pack(inner, [(FRAME, b"x")], b"y"))
    assert door.numbers() == [10]


# --- going out ------------------------------------------------------------------------------------


def guarded(publisher: Publisher, copies: int, profile: Profile = RED_PROFILE) -> Screen:
    """Return a slot that plays a microphone, and is to add so many copies."""
    shown = screen(profile)
    shown.show(publisher.track, 0, 1.0)
    shown.slot.cover(0.1, copies)
    return shown


def speak(publisher: Publisher, *numbers: int) -> None:
    for number in numbers:
        publisher.send(
            number,
            now=1.0 + number / 50,
            timestamp=FRAME * number,
            payload=sound(number),
            extensions=LEVEL,
            marker=number == 1,
        )


def test_without_need_nothing_is_added() -> None:
    publisher = microphone()
    shown = guarded(publisher, 0)
    speak(publisher, 1, 2)
    assert [(packet.payload_type, payload(packet)) for packet in shown.link.take()] == [
        (THEIR_OPUS.payload_type, sound(1)),
        (THEIR_OPUS.payload_type, sound(2)),
    ]


@pytest.mark.parametrize("copies", [1, 2])
def test_each_packet_repeats_those_before_it(copies: int) -> None:
    publisher = microphone()
    shown = guarded(publisher, copies)
    speak(publisher, *range(1, 6))
    packets = shown.link.take()
    assert {packet.payload_type for packet in packets} == {THEIR_RED.payload_type}
    for number, packet in enumerate(packets, 1):
        expected = [
            (THEIR_OPUS.payload_type, FRAME * back, sound(number - back))
            for back in range(copies, -1, -1)
            if number - back >= 1
        ]
        assert list(red.unpack(payload(packet))) == expected


@pytest.mark.parametrize(
    "profile", [RED_PROFILE, Profile(RED_PROFILE.formats, ((TRANSPORT_CC, 3), (AUDIO_LEVEL, 7)))]
)
def test_all_else_is_as_it_would_be_without(profile: Profile) -> None:
    publisher = microphone()
    shown, plain = guarded(publisher, 2, profile), guarded(publisher, 0, profile)
    speak(publisher, *range(1, 6))
    for packet, bare in zip(shown.link.take(), plain.link.take(), strict=True):
        assert (packet.seq, packet.timestamp, packet.ssrc) == (bare.seq, bare.timestamp, bare.ssrc)
        assert packet.marker == bare.marker
        assert list(packet.extensions()) == list(bare.extensions())
        assert list(red.unpack(payload(packet)))[-1][2] == payload(bare)


def test_what_was_lost_on_the_way_here_is_not_made_up() -> None:
    publisher = microphone()
    shown = guarded(publisher, 2)
    speak(publisher, 1, 2, 4)
    *_, last = shown.link.take()
    assert [block for _, _, block in red.unpack(payload(last))] == [sound(2), sound(4)]


def test_what_was_before_the_slot_showed_the_track_is_not_repeated() -> None:
    """A receiver must not hear who it was not shown, not even 20 ms of it."""
    publisher = microphone()
    speak(publisher, 1, 2)
    shown = guarded(publisher, 2)
    speak(publisher, 3, 4)
    first, second = shown.link.take()
    assert [block for _, _, block in red.unpack(payload(first))] == [sound(3)]
    assert [block for _, _, block in red.unpack(payload(second))] == [sound(3), sound(4)]


def test_timestamps_that_go_backwards_harm_nobody() -> None:
    publisher = microphone()
    shown = guarded(publisher, 2)
    for number, timestamp in enumerate((50_000, 10, 3_000_000_000, 11), 1):
        publisher.send(number, now=1.0, timestamp=timestamp, payload=sound(number))
    last = [list(red.unpack(payload(packet)))[-1][2] for packet in shown.link.take()]
    assert last == [sound(number) for number in range(1, 5)]


def test_a_receiver_that_takes_no_redundancy_gets_none() -> None:
    publisher = microphone()
    shown = guarded(publisher, 2, AUDIO_PROFILE)
    speak(publisher, 1, 2)
    assert [payload(packet) for packet in shown.link.take()] == [sound(1), sound(2)]


def test_video_is_never_repeated_so() -> None:
    publisher, shown = Publisher(), screen(VIDEO_PROFILE)
    shown.show(publisher.track, 720, 1.0)
    shown.slot.cover(0.5, 2)
    assert shown.slot.uncovered_loss == 0
    publisher.send(1, now=1.0, key=True)
    publisher.send(2, now=1.1)
    assert {packet.payload_type for packet in shown.link.take()} == {100}


# --- what the publisher is told -------------------------------------------------------------------


def fraction_lost(publisher: Publisher) -> int:
    return publisher.layer.report_block(2.0).fraction_lost


def test_a_publisher_is_told_the_worst_loss_that_nothing_else_covers() -> None:
    publisher = microphone()
    shown = [guarded(publisher, 0, AUDIO_PROFILE) for _ in range(3)]
    speak(publisher, 1, 2)
    for each, loss in zip(shown, (0.05, 0.1, 0.0), strict=True):
        each.slot.cover(loss, 1)
    assert fraction_lost(publisher) == int(0.1 * 256)
    shown[1].slot.clear()
    assert fraction_lost(publisher) == int(0.05 * 256)


def test_a_loss_covered_by_copies_is_not_told() -> None:
    publisher = microphone()
    shown = guarded(publisher, 1)
    shown.slot.cover(0.2, 1)
    speak(publisher, 1, 2)
    assert fraction_lost(publisher) == 0


def test_no_receiver_makes_an_encoder_drown_in_redundancy() -> None:
    publisher = microphone()
    guarded(publisher, 0, AUDIO_PROFILE).slot.cover(0.9, 2)
    speak(publisher, 1, 2)
    assert fraction_lost(publisher) == int(MOST_REPORTED_LOSS * 256)


def test_the_publishers_own_loss_counts_if_it_is_worse() -> None:
    publisher = microphone()
    guarded(publisher, 0, AUDIO_PROFILE).slot.cover(0.1, 0)
    speak(publisher, 1, 4)
    assert fraction_lost(publisher) == 128


def test_cumulative_loss_and_the_rest_are_the_nodes_own() -> None:
    publisher = microphone()
    guarded(publisher, 0, AUDIO_PROFILE).slot.cover(0.2, 0)
    speak(publisher, 1, 2, 3)
    block = publisher.layer.report_block(2.0)
    assert (block.lost, block.highest & 0xFFFF) == (0, 3)
