"""In which ways a track can be shown, and how a publisher is asked: often enough, never more."""

import pytest

from sfu.media.layer import ALIVE_S, GUESS_BPS, GUESS_BPS_PER_SQUARE, LEAST_MEASURED_S, WARM_SAMPLES
from sfu.media.track import (
    ALL_TEMPORAL,
    KEY_FRAME_FRESH_S,
    KEY_FRAME_PATIENCE_S,
    KEY_FRAME_RETRY_S,
    KEY_FRAME_SLOW_RETRY_S,
    SENDER_SSRC,
)
from sfu.rtp import rtcp
from sfu.rtp.missing import MAX_MISSING, MAX_TRIES
from tests.unit.media.stage import AUDIO_PROFILE, Publisher, microphone, screen
from tests.unit.rtp import wire

# --- layers ---------------------------------------------------------------------------------------


def alive(publisher: Publisher, *layers: int, now: float = 1.0) -> None:
    for layer in layers:
        publisher.send(round(now * 100), now=now, layer=layer)


def ranks(publisher: Publisher, now: float) -> list[int]:
    return [option.rank for option in publisher.track.options(now)]


def send_frame(
    publisher: Publisher, seq: int, temporal: int, octets: int, *, now: float, layer: int = 0
) -> None:
    """Let a frame of one packet arrive, with a payload of so many octets."""
    head = len(wire.vp8(tid=0, body=b""))
    payload = wire.vp8(tid=temporal, body=bytes(octets - head))
    publisher.send(seq, now=now, layer=layer, payload=payload)


def test_layers_are_taken_to_be_half_as_high_as_the_next_one() -> None:
    publisher = Publisher(rids=("q", "h", "f"))
    alive(publisher, 0, 1, 2)
    told = [(option.rank, option.height) for option in publisher.track.options(1.1)]
    assert told == [(0, 180), (1, 360), (2, 720)]


def test_heights_go_by_the_largest_that_was_agreed_even_if_it_never_came() -> None:
    publisher = Publisher(rids=())
    publisher.track.top_rank = 2
    for layer in range(2):
        publisher.layers.append(publisher.track.add_layer(rid="qh"[layer], rank=layer, ssrc=layer))
        alive(publisher, layer)
    told = [(option.rank, option.height) for option in publisher.track.options(1.1)]
    assert told == [(0, 180), (1, 360)]


def test_layers_that_sent_nothing_lately_are_passed_over() -> None:
    publisher = Publisher(rids=("q", "h", "f"))
    alive(publisher, 2, now=1.0)
    alive(publisher, 0, 1, now=2.0)
    assert ranks(publisher, 1.0 + ALIVE_S - 0.1) == [0, 1, 2]
    assert ranks(publisher, 1.1 + ALIVE_S) == [0, 1]


def test_a_larger_layer_stands_in_for_smaller_ones_that_are_silent() -> None:
    publisher = Publisher(rids=("q", "h", "f"))
    alive(publisher, 2)
    assert ranks(publisher, 1.1) == [2]


def test_when_all_are_silent_all_are_told_as_if_none_were() -> None:
    publisher = Publisher(rids=("q", "h", "f"))
    alive(publisher, 0, 1, 2)
    assert ranks(publisher, 99.0) == [0, 1, 2]


def test_layers_of_unknown_size_say_so() -> None:
    publisher = Publisher(rids=("q", "h"), height=0)
    alive(publisher, 0, 1)
    assert [option.height for option in publisher.track.options(1.1)] == [0, 0]


def test_a_track_without_layers_has_no_options() -> None:
    assert Publisher(rids=()).track.options(1.0) == ()


def test_layers_too_new_to_be_measured_are_guessed_by_their_size() -> None:
    """So that the smallest of a track never seen before is let in where there is little room."""
    publisher = Publisher(rids=("q", "h", "f"))
    alive(publisher, 0, 1, 2)
    publisher.track.measure(1.0)
    publisher.track.measure(1.0 + LEAST_MEASURED_S - 0.01)
    told = [(option.temporal, option.bps, option.frames) for option in publisher.track.options(1.4)]
    assert told == [(ALL_TEMPORAL, GUESS_BPS_PER_SQUARE * height**2, 1.0) for height in (180, 360, 720)]


def test_a_new_layer_of_unknown_size_is_guessed_as_well() -> None:
    publisher = Publisher(height=0)
    alive(publisher, 0)
    assert [option.bps for option in publisher.track.options(1.1)] == [GUESS_BPS]


def test_rates_are_measured_up_to_each_temporal_layer() -> None:
    """A quarter of the frames at the base, twice as many with each layer above."""
    publisher = Publisher()
    for tick in range(WARM_SAMPLES + 6):
        now = 1.0 + tick / 4
        publisher.track.measure(now)
        for frame, temporal in enumerate((0, 2, 1, 2)):
            octets = (1000, 300, 500, 200)[frame]
            send_frame(publisher, 4 * tick + frame, temporal, octets, now=now)
    options = publisher.track.options(now)
    assert [(option.temporal, option.frames) for option in options] == [
        (0, 0.25),
        (1, 0.5),
        (ALL_TEMPORAL, 1.0),
    ]
    assert [option.bps for option in options] == [4 * 8 * octets for octets in (1000, 1500, 2000)]


