"""The reports of a second fit their datagrams and say what the layers and slots know."""

import pytest

from sfu.media.reports import publisher_reports, slot_reports
from sfu.media.slot import Slot, SlotLine
from sfu.media.track import SENDER_SSRC
from sfu.rtp import rtcp
from tests.unit.media.stage import AUDIO_PROFILE, VIDEO_PROFILE, Labels, Publisher, Screen, Wire, microphone

DATAGRAM = 1200


def test_a_publisher_is_told_of_all_layers_and_may_send_so_much() -> None:
    camera, sound = Publisher(rids=("q", "h", "f")), microphone()
    layers = [*camera.layers, *sound.layers]
    (compound,) = publisher_reports(layers, 3_000_000, 1.0)
    report, remb = rtcp.parse(compound)
    assert isinstance(report, rtcp.ReceiverReport)
    assert report.ssrc == SENDER_SSRC
    assert [block.ssrc for block in report.reports] == [1000, 1001, 1002, 2000]
    assert isinstance(remb, rtcp.Remb)
    assert remb.ssrcs == (1000, 1001, 1002)
    assert remb.bitrate_bps == pytest.approx(3_000_000, rel=1e-4)


def test_who_finds_out_how_much_it_may_send_is_told_no_bitrate() -> None:
    (compound,) = publisher_reports(Publisher(rids=("q", "h")).layers, None, 1.0)
    (report,) = rtcp.parse(compound)
    assert isinstance(report, rtcp.ReceiverReport)
    assert [block.ssrc for block in report.reports] == [1000, 1001]


def test_a_publisher_of_sound_alone_is_told_no_bitrate() -> None:
    (compound,) = publisher_reports(microphone().layers, 3_000_000, 1.0)
    assert [type(each) for each in rtcp.parse(compound)] == [rtcp.ReceiverReport]


def test_who_publishes_nothing_is_told_nothing() -> None:
    assert list(publisher_reports([], 1, 1.0)) == []


def test_many_layers_take_several_datagrams() -> None:
    layers = [layer for number in range(64) for layer in Publisher(ssrc=number).layers]
    compounds = list(publisher_reports(layers, 1, 1.0))
    assert max(map(len, compounds)) <= DATAGRAM
    told = [
        block.ssrc
        for compound in compounds
        for each in rtcp.parse(compound)
        if isinstance(each, rtcp.ReceiverReport)
        for block in each.reports
    ]
    assert told == [layer.ssrc for layer in layers]


def test_only_slots_that_played_report_and_many_take_several_datagrams() -> None:
    slots = []
    for number in range(130):
        profile = (VIDEO_PROFILE, AUDIO_PROFILE)[number % 2]
        line = SlotLine(str(number), ("video", "audio")[number % 2], 5000 + number, None, profile)  # type: ignore[arg-type]
        slots.append(Slot(line, start=number, link=Wire(), labels=Labels()))
    assert list(slot_reports(slots, 0.0, 0.0)) == []
    camera, sound = Publisher(), microphone()
    for slot in slots[:120]:
        shown = Screen(slot, Wire(), Labels())
        shown.show((camera if slot.kind == "video" else sound).track, 720, 1.0)
    camera.send(1, now=1.0, key=True)
    sound.send(1, now=1.0, payload=b"opus")
    compounds = list(slot_reports(slots, 100.0, 1.0))
    assert max(map(len, compounds)) <= DATAGRAM
    reports = [each for compound in compounds for each in rtcp.parse(compound)]
    assert [each.ssrc for each in reports if isinstance(each, rtcp.SenderReport)] == list(range(5000, 5120))
    assert {each.packets for each in reports if isinstance(each, rtcp.SenderReport)} == {1}
