"""NACKs are answered from the layers' histories, over cuts as well; a miss asks for a key frame."""

from itertools import pairwise

import pytest

from sfu.media.ports import Drop
from sfu.media.slot import MAX_BEHIND, MAX_REPAIRS, REPAIR_WINDOW_S
from sfu.media.track import KEY_FRAME_FRESH_S
from sfu.rtp.missing import MAX_TRIES
from sfu.rtp.packet import Packet, restore
from sfu.rtp.payload import read_vp8
from tests.unit.media.stage import (
    H264,
    MEDIA_SSRC,
    PLAIN_PROFILE,
    RTX_SSRC,
    VP8,
    Publisher,
    Screen,
    screen,
)
from tests.unit.rtp import wire

LATER = 1.0 + 2 * KEY_FRAME_FRESH_S


def watched(shown: Screen | None = None) -> tuple[Publisher, Screen, list[Packet]]:
    """Return a publisher, a slot, and packets 100 to 109 as they were sent; 105 and 106 were lost."""
    publisher, shown = Publisher(), shown or screen()
    play(publisher, shown, [*range(100, 105), *range(107, 110)])
    publisher.outlet.take_feedback()
    return publisher, shown, shown.link.take()


def play(publisher: Publisher, shown: Screen, seqs: list[int], *, at: float = 1.0) -> None:
    shown.show(publisher.track, 720, at)
    for seq in seqs:
        payload = wire.vp8(key=seq == seqs[0], picture_id=seq, tl0=seq & 0xFF, body=b"%d" % seq)
        publisher.send(seq, now=at + (seq - seqs[0]) / 30, payload=payload, marker=seq % 2 == 0)


def forget_missing(publisher: Publisher) -> None:
    """Ask the publisher for what was lost, in vain, until it is given up."""
    for tick in range(MAX_TRIES + 1):
        publisher.layer.missing.due(100.0 * (1 + tick), 0.0)
    assert not publisher.layer.missing


def number(packet: Packet) -> int:
    """Return the publisher's number of a packet, which its payload tells."""
    payload = read_vp8(packet.data, packet.payload_start, packet.payload_end)
    return int(packet.data[packet.payload_start + payload.size + 1 :])


def originals(shown: Screen) -> list[Packet]:
    """Return what the receiver restores from the retransmissions it was sent."""
    restored = []
    for packet in shown.link.take():
        assert (packet.ssrc, packet.payload_type) == (RTX_SSRC, 101)
        original = restore(packet, ssrc=MEDIA_SSRC, payload_type=100)
        assert original is not None
        restored.append(original)
    return restored


def test_a_retransmission_restores_to_what_was_sent() -> None:
    _, shown, sent = watched()
    shown.slot.nack([packet.seq for packet in sent[2:5]], 1.5)
    assert [packet.data for packet in originals(shown)] == [packet.data for packet in sent[2:5]]


def test_retransmissions_count_their_own_numbers() -> None:
    _, shown, sent = watched()
    shown.slot.nack([packet.seq for packet in sent[:4]], 1.5)
    seqs = [packet.seq for packet in shown.link.take()]
    assert [(seq - seqs[0]) & 0xFFFF for seq in seqs] == [0, 1, 2, 3]


def test_what_is_asked_for_again_is_sent_twice() -> None:
    """The repair was lost as well: one more loss, and the frame would wait for ever."""
    _, shown, sent = watched()
    shown.slot.nack([sent[0].seq, sent[1].seq], 1.5)
    shown.slot.nack([sent[1].seq, sent[2].seq], 1.6)
    packets = shown.link.packets.copy()
    assert [number(packet) for packet in originals(shown)] == [100, 101, 101, 101, 102]
    assert len(set(packets)) == 5, "each with a number of its own"
    assert shown.slot.retransmitted == 5


def test_numbers_of_retransmissions_wrap() -> None:
    shown = screen(start=0x7F_FF00)
    _, _, sent = watched(shown)
    while shown.slot.retransmitted < 0x8002:
        shown.slot.nack([sent[0].seq, sent[1].seq], 1e9 + shown.slot.retransmitted)
    seqs = [packet.seq for packet in shown.link.take()]
    assert all((after - before) & 0xFFFF == 1 for before, after in pairwise(seqs))
    assert seqs[-1] < seqs[0]


def test_without_rtx_the_packet_is_sent_again_as_it_was() -> None:
    for shown in (screen(PLAIN_PROFILE), screen(rtx=False)):
        _, _, sent = watched(shown)
        shown.slot.nack([sent[3].seq], 1.5)
        assert [packet.data for packet in shown.link.take()] == [sent[3].data]


def test_a_packet_of_before_the_cut_comes_from_the_former_layers_history() -> None:
    _, shown, first = watched()
    other = Publisher("b.1")
    play(other, shown, list(range(5000, 5003)), at=2.0)
    second = shown.link.take()
    shown.slot.nack([first[1].seq, first[-1].seq, second[0].seq, second[2].seq], 2.5)
    restored = originals(shown)
    assert [number(packet) for packet in restored] == [101, 109, 5000, 5002]
    assert [packet.data for packet in restored] == [
        each.data for each in (first[1], first[-1], second[0], second[2])
    ]


def test_a_packet_of_a_track_that_is_gone_is_still_served() -> None:
    publisher, shown, sent = watched()
    publisher.track.close()
    shown.slot.nack([sent[-1].seq], 1.5)
    assert [packet.data for packet in originals(shown)] == [sent[-1].data]


