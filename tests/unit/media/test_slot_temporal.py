"""Frames of higher temporal layers are left out and joined again, and a receiver of the rest cannot tell."""

from itertools import pairwise

import pytest

from sfu.media.ports import Drop, Format
from sfu.media.track import ALL_TEMPORAL
from sfu.media.translation import Profile
from sfu.rtp.packet import parse, restore
from sfu.rtp.payload import read_vp8, read_vp9
from tests.unit.media.stage import (
    CADENCE,
    MEDIA_SSRC,
    RTX_SSRC,
    Encoder,
    Piece,
    Publisher,
    Screen,
    Seen,
    screen,
    seen,
    unwrapped,
)
from tests.unit.rtp import wire


class Camera:
    """A publisher of temporal layers, and a slot that is given some of them."""

    def __init__(self, encoder: Encoder | None = None, *, shown: Screen | None = None) -> None:
        self.publisher = Publisher()
        self.encoder = encoder or Encoder()
        self.shown = shown or screen()
        self.now = 10.0

    def give(self, temporal: int) -> None:
        """Show the camera up to a temporal layer."""
        self.shown.slot.show(self.publisher.track, 720, self.now)
        self.shown.slot.give(self.publisher.layer, temporal, self.now)

    def encode(self, frames: int, *, packets: int = 1) -> list[Piece]:
        """Return the packets of so many frames."""
        return [piece for _ in range(frames) for piece in self.encoder.encode(packets)]

    def send(self, *pieces: Piece) -> None:
        for piece in pieces:
            self.now += 0.01
            self.publisher.send_piece(piece, now=self.now)

    def play(self, frames: int, *, packets: int = 1) -> None:
        """Let whole frames arrive."""
        self.send(*self.encode(frames, packets=packets))


def received(shown: Screen) -> list[Seen]:
    """Return all that was sent in the slot's stream, repairs apart."""
    packets = [packet for data in shown.link.packets if (packet := parse(data, 0.0)) is not None]
    return seen([packet for packet in packets if packet.ssrc == MEDIA_SSRC])


def frames(shown: Screen) -> list[int]:
    """Return the frames that were sent, by their first packets."""
    return [each.frame for each in received(shown) if each.at == 0]


def steps(values: list[int], bits: int) -> set[int]:
    """Return by how much values are more than those before them, in `bits` bits."""
    return {(after - before) % (1 << bits) for before, after in pairwise(values)}


def assert_seamless(shown: Screen) -> None:
    """Numbers go up by one from packet to packet, picture ids from frame to frame."""
    packets = received(shown)
    assert steps([each.seq for each in packets], 16) == {1}
    assert steps([each.picture_id for each in packets if each.at == 0], 15) == {1}
    by_frame = {(each.timestamp, each.picture_id) for each in packets}
    assert len(by_frame) == len({each.timestamp for each in packets})