def test_a_rate_is_that_of_late() -> None:
    publisher = Publisher()
    for tick in range(40):
        now = 1.0 + tick / 4
        publisher.track.measure(now)
        send_frame(publisher, tick, 0, 1000 if tick < 20 else 100, now=now)
    (option,) = publisher.track.options(11.0)
    assert option.bps == 4 * 8 * 100


def test_temporal_layers_that_are_no_longer_sent_are_no_options() -> None:
    publisher = Publisher()
    for tick in range(40):
        now = 1.0 + tick / 4
        publisher.track.measure(now)
        send_frame(publisher, 2 * tick, 0, 1000, now=now)
        if tick < 20:
            send_frame(publisher, 2 * tick + 1, 1, 500, now=now)
    told = [(option.temporal, option.frames) for option in publisher.track.options(11.0)]
    assert told == [(ALL_TEMPORAL, 1.0)]


def test_a_layer_is_found_by_its_rank() -> None:
    publisher = Publisher(rids=("q", "h"))
    assert [publisher.track.layer(rank) for rank in range(3)] == [*publisher.layers, None]


@pytest.mark.parametrize(
    ("height", "rank"),
    [(0, 0), (1, 0), (180, 0), (200, 0), (201, 1), (360, 1), (400, 1), (401, 2), (720, 2), (4000, 2)],
)
def test_where_the_network_carries_all_a_tile_gets_the_smallest_layer_that_fills_it(
    height: int, rank: int
) -> None:
    """720 pixels, in layers of 180, 360 and 720; a tenth less than the tile is enough."""
    publisher, shown = Publisher(rids=("q", "h", "f")), screen()
    alive(publisher, 0, 1, 2)
    shown.show(publisher.track, height, 1.1)
    assert shown.slot.target is publisher.layers[rank]


def test_layers_stand_in_order_of_rank_whatever_the_order_they_came() -> None:
    track = Publisher(rids=()).track
    track.top_rank = 2
    for rid, rank in (("f", 2), ("q", 0), ("h", 1)):
        track.add_layer(rid=rid, rank=rank, ssrc=rank)
    assert [layer.rid for layer in track.layers] == ["q", "h", "f"]


# --- key frames -----------------------------------------------------------------------------------


def plis(publisher: Publisher, start: float, seconds: float) -> list[float]:
    """Tick for a while; return after how many seconds (rounded to the tick) a key frame was asked for."""
    asked = []
    for tick in range(round(seconds * 50)):
        now = start + tick / 50
        publisher.track.tick(now)
        if publisher.outlet.plis():
            asked.append(round(now - start, 2))
    return asked


def test_a_request_goes_out_at_once_and_again_until_the_key_frame_comes() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 10.0)
    assert publisher.outlet.compounds == [rtcp.picture_loss(SENDER_SSRC, publisher.layer.ssrc)]
    publisher.outlet.compounds.clear()
    assert plis(publisher, 10.0, 1.0) == pytest.approx([0.3, 0.6, 0.9], abs=0.05)
    publisher.send(1, now=11.0, key=True)
    assert plis(publisher, 11.0, 5.0) == []
    assert publisher.track.plis_sent == 4


def test_requests_become_rarer_when_nothing_comes() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 10.0)
    publisher.outlet.compounds.clear()
    asked = plis(publisher, 10.0, 10.0)
    quick = [at for at in asked if at < KEY_FRAME_PATIENCE_S]
    slow = [at for at in asked if at > KEY_FRAME_PATIENCE_S]
    assert len(quick) == pytest.approx(KEY_FRAME_PATIENCE_S / KEY_FRAME_RETRY_S, abs=2)
    assert len(slow) == pytest.approx((10 - KEY_FRAME_PATIENCE_S) / KEY_FRAME_SLOW_RETRY_S, abs=1)


def test_many_viewers_make_one_request() -> None:
    publisher = Publisher(rids=("q", "h"))
    alive(publisher, 0, 1)
    for viewer in range(50):
        screen().show(publisher.track, (100, 720)[viewer % 2], 1.1)
    assert sorted(publisher.outlet.plis()) == [publisher.layers[0].ssrc]
    assert plis(publisher, 1.1, 0.4) == pytest.approx([0.3], abs=0.03)


def test_the_throttle_is_per_track_and_a_request_names_every_layer_that_is_wanted() -> None:
    publisher = Publisher(rids=("q", "h"))
    alive(publisher, 0, 1)
    screen().show(publisher.track, 100, 1.1)
    screen().show(publisher.track, 720, 1.2)
    assert publisher.outlet.plis() == [publisher.layers[0].ssrc]
    publisher.track.tick(1.1 + KEY_FRAME_RETRY_S)
    assert publisher.outlet.plis() == [layer.ssrc for layer in publisher.layers]
    publisher.send(500, now=1.45, key=True)
    publisher.track.tick(1.1 + 2 * KEY_FRAME_RETRY_S)
    assert publisher.outlet.plis() == [publisher.layers[1].ssrc]