def test_padding_loss_and_a_cut_leave_every_packet_findable() -> None:
    """The padding closed a hole behind packets that never came; the cut goes back over their places."""
    publisher, shown, first = watched()
    publisher.pad(115, now=1.4)
    publisher.pad(117, now=1.4)
    other = Publisher("b.1")
    play(other, shown, list(range(5000, 5020)), at=2.0)
    second = shown.link.take()
    assert (second[0].seq - first[-1].seq) & 0xFFFF == 1
    shown.slot.nack([packet.seq for packet in (*first, *second)], 2.5)
    assert [packet.data for packet in originals(shown)] == [packet.data for packet in (*first, *second)]


def test_padding_that_was_overtaken_can_be_asked_for() -> None:
    """The receiver sees a hole, and asks; an empty packet fills it."""
    publisher, shown, _ = watched()
    publisher.send(111, now=1.4)
    publisher.pad(110, now=1.4)
    (after,) = shown.link.take()
    shown.slot.nack([after.seq - 1], 1.5)
    (filler,) = shown.link.take()
    assert filler.data[filler.payload_start :] == ((after.seq - 1) & 0xFFFF).to_bytes(2, "big")


def test_a_miss_that_is_already_asked_for_upstream_waits() -> None:
    publisher, shown, sent = watched()
    hole = sent[4].seq + 1
    shown.slot.nack([hole], LATER)
    assert publisher.outlet.take_feedback() == []
    assert shown.link.take() == []
    publisher.send(105, now=LATER + 0.1, repaired=True)
    shown.slot.nack([hole], LATER + 0.2)
    late, again = shown.link.take()
    assert late.seq == hole
    assert again.ssrc == RTX_SSRC
    assert shown.slot.nacks_missed == 1


def test_a_miss_that_never_will_come_asks_for_a_key_frame() -> None:
    publisher, shown, sent = watched()
    forget_missing(publisher)
    shown.slot.nack([sent[4].seq + 1], LATER)
    assert publisher.outlet.plis() == [publisher.layer.ssrc]


def test_a_miss_just_after_a_key_frame_asks_for_none() -> None:
    publisher, shown, sent = watched()
    forget_missing(publisher)
    shown.slot.nack([sent[4].seq + 1], 1.0 + KEY_FRAME_FRESH_S - 0.01)
    assert publisher.outlet.plis() == []


def test_a_miss_of_a_former_source_asks_for_nothing() -> None:
    publisher, shown, sent = watched()
    screen().show(publisher.track, 720, 1.5)
    publisher.send(110, now=1.5, key=True)
    publisher.outlet.take_feedback()
    play(Publisher("b.1"), shown, [1, 2], at=2.0)
    forget_missing(publisher)
    shown.slot.nack([sent[4].seq + 1], 9.0)
    assert publisher.outlet.take_feedback() == []
    assert shown.slot.nacks_missed == 1


@pytest.mark.parametrize("away", [-1, 10, 3000, 0x7FFF, -0x7FFF])
def test_numbers_that_were_never_sent_are_counted_and_ignored(away: int) -> None:
    publisher, shown, sent = watched()
    shown.slot.nack([(sent[0].seq + away) & 0xFFFF], LATER)
    assert (shown.slot.nacks, shown.slot.nacks_missed) == (1, 1)
    assert shown.link.take() == []
    assert publisher.outlet.take_feedback() == []


def test_an_empty_slot_answers_nothing() -> None:
    shown = screen()
    shown.slot.nack([0, 1, 0xFFFF], 1.0)
    assert (shown.slot.nacks_missed, shown.link.take()) == (3, [])


def test_retransmissions_are_limited() -> None:
    _, shown, sent = watched()
    shown.slot.nack([packet.seq for packet in sent] * MAX_REPAIRS, 1.5)
    assert len(shown.link.take()) == MAX_REPAIRS
    assert shown.slot.drops[Drop.REPAIR_LIMIT] > MAX_REPAIRS
    shown.slot.nack([sent[0].seq], 1.5 + REPAIR_WINDOW_S)
    assert 1 <= len(shown.link.take()) <= 2


def test_a_format_the_receiver_lacks_leaves_nothing_to_ask_for() -> None:
    """A publisher may change its codec between two that were agreed with it, but not with the receiver."""
    publisher, shown = Publisher(formats=(VP8, H264)), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    publisher.send(2, now=1.1, payload_type=102, payload=b"\x65slice")
    publisher.send(4, now=1.2, key=True)
    publisher.send(3, now=1.2, payload_type=102, payload=b"\x65slice")
    first, second = shown.link.take()
    assert (second.seq - first.seq) & 0xFFFF == 2
    assert shown.slot.drops[Drop.NOT_NEGOTIATED] == 2
    shown.slot.nack([first.seq, first.seq + 1, second.seq], 1.5)
    assert len(originals(shown)) == 2


def test_without_rtx_nothing_is_sent_that_encryption_would_refuse() -> None:
    """libsrtp's window is 1024 packets; numbers outside it cannot be sent again."""
    first, second, shown = Publisher("a.1"), Publisher("b.1"), screen(PLAIN_PROFILE)
    play(first, shown, list(range(100, 200)))
    play(second, shown, list(range(1, MAX_BEHIND + 1)), at=9.0)
    sent = shown.link.take()
    shown.slot.nack([sent[98].seq, sent[99].seq], 50.0)
    assert [packet.seq for packet in shown.link.take()] == [sent[99].seq]