# --- leaving out ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "count"), [(0, 10), (1, 20), (2, 40), (ALL_TEMPORAL, 40)])
@pytest.mark.parametrize("packets", [1, 3])
def test_what_is_left_out_leaves_no_trace(limit: int, count: int, packets: int) -> None:
    """Numbers and picture ids go on; TL0PICIDX and timestamps are the publisher's. All counters wrap here."""
    camera = Camera()
    camera.give(limit)
    camera.play(40, packets=packets)
    wanted = [
        piece for pieces in camera.encoder.frames for piece in pieces if CADENCE[piece.frame % 8][0] <= limit
    ]
    told = received(camera.shown)
    assert len(told) == count * packets
    assert [each.frame for each in told] == [piece.frame for piece in wanted]
    assert_seamless(camera.shown)
    assert [each.tl0 for each in told] == [(253 + each.frame // 4) & 0xFF for each in told]
    assert len({(each.timestamp - 3000 * each.frame) & 0xFFFF_FFFF for each in told}) == 1
    assert camera.shown.slot.drops[Drop.LAYER_LEFT_OUT] == (40 - count) * packets
    assert camera.shown.slot.packets == len(told)


def test_a_layer_taken_away_is_left_out_at_once() -> None:
    camera = Camera()
    camera.give(ALL_TEMPORAL)
    camera.play(10)
    camera.give(1)
    camera.play(6)
    camera.give(0)
    camera.play(8)
    assert frames(camera.shown) == [*range(10), 10, 12, 14, 16, 20]
    assert_seamless(camera.shown)


def test_a_late_rest_of_a_frame_that_was_left_out_moves_nothing() -> None:
    """Its first packet was missing when the others were left out: its number is still free."""
    camera = Camera()
    camera.give(0)
    camera.play(1, packets=3)
    late, *rest = camera.encode(1, packets=3)
    camera.send(*rest)
    camera.play(3, packets=3)
    camera.send(late)
    camera.play(3, packets=3)
    told = received(camera.shown)
    assert [(each.frame, each.at) for each in told] == [
        *((0, at) for at in range(3)),
        *((4, at) for at in range(3)),
        (1, 0),
    ]
    assert sorted(each.seq for each in told) == [told[0].seq + at for at in range(7)]
    assert told[3].picture_id == (told[0].picture_id + 1) & 0x7FFF


@pytest.mark.parametrize("late", [True, False])
def test_a_frame_that_is_missing_keeps_its_place(late: bool) -> None:
    """Nobody knows whose packet was lost. If it comes after all, it stands where it belongs."""
    camera = Camera()
    camera.give(0)
    camera.play(5)
    (missing,) = camera.encode(1)
    camera.play(3)
    camera.play(1)
    if late:
        camera.send(missing)
    told = received(camera.shown)
    first, second, third = told[:3]
    assert [first.frame, second.frame, third.frame] == [0, 4, 8]
    assert [each.seq - first.seq for each in told] == [0, 1, 3, 2][: len(told)]
    assert (third.picture_id - second.picture_id) & 0x7FFF == 2
    assert len(told) == (4 if late else 3)
    if late:
        assert (told[3].frame, (told[3].picture_id - second.picture_id) & 0x7FFF) == (5, 1)


def test_a_loss_within_what_is_left_out_is_one_packet_and_no_frame_of_the_others() -> None:
    """The second of three packets is lost: its frame is left out all the same."""
    camera = Camera()
    camera.give(0)
    camera.play(1, packets=3)
    first, _, last = camera.encode(1, packets=3)
    camera.send(first, last)
    camera.play(6, packets=3)
    told = received(camera.shown)
    assert [each.frame for each in told] == [0, 0, 0, 4, 4, 4]
    assert [each.seq - told[0].seq for each in told] == [0, 1, 2, 4, 5, 6]
    assert steps([each.picture_id for each in told if each.at == 0], 15) == {1}


def test_counters_continued_over_a_cut_go_on() -> None:
    first = Camera(Encoder(seq=9, picture_id=500, tl0=77))
    first.give(ALL_TEMPORAL)
    first.play(3)
    second = Camera(shown=first.shown)
    second.give(0)
    second.play(9)
    told = received(first.shown)
    assert [(each.frame, each.picture_id, each.tl0) for each in told[2:]] == [
        (2, 503, 78),
        (0, 504, 79),
        (4, 505, 80),
        (8, 506, 81),
    ]


@pytest.mark.parametrize("left_out", range(4))
@pytest.mark.parametrize("packets", [1, 2])
def test_a_cut_just_after_what_was_left_out_shows_no_gap(left_out: int, packets: int) -> None:
    first = Camera()
    first.give(0)
    first.play(9 + left_out, packets=packets)
    second = Camera(Encoder(seq=9, picture_id=500, tl0=77), shown=first.shown)
    second.give(ALL_TEMPORAL)
    second.play(5, packets=packets)
    assert frames(first.shown) == [0, 4, 8, 0, 1, 2, 3, 4]
    assert_seamless(first.shown)
    told = received(first.shown)
    assert told[3 * packets].tl0 == (told[3 * packets - 1].tl0 + 1) & 0xFF


def test_a_cut_back_after_what_was_left_out_shows_no_gap() -> None:
    first = Camera()
    second = Camera(Encoder(seq=9, picture_id=500, tl0=77), shown=first.shown)
    for camera in (first, second, first, second):
        camera.give(1)
        camera.send(*camera.encoder.encode(2, key=True))
        camera.play(10, packets=2)
    assert frames(first.shown) == [*range(0, 11, 2), *range(0, 11, 2), *range(11, 22, 2), *range(11, 22, 2)]
    assert_seamless(first.shown)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("then", [False, True])
def test_packets_left_out_that_overtake_each_other_leave_no_hole_that_another_fills(
    order: tuple[int, ...], then: bool
) -> None:
    """Who comes late takes its own number; nothing that was settled before it moves."""
    camera = Camera()
    camera.give(0)
    camera.play(1, packets=3)
    pieces = camera.encode(1, packets=3)
    camera.send(*(pieces[at] for at in order))
    camera.play(3 if then else 7, packets=3)
    told = received(camera.shown)
    numbers = {each.seq for each in told}
    assert numbers == set(range(min(numbers), max(numbers) + 1))
    bases = [each for each in told if each.frame != 1]
    assert steps([each.picture_id for each in bases if each.at == 0], 15) == {1}


# --- joining --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("before", [0, 1])
def test_a_layer_is_joined_at_a_frame_that_depends_on_the_base_alone(step: int, before: int) -> None:
    camera = Camera()
    camera.give(before)
    camera.play(8 + step)
    camera.give(ALL_TEMPORAL)
    camera.play(16)
    told = frames(camera.shown)
    assert_decodable(camera, told)
    assert set(range(18, 24 + step)) <= set(told)
    assert_seamless(camera.shown)


@pytest.mark.parametrize(("step", "first"), [(1, 9), (2, 10), (3, 17), (7, 17)])
def test_where_a_layer_is_joined(step: int, first: int) -> None:
    camera = Camera()
    camera.give(0)
    camera.play(8 + step)
    camera.give(ALL_TEMPORAL)
    camera.play(16)
    assert next(frame for frame in frames(camera.shown) if frame % 4) == first


def test_a_frame_is_not_joined_in_its_middle() -> None:
    """Its first packet was left out; those after it are of no use, and what refers to it neither."""
    camera = Camera()
    camera.give(0)
    camera.play(9, packets=2)
    first, second = camera.encode(1, packets=2)
    camera.send(first)
    camera.give(ALL_TEMPORAL)
    camera.send(second)
    camera.play(16, packets=2)
    told = received(camera.shown)
    assert [each.at for each in told] == [0, 1] * (len(told) // 2)
    assert_decodable(camera, [each.frame for each in told])
    assert_seamless(camera.shown)


def test_a_layer_that_was_not_given_is_not_joined() -> None:
    camera = Camera()
    camera.give(0)
    camera.play(8)
    camera.give(1)
    camera.play(16)
    assert frames(camera.shown) == [0, 4, *range(8, 24, 2)]


def test_a_key_frame_that_begins_is_followed_by_all_that_was_given() -> None:
    """Whatever it is joined at: nothing refers to what was before."""
    publisher, shown = Publisher(), screen()
    for turn, (temporal, sent) in enumerate([(0, 1), (2, 3), (1, 2)]):
        shown.slot.clear()
        shown.slot.show(publisher.track, 720, 1.0)
        shown.slot.give(publisher.layer, temporal, 1.0)
        for number, tid in enumerate((0, 2, 1), 3 * turn):
            payload = wire.vp8(key=tid == 0, picture_id=number, tl0=0, tid=tid)
            publisher.send(number, now=1.0 + number / 30, payload=payload)
        assert len(shown.link.take()) == sent


def assert_decodable(camera: Camera, told: list[int]) -> None:
    """Every frame that was sent refers to frames that were."""
    there = set(told)
    for frame in told:
        assert camera.encoder.references[frame] <= there, frame


# --- while a smaller layer is waited for ----------------------------------------------------------


def test_a_layer_that_is_too_much_is_thinned_to_its_base_until_the_smaller_begins() -> None:
    publisher, shown = Publisher(rids=("q", "h")), screen()
    large, small = Encoder(), Encoder(seq=1, picture_id=9, tl0=9)
    shown.slot.show(publisher.track, 360, 1.0)
    shown.slot.give(publisher.layers[1], ALL_TEMPORAL, 1.0)
    for _ in range(3):
        publisher.send_piece(*large.encode(), now=1.0, layer=1)
    shown.slot.give(publisher.layers[0], ALL_TEMPORAL, 1.1)
    shown.slot.thin()
    for _ in range(6):
        publisher.send_piece(*large.encode(), now=1.2, layer=1)
    for _ in range(8):
        publisher.send_piece(*small.encode(), now=1.3)
    assert frames(shown) == [0, 1, 2, 4, 8, *range(8)]
    assert_seamless(shown)


def test_what_was_thinned_is_not_joined_again_while_the_smaller_is_waited_for() -> None:
    publisher, shown = Publisher(rids=("q", "h")), screen()
    encoder = Encoder()
    shown.slot.show(publisher.track, 360, 1.0)
    shown.slot.give(publisher.layers[1], ALL_TEMPORAL, 1.0)
    publisher.send_piece(*encoder.encode(), now=1.0, layer=1)
    shown.slot.give(publisher.layers[0], ALL_TEMPORAL, 1.1)
    shown.slot.thin()
    for _ in range(20):
        publisher.send_piece(*encoder.encode(), now=1.2, layer=1)
    assert frames(shown) == [0, 4, 8, 12, 16, 20]


def test_what_plays_goes_on_whole_until_the_larger_begins() -> None:
    """The next step up from all of a small layer is the base of a larger one: that says nothing of this."""
    publisher, shown = Publisher(rids=("q", "h")), screen()
    encoder = Encoder()
    shown.slot.show(publisher.track, 360, 1.0)
    shown.slot.give(publisher.layers[0], ALL_TEMPORAL, 1.0)
    publisher.send_piece(*encoder.encode(), now=1.0)
    shown.slot.give(publisher.layers[1], 0, 1.1)
    for _ in range(7):
        publisher.send_piece(*encoder.encode(), now=1.2)
    assert frames(shown) == list(range(8))


def test_a_layer_that_stays_is_not_thinned() -> None:
    camera = Camera()
    camera.give(ALL_TEMPORAL)
    camera.play(3)
    camera.shown.slot.thin()
    camera.play(5)
    assert frames(camera.shown) == list(range(8))


# --- repairs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1])
def test_after_holes_every_number_is_repaired_with_its_own_packet(limit: int) -> None:
    camera = Camera()
    camera.give(limit)
    camera.play(20, packets=2)
    camera.give(ALL_TEMPORAL)
    camera.play(20, packets=2)
    camera.give(limit)
    camera.play(10, packets=2)
    sent = camera.shown.link.take()
    camera.shown.slot.nack([packet.seq for packet in sent], camera.now)
    repairs = camera.shown.link.take()
    assert {packet.ssrc for packet in repairs} == {RTX_SSRC}
    restored = [restore(packet, ssrc=MEDIA_SSRC, payload_type=100) for packet in repairs]
    assert [packet and packet.data for packet in restored] == [packet.data for packet in sent]


def test_a_hole_among_what_was_left_out_is_filled_by_what_was_lost() -> None:
    camera = Camera()
    camera.give(0)
    camera.play(1, packets=3)
    first, lost, last = camera.encode(1, packets=3)
    camera.send(first, last)
    camera.play(3, packets=3)
    told = camera.shown.link.take()
    hole = (told[2].seq + 1) & 0xFFFF
    assert told[3].seq == (hole + 1) & 0xFFFF
    camera.shown.slot.nack([hole], camera.now)
    assert camera.shown.link.take() == []
    camera.send(lost)
    (late,) = camera.shown.link.take()
    assert late.seq == hole
    camera.shown.slot.nack([hole], camera.now)
    (repair,) = camera.shown.link.take()
    restored = restore(repair, ssrc=MEDIA_SSRC, payload_type=100)
    assert restored is not None
    assert restored.data == late.data


# --- other codecs ---------------------------------------------------------------------------------


def test_frames_of_vp9_keep_their_picture_ids() -> None:
    """RFC 9628 §4.2: its references go by picture ids, so that those of frames left out stay unused."""
    ours, theirs = Format("VP9", "0", 98, None, 90_000), Format("VP9", "0", 99, None, 90_000)
    publisher, shown = Publisher(formats=(ours,)), screen(Profile((theirs,), ()))
    shown.slot.show(publisher.track, 720, 1.0)
    shown.slot.give(publisher.layer, 1, 1.0)
    for frame in range(16):
        temporal = CADENCE[frame % 8][0]
        payload = bytearray(wire.vp9(key=frame == 0, picture_id=100 + frame, tl0=50 + frame // 4))
        payload[3] |= temporal << 5
        for at in range(2):
            publisher.send(2 * frame + at, now=1.0 + frame / 30, payload=bytes(payload))
    sent = shown.link.take()
    payloads = [read_vp9(each.data, each.payload_start, each.payload_end) for each in sent]
    assert [payload.picture_id for payload in payloads] == [
        100 + frame for frame in range(0, 16, 2) for _ in range(2)
    ]
    assert [payload.tl0 for payload in payloads] == [
        50 + frame // 4 for frame in range(0, 16, 2) for _ in (0, 1)
    ]
    assert steps(list(unwrapped(sent)), 16) == {1}


def test_a_cut_after_vp9_frames_were_left_out_counts_on() -> None:
    ours, theirs = Format("VP9", "0", 98, None, 90_000), Format("VP9", "0", 99, None, 90_000)
    shown = screen(Profile((theirs,), ()))
    for name, first in (("a.1", 100), ("b.1", 900)):
        publisher = Publisher(name, formats=(ours,))
        shown.slot.show(publisher.track, 720, 1.0)
        shown.slot.give(publisher.layer, 0, 1.0)
        for frame in range(7):
            payload = bytearray(wire.vp9(key=frame == 0, picture_id=first + frame, tl0=50 + frame // 4))
            payload[3] |= CADENCE[frame][0] << 5
            publisher.send(frame, now=1.0 + frame / 30, payload=bytes(payload))
    payloads = [read_vp9(each.data, each.payload_start, each.payload_end) for each in shown.link.take()]
    assert [payload.picture_id for payload in payloads] == [100, 104, 105, 109]
    assert [payload.tl0 for payload in payloads] == [50, 51, 52, 53]


def test_vp8_without_picture_ids_is_left_out_by_number_alone() -> None:
    publisher, shown = Publisher(), screen()
    shown.slot.show(publisher.track, 720, 1.0)
    shown.slot.give(publisher.layer, 0, 1.0)
    for frame in range(16):
        payload = wire.vp8(key=frame == 0, tl0=frame // 4, tid=CADENCE[frame % 8][0])
        publisher.send(frame, now=1.0 + frame / 30, payload=payload)
    sent = shown.link.take()
    payloads = [read_vp8(each.data, each.payload_start, each.payload_end) for each in sent]
    assert [(payload.picture_id, payload.tl0) for payload in payloads] == [(-1, at) for at in range(4)]
    assert steps(list(unwrapped(sent)), 16) == {1}