def test_a_receivers_request_is_served_by_a_key_frame_that_just_came() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=2.0, key=True)
    publisher.outlet.take_feedback()
    shown.slot.request_key_frame(2.0 + KEY_FRAME_FRESH_S - 0.01)
    assert publisher.outlet.plis() == []
    shown.slot.request_key_frame(2.0 + KEY_FRAME_FRESH_S)
    assert publisher.outlet.plis() == [publisher.layer.ssrc]


def test_after_a_pause_patience_is_new() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.1, key=True)
    plis(publisher, 1.1, 1.0)
    shown.slot.request_key_frame(100.0)
    publisher.outlet.take_feedback()
    assert plis(publisher, 100.0, 1.0) == pytest.approx([0.3, 0.6, 0.9], abs=0.05)


def test_a_layer_that_nobody_watches_any_more_is_not_asked_for() -> None:
    """A request for one layer makes a browser send key frames on all: none must go on for ever."""
    publisher, shown = Publisher(rids=("q", "h")), screen()
    alive(publisher, 0, 1)
    shown.show(publisher.track, 720, 1.0)
    publisher.send(101, now=3.0)
    shown.tick(3.0)
    publisher.send(102, now=3.1, key=True)
    assert shown.slot.playing is publisher.layers[0]
    publisher.outlet.take_feedback()
    assert plis(publisher, 3.1, 10.0) == []


def test_losses_of_a_layer_that_nobody_watches_make_no_key_frame() -> None:
    publisher = Publisher()
    publisher.send(1, now=1.0)
    publisher.send(3, now=1.1)
    publisher.send(2000, now=1.2)
    assert plis(publisher, 1.2, 10.0) == []


def test_nobody_asks_sound_for_key_frames() -> None:
    publisher, shown = microphone(), screen(AUDIO_PROFILE)
    shown.show(publisher.track, 0, 1.0)
    publisher.send(1, now=1.0, payload=b"opus")
    publisher.send(9, now=1.1, payload=b"opus")
    shown.slot.request_key_frame(50.0)
    shown.slot.nack([shown.link.take()[-1].seq - 1], 50.0)
    publisher.track.tick(51.0)
    assert publisher.outlet.compounds == []


def test_nothing_is_asked_of_a_muted_track() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.outlet.take_feedback()
    publisher.track.mute(True)
    assert plis(publisher, 1.0, 5.0) == []


# --- repairs --------------------------------------------------------------------------------------


def nacks(publisher: Publisher) -> list[int]:
    return [
        seq for each in publisher.outlet.take_feedback() if isinstance(each, rtcp.Nack) for seq in each.lost
    ]


def test_what_was_lost_is_asked_for_at_the_next_tick_and_again_every_round_trip() -> None:
    publisher = Publisher()
    publisher.track.rtt_s = 0.2
    publisher.send(0xFFFE, now=1.0)
    publisher.send(2, now=1.01)
    asked = []
    for tick in range(30):
        publisher.track.tick(1.02 + tick / 50)
        if lost := nacks(publisher):
            asked.append((tick, lost))
    assert asked == [(0, [0xFFFF, 0, 1]), (10, [0xFFFF, 0, 1]), (20, [0xFFFF, 0, 1])]
    assert publisher.track.nacks_sent == 9


def test_what_came_is_not_asked_for_again() -> None:
    publisher = Publisher()
    publisher.send(1, now=1.0)
    publisher.send(4, now=1.01)
    publisher.track.tick(1.02)
    publisher.outlet.take_feedback()
    publisher.send(2, now=1.05, repaired=True)
    publisher.track.tick(1.5)
    assert nacks(publisher) == [3]


def test_what_never_comes_makes_a_watched_layer_begin_anew() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    publisher.send(3, now=1.1)
    publisher.outlet.take_feedback()
    asked = []
    for tick in range(200):
        publisher.track.tick(1.1 + tick / 50)
        asked += publisher.outlet.take_feedback()
    assert sum(isinstance(each, rtcp.Nack) for each in asked) == MAX_TRIES
    assert rtcp.KeyFrameRequest(publisher.layer.ssrc) in asked


def test_a_gap_too_long_to_repair_makes_a_watched_layer_begin_anew() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    publisher.outlet.take_feedback()
    publisher.send(2 + MAX_MISSING + 1, now=1.1)
    publisher.track.tick(1.5)
    assert publisher.outlet.take_feedback() == [rtcp.KeyFrameRequest(publisher.layer.ssrc)]


def test_sound_is_not_repaired() -> None:
    publisher = microphone()
    publisher.send(1, now=1.0, payload=b"opus")
    publisher.send(9, now=1.1, payload=b"opus")
    publisher.track.tick(2.0)
    assert publisher.outlet.compounds == []


def test_each_of_many_short_waits_is_met_with_patience() -> None:
    publisher = Publisher()
    for wait in range(20):
        start = 10.0 + 0.4 * wait
        screen().show(publisher.track, 720, start)
        assert publisher.outlet.plis() == [publisher.layer.ssrc]
        publisher.send(wait, now=start + 0.05, key=True)
        assert plis(publisher, start + 0.06, 0.3) == []
