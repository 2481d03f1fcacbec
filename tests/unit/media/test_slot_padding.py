"""Padding for probes: through RTX, of the size asked for, and nothing a decoder ever sees."""

from itertools import pairwise

import pytest

from sfu.media.slot import LEAST_COPY, MAX_HELD, MAX_PADDING
from sfu.media.translation import Profile
from sfu.rtp.packet import Packet, parse, restore
from sfu.rtp.transport_cc import EXTENSION as TRANSPORT_CC
from tests.unit.media.stage import (
    AUDIO_PROFILE,
    MEDIA_SSRC,
    PLAIN_PROFILE,
    RTX_SSRC,
    THEIR_VP8,
    Publisher,
    Screen,
    microphone,
    screen,
)
from tests.unit.rtp import wire

LARGE = 1000


def playing(shown: Screen, *, octets: int = LARGE, packets: int = 1) -> list[Packet]:
    """Let a slot send packets of so many octets each; return them."""
    publisher = Publisher()
    shown.show(publisher.track, 720, 1.0)
    for seq in range(packets):
        payload = wire.vp8(key=seq == 0, picture_id=seq, tl0=0)
        publisher.send(seq, now=1.0 + seq / 30, payload=payload + bytes(octets - len(payload)))
    return shown.link.take()


def assert_plain(packet: Packet, data: bytes) -> None:
    """A packet of padding alone (RFC 3550 §5.1), on the repair stream."""
    assert data[0] & 0x20
    assert (data[-1], packet.octets) == (MAX_PADDING, 0)
    assert len(data) == packet.payload_start + MAX_PADDING
    assert (packet.ssrc, packet.payload_type, packet.marker) == (RTX_SSRC, 101, 0)


def test_where_there_is_room_the_last_packet_is_sent_once_more() -> None:
    """What arrives twice may repair a loss."""
    shown = screen()
    *_, last = playing(shown, packets=3)
    assert shown.slot.pad(1200) == LARGE
    (copy,) = shown.link.take()
    assert copy.ssrc == RTX_SSRC
    restored = restore(copy, ssrc=MEDIA_SSRC, payload_type=100)
    assert restored is not None
    assert restored.data == last.data


@pytest.mark.parametrize(
    ("last", "asked", "copied"),
    [
        (LARGE, LARGE, True),
        (LARGE, LARGE - 1, False),
        (LEAST_COPY, LEAST_COPY, True),
        (LEAST_COPY - 1, 1200, False),
        (LARGE, 1, False),
    ],
)
def test_small_packets_and_small_needs_are_met_with_plain_padding(
    last: int, asked: int, copied: bool
) -> None:
    shown = screen()
    playing(shown, octets=last)
    assert shown.slot.pad(asked) == (last if copied else MAX_PADDING)
    (data,) = shown.link.packets
    (packet,) = shown.link.take()
    assert (packet.octets == last + 2) is copied
    if not copied:
        assert_plain(packet, data)


def test_padding_and_repairs_share_the_numbers_of_the_repair_stream() -> None:
    shown = screen(start=0x7FFF_FF00)
    (first, *_) = playing(shown, packets=2)
    for _ in range(0x4000):
        shown.slot.pad(1)
        shown.slot.nack([first.seq], 1e9 + shown.slot.retransmitted)
        shown.slot.pad(1200)
    seqs = [packet.seq for packet in shown.link.take()]
    assert len(seqs) > 3 * 0x4000
    assert all(after == (before + 1) & 0xFFFF for before, after in pairwise(seqs))


def test_padding_moves_nothing_in_the_stream_itself() -> None:
    shown, publisher = screen(), Publisher()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    for _ in range(5):
        shown.slot.pad(1200)
    publisher.send(2, now=1.1)
    packets = [packet for packet in shown.link.take() if packet.ssrc == MEDIA_SSRC]
    assert [packet.seq - packets[0].seq for packet in packets] == [0, 1]
    report = shown.slot.sender_report(0.0, 1.1)
    assert report is not None
    assert (report.packets, report.octets) == (2, sum(packet.octets for packet in packets))


