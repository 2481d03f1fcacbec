"""A layer counts, keeps and fans out what it receives."""

from sfu.media.ports import Drop
from sfu.rtp.rtcp import ReportBlock, SenderReport
from tests.unit.media.stage import Publisher, microphone, screen
from tests.unit.rtp import wire


def test_a_packet_reaches_every_slot_the_layer_plays_in() -> None:
    publisher, screens = Publisher(), [screen() for _ in range(5)]
    for shown in screens:
        shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    screens[2].slot.clear()
    publisher.send(2, now=1.1)
    assert [len(shown.link.take()) for shown in screens] == [2, 2, 1, 2, 2]


def test_a_foreign_payload_type_is_counted_and_goes_nowhere() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    publisher.send(2, now=1.1, payload_type=35)
    assert len(shown.link.take()) == 1
    assert publisher.layer.drops == {Drop.UNKNOWN_PAYLOAD_TYPE: 1}


def test_what_a_muted_track_sends_is_counted_and_goes_nowhere() -> None:
    publisher = microphone()
    publisher.track.mute(True)
    publisher.send(1, now=1.0, payload=b"opus", extensions=wire.one_byte({1: b"\x00"}))
    assert publisher.layer.drops == {Drop.MUTED: 1}
    assert publisher.track.voice is not None
    assert publisher.track.voice.loudness == 0


def test_a_layer_lives_while_it_sends() -> None:
    publisher = Publisher()
    assert not publisher.layer.is_alive(0.0)
    publisher.send(1, now=1.0)
    assert publisher.layer.is_alive(2.4)
    assert not publisher.layer.is_alive(2.6)


def test_a_report_says_what_was_lost_and_when_the_publishers_report_came() -> None:
    publisher = Publisher()
    for seq in (1, 2, 4, 5):
        publisher.send(seq, now=1.0, timestamp=90_000)
    layer = publisher.layer
    assert layer.report_block(1.0) == ReportBlock(1000, 51, 1, 0x10005, 0, 0, 0)
    layer.set_clock(SenderReport(1000, 0x1122_3344_5566_7788, 0, 0, 0), 2.0)
    assert layer.report_block(3.5) == ReportBlock(1000, 0, 1, 0x10005, 0, 0x3344_5566, 98_304)
