"""A slot's stream goes on over a cut as if nothing had happened: numbers, time, counters."""

import pytest

from sfu.media.ports import Drop, Format
from sfu.media.slot import SlotState
from sfu.media.translation import Profile
from sfu.rtp.payload import Reader, read_vp8, read_vp9
from sfu.rtp.rtcp import SenderReport, ntp_time
from tests.unit.media.stage import (
    AUDIO_PROFILE,
    MEDIA_SSRC,
    Publisher,
    Screen,
    microphone,
    screen,
    unwrapped,
)
from tests.unit.rtp import wire


def cut_between(first: Publisher, second: Publisher, *, at: float = 10.0, pause: float = 0.033) -> Screen:
    """Show two frames of the first, and cut to the second `pause` seconds later."""
    shown = screen()
    shown.show(first.track, 720, at)
    first.send(500, now=at, key=True)
    first.send(501, now=at + 0.033)
    shown.show(second.track, 720, at + 0.04)
    second.send(60_000, now=at + 0.033 + pause, key=True)
    return shown


def test_sequence_numbers_are_contiguous_over_a_cut() -> None:
    shown = cut_between(Publisher("a.1"), Publisher("b.1"))
    seqs = unwrapped(shown.link.take())
    assert [seq - seqs[0] for seq in seqs] == [0, 1, 2]


def test_the_ssrc_never_changes() -> None:
    shown = cut_between(Publisher("a.1"), Publisher("b.1"))
    assert {packet.ssrc for packet in shown.link.take()} == {MEDIA_SSRC}


def test_the_former_source_plays_until_the_key_frame() -> None:
    first, second = Publisher("a.1"), Publisher("b.1")
    shown = screen()
    shown.show(first.track, 720, 1.0)
    first.send(1, now=1.0, key=True)
    shown.show(second.track, 720, 1.1)
    second.send(9, now=1.12)
    first.send(2, now=1.13)
    assert len(shown.link.take()) == 2
    second.send(10, now=1.14, key=True, payload=wire.vp8(key=True, body=b"second"))
    first.send(3, now=1.15)
    assert [packet.data[-6:] for packet in shown.link.take()] == [b"second"]
    assert shown.labels.said[0][0] == "a.1"
    assert shown.labels.said[1][0] == "b.1"


def test_nothing_is_sent_before_the_first_key_frame() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0)
    publisher.send(2, now=1.01, payload=wire.vp8(key=True, start=False))
    assert shown.link.take() == []
    assert shown.slot.state is SlotState.WAITING


def test_gaps_of_real_loss_are_kept() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    for seq in (65_533, 65_534, 1, 2):
        publisher.send(seq, now=1.0, key=seq == 65_533)
    seqs = unwrapped(shown.link.take())
    assert [seq - seqs[0] for seq in seqs] == [0, 1, 4, 5]


def test_marker_and_payload_pass_unchanged_and_the_payload_type_is_the_receivers() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    payload = wire.vp8(key=True, picture_id=5, tl0=6, tid=1, body=bytes(1000))
    publisher.send(1, now=1.0, payload=payload, marker=True)
    publisher.send(2, now=1.0)
    marked, unmarked = shown.link.take()
    assert marked.data[12:] == payload
    assert (marked.payload_type, marked.marker, unmarked.marker) == (100, 0x80, 0)


# --- timestamps -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("pause", "ticks"), [(0.033, 2970), (0.25, 22_500), (20.0, 1_800_000)])
def test_a_videos_timestamp_advances_as_time_did(pause: float, ticks: int) -> None:
    """The arrival rule: since the arrival of the packet that set the last timestamp."""
    _, before, after = cut_between(Publisher("a.1"), Publisher("b.1"), pause=pause).link.take()
    assert after.timestamp - before.timestamp == ticks


def test_a_videos_timestamp_advances_by_one_tick_at_least() -> None:
    _, before, after = cut_between(Publisher("a.1"), Publisher("b.1"), pause=0.0).link.take()
    assert after.timestamp - before.timestamp == 1


def test_the_last_frame_counts_from_its_first_packet() -> None:
    first, second, shown = Publisher("a.1"), Publisher("b.1"), screen()
    shown.show(first.track, 720, 1.0)
    first.send(1, now=1.0, timestamp=0, key=True)
    first.send(2, now=2.0, timestamp=90_000)
    first.send(3, now=2.5, timestamp=90_000)
    shown.show(second.track, 720, 2.5)
    second.send(1, now=2.6, key=True)
    *_, before, after = shown.link.take()
    assert after.timestamp - before.timestamp == 54_000