def test_padding_goes_on_over_what_is_left_out() -> None:
    """The copy has the number under which the packet was sent."""
    shown, publisher = screen(), Publisher()
    shown.slot.show(publisher.track, 720, 1.0)
    shown.slot.give(publisher.layer, 0, 1.0)
    for frame, temporal in enumerate((0, 2, 1, 2, 0, 2, 1, 2)):
        payload = wire.vp8(key=frame == 0, picture_id=frame, tl0=0, tid=temporal)
        publisher.send(frame, now=1.0 + frame / 30, payload=payload + bytes(LARGE))
    *_, last = shown.link.take()
    assert shown.slot.pad(1200)
    (copy,) = shown.link.take()
    restored = restore(copy, ssrc=MEDIA_SSRC, payload_type=100)
    assert restored is not None
    assert restored.data == last.data


@pytest.mark.parametrize("shown", [screen(PLAIN_PROFILE), screen(rtx=False)], ids=["no format", "no stream"])
def test_without_rtx_there_is_no_padding(shown: Screen) -> None:
    playing(shown)
    assert shown.slot.pad(1200) == 0
    assert shown.link.packets == []


def test_sound_is_no_padding() -> None:
    publisher, shown = microphone(), screen(AUDIO_PROFILE)
    shown.show(publisher.track, 0, 1.0)
    publisher.send(1, now=1.0, payload=bytes(LARGE))
    shown.link.take()
    assert shown.slot.pad(1200) == 0
    assert shown.link.packets == []


def test_a_slot_that_sent_nothing_yet_sends_plain_padding() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    assert shown.slot.pad(1200) == 255
    (packet,) = shown.link.take()
    assert (packet.ssrc, packet.octets) == (RTX_SSRC, 0)


def test_a_slot_whose_label_was_not_said_has_no_padding() -> None:
    shown = screen(prompt=False)
    playing(shown)
    assert shown.slot.pad(1200) == 0
    shown.slot.release()
    assert len(shown.link.take()) == 1
    assert shown.slot.pad(1200) == LARGE


def test_what_was_held_for_too_long_is_not_sent_as_padding() -> None:
    """Its number is that of another packet by then."""
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True, payload=wire.vp8(key=True) + bytes(LARGE))
    (before,) = shown.link.take()
    shown.labels.prompt = False
    other = Publisher("b.1")
    shown.show(other.track, 720, 1.0)
    for seq in range(MAX_HELD + 1):
        other.send(seq, now=1.1, payload=wire.vp8(key=seq == 0) + bytes(LARGE))
    shown.slot.release()
    shown.slot.pad(1200)
    for packet in shown.link.take():
        restored = restore(packet, ssrc=MEDIA_SSRC, payload_type=100)
        assert restored is None or restored.seq != before.seq or restored.data == before.data


def test_padding_is_numbered_where_packets_are() -> None:
    shown = screen(Profile((THEIR_VP8,), ((TRANSPORT_CC, 3),)))
    playing(shown)
    for octets in (1200, 1):
        before = shown.link.numbered
        assert shown.slot.pad(octets)
        assert shown.link.numbered == before + 1
        (data,) = shown.link.packets
        (packet,) = shown.link.take()
        assert list(packet.extensions()) == [(3, b"\0\0")]
        if octets == 1:
            assert_plain(packet, data)


@pytest.mark.parametrize("profile", [Profile((THEIR_VP8,), ()), Profile((THEIR_VP8,), ((TRANSPORT_CC, 20),))])
def test_plain_padding_is_a_packet_without_payload(profile: Profile) -> None:
    shown = screen(profile)
    (last,) = playing(shown)
    shown.slot.pad(1)
    (data,) = shown.link.packets
    packet = parse(data, 1.0)
    assert packet is not None
    assert_plain(packet, data)
    assert packet.timestamp == last.timestamp
    assert restore(packet, ssrc=MEDIA_SSRC, payload_type=100) is None