def test_a_cut_after_a_single_frame_moves_on_as_well() -> None:
    """A shared screen may show one frame for minutes."""
    first, second, shown = Publisher("a.1"), Publisher("b.1"), screen()
    shown.show(first.track, 720, 1.0)
    first.send(1, now=1.0, key=True)
    shown.show(second.track, 720, 61.0)
    second.send(1, now=61.0, key=True)
    before, after = shown.link.take()
    assert after.timestamp - before.timestamp == 60 * 90_000


def test_timestamps_wrap() -> None:
    publisher, shown = Publisher(), screen(start=0x7FFF_FFFF)
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, timestamp=0, key=True)
    publisher.send(2, now=2.0, timestamp=0x8000_0001)
    first, second = shown.link.take()
    assert (first.timestamp, second.timestamp) == (0x8000_0000, 1)


@pytest.mark.parametrize(
    ("pause", "frames"),
    [(0.0, 1), (0.004, 1), (0.02, 1), (0.029, 1), (0.031, 2), (0.05, 2), (0.07, 4), (3.0, 150)],
)
def test_audio_advances_by_whole_frames_and_one_at_least(pause: float, frames: int) -> None:
    first, second, shown = microphone("a.0"), microphone("b.0"), screen(AUDIO_PROFILE)
    shown.show(first.track, 0, 1.0)
    first.send(1, now=1.0, clock=48_000, payload=b"opus")
    first.send(2, now=1.02, clock=48_000, payload=b"opus")
    shown.show(second.track, 0, 1.02)
    second.send(40, now=1.02 + pause, clock=48_000, payload=b"opus")
    _, before, after = shown.link.take()
    assert after.timestamp - before.timestamp == 960 * frames


def test_audio_cuts_at_any_packet_and_asks_for_nothing() -> None:
    first, second, shown = microphone("a.0"), microphone("b.0"), screen(AUDIO_PROFILE)
    shown.show(first.track, 0, 1.0)
    first.send(1, now=1.0, payload=b"opus")
    shown.show(second.track, 0, 1.01)
    second.send(9, now=1.02, payload=b"opus")
    seqs = unwrapped(shown.link.take())
    assert [seq - seqs[0] for seq in seqs] == [0, 1]
    assert (first.outlet.compounds, second.outlet.compounds) == ([], [])


def report(ntp_s: float, timestamp: int) -> SenderReport:
    return SenderReport(0, ntp_time(ntp_s), timestamp & 0xFFFF_FFFF, 0, 0)


def layer_switch(old: SenderReport | None, new: SenderReport | None, arrival: float = 1.06) -> int:
    """Switch layers; return the ticks between the last frame of the old and the first of the new.

    By the publisher's clocks the new layer's key frame was taken 3000 ticks after the last old frame.
    """
    publisher, shown = Publisher(rids=("q", "h")), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, layer=1, timestamp=10_000, key=True)
    publisher.send(2, now=1.02, layer=1, timestamp=0xFFFF_F000)
    publisher.send(1, now=1.02, timestamp=50_000)
    if old is not None:
        publisher.layers[1].set_clock(old, 1.0)
    if new is not None:
        publisher.layers[0].set_clock(new, 1.0)
    shown.show(publisher.track, 180, 1.03)
    publisher.send(2, now=arrival, timestamp=700_000, key=True)
    _, before, after = shown.link.take()
    assert shown.slot.playing is publisher.layers[0]
    return (after.timestamp - before.timestamp) & 0xFFFF_FFFF


OLD, NEW = report(100.0, 0xFFFF_F000 - 900), report(100.5, 700_000 - 3000 - 900 + 45_000)


def test_between_layers_sender_reports_tell_the_time() -> None:
    assert layer_switch(OLD, NEW) == 3000


@pytest.mark.parametrize(("old", "new"), [(None, None), (OLD, None), (None, NEW)])
def test_without_both_sender_reports_arrival_tells_the_time(
    old: SenderReport | None, new: SenderReport | None
) -> None:
    assert layer_switch(old, new) == 3600


def test_sender_reports_never_lead_backwards() -> None:
    early = report(100.5, 700_000 + 5000 + 45_000)
    assert layer_switch(OLD, early) == 1


def test_sender_reports_far_from_real_time_are_not_believed() -> None:
    assert layer_switch(OLD, report(101.5, NEW.timestamp)) == 3600
    assert layer_switch(OLD, report(99.5, NEW.timestamp)) == 3600


def test_sender_reports_of_another_track_tell_nothing() -> None:
    first, second = Publisher("a.1"), Publisher("b.1")
    first.layer.set_clock(report(100.0, 0), 10.0)
    second.layer.set_clock(report(100.0, 9000), 10.0)
    _, before, after = cut_between(first, second).link.take()
    assert after.timestamp - before.timestamp == 2970


# --- counters -------------------------------------------------------------------------------------


def counters(shown: Screen, read: Reader = read_vp8) -> list[tuple[int, int]]:
    found = []
    for packet in shown.link.take():
        payload = read(packet.data, packet.payload_start, packet.payload_end)
        found.append((payload.picture_id, payload.tl0))
    return found


def play(
    publisher: Publisher, shown: Screen, first: int, ids: list[tuple[int, int]], short: bool = False
) -> None:
    """Show a publisher whose frames have these picture ids and TL0 indices; the first is a key frame."""
    shown.show(publisher.track, 720, first / 10)
    for index, (picture_id, tl0) in enumerate(ids):
        payload = wire.vp8(key=index == 0, picture_id=picture_id, tl0=tl0, tid=0, short=short)
        publisher.send(first + index, now=(first + index) / 10, payload=payload)


def test_picture_ids_and_tl0_count_on_over_a_cut() -> None:
    shown = screen()
    play(Publisher("a.1"), shown, 1, [(100, 250), (101, 250), (102, 251)])
    play(Publisher("b.1"), shown, 50, [(32_766, 8), (32_767, 9), (0, 10), (1, 11)])
    assert counters(shown) == [
        (100, 250), (101, 250), (102, 251),
        (103, 252), (104, 253), (105, 254), (106, 255),
    ]  # fmt: skip


def test_counters_wrap_at_their_width() -> None:
    shown = screen()
    play(Publisher("a.1"), shown, 1, [(32_766, 254)])
    play(Publisher("b.1"), shown, 50, [(7, 7), (8, 8), (9, 9)])
    assert counters(shown) == [(32_766, 254), (32_767, 255), (0, 0), (1, 1)]


def test_counters_go_on_after_the_source_before_has_wrapped() -> None:
    shown = screen()
    play(Publisher("a.1"), shown, 1, [(1, 1)])
    play(Publisher("b.1"), shown, 50, [(32_767, 255), (0, 0), (1, 1)])
    play(Publisher("c.1"), shown, 90, [(500, 50), (501, 51)])
    assert counters(shown) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]


def test_short_picture_ids_stay_short() -> None:
    shown = screen()
    play(Publisher("a.1"), shown, 1, [(126, 3)], short=True)
    play(Publisher("b.1"), shown, 50, [(5, 9), (6, 10)], short=True)
    packets = shown.link.take()
    payloads = [read_vp8(each.data, each.payload_start, each.payload_end) for each in packets]
    assert [(each.picture_id, each.tl0, each.picture_id_bits) for each in payloads] == [
        (126, 3, 7),
        (127, 4, 7),
        (0, 5, 7),
    ]


def test_packets_of_one_frame_share_its_picture_id() -> None:
    shown = screen()
    play(Publisher("a.1"), shown, 1, [(5, 5)])
    play(Publisher("b.1"), shown, 50, [(90, 1), (90, 1), (91, 1)])
    assert counters(shown) == [(5, 5), (6, 6), (6, 6), (7, 6)]


def test_vp9_counts_on_likewise() -> None:
    ours, theirs = Format("VP9", "0", 98, None, 90_000), Format("VP9", "0", 99, None, 90_000)
    shown = screen(Profile((theirs,), ()))
    for name, first, picture_id, tl0 in (("a.1", 1, 10, 20), ("b.1", 50, 3, 200)):
        publisher = Publisher(name, formats=(ours,))
        shown.show(publisher.track, 720, first / 10)
        payloads = [
            wire.vp9(key=True, picture_id=picture_id, tl0=tl0),
            wire.vp9(picture_id=picture_id + 1, tl0=tl0 + 1),
        ]
        for index, payload in enumerate(payloads):
            publisher.send(first + index, now=(first + index) / 10, payload=payload)
    assert counters(shown, read_vp9) == [(10, 20), (11, 21), (12, 22), (13, 23)]


def test_a_source_without_counters_is_left_alone() -> None:
    shown = screen()
    play(Publisher("a.1"), shown, 1, [(5, 5)])
    plain = Publisher("b.1")
    shown.show(plain.track, 720, 5.0)
    plain.send(1, now=5.0, key=True)
    assert shown.link.take()[1].data[12:] == wire.vp8(key=True)


# --- what cannot be sent --------------------------------------------------------------------------


def test_a_track_in_a_format_the_receiver_lacks_is_not_shown() -> None:
    ours = Format("AV1", "0", 41, None, 90_000)
    publisher, shown = Publisher(formats=(ours,)), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, payload=b"\x18media")
    assert shown.link.take() == []
    assert shown.slot.drops[Drop.NOT_NEGOTIATED] == 1
    assert publisher.outlet.plis() == []
