"""The client knows what a slot shows before the first packet of it leaves."""

import pytest

from sfu.media.ports import Drop
from sfu.media.slot import MAX_HELD, MAX_JUMP, SlotState
from tests.unit.media.stage import AUDIO_PROFILE, Publisher, microphone, screen, unwrapped


def test_packets_wait_until_the_label_was_said_and_keep_their_order() -> None:
    publisher, shown = Publisher(), screen(prompt=False)
    shown.show(publisher.track, 720, 1.0)
    for seq in range(1, 6):
        publisher.send(seq, now=1.0, key=seq == 1)
    assert shown.link.packets == []
    shown.slot.release()
    publisher.send(6, now=1.1)
    seqs = unwrapped(shown.link.take())
    assert [seq - seqs[0] for seq in seqs] == [0, 1, 2, 3, 4, 5]


def test_the_label_names_the_first_timestamp_of_the_new_source() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    (packet,) = shown.link.take()
    assert shown.labels.said == [("a.1", packet.timestamp)]


def test_a_change_of_layer_needs_no_label() -> None:
    publisher, shown = Publisher(rids=("q", "h")), screen()
    shown.show(publisher.track, 360, 1.0)
    publisher.send(1, now=1.0, key=True)
    publisher.send(1, now=1.0, layer=1)
    shown.labels.prompt = False
    shown.show(publisher.track, 720, 1.1)
    publisher.send(2, now=1.1, layer=1, key=True)
    assert len(shown.link.take()) == 2
    assert len(shown.labels.said) == 1


def test_repairs_wait_as_well() -> None:
    publisher, shown = Publisher(), screen(prompt=False)
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    label = shown.labels.said[0][1]
    shown.slot.nack(range(0x10000), 1.0)
    assert shown.link.packets == []
    shown.slot.release()
    first, repair = shown.link.take()
    assert (first.timestamp, repair.timestamp) == (label, label)


def test_sound_does_not_wait() -> None:
    publisher, shown = microphone(), screen(AUDIO_PROFILE, prompt=False)
    shown.show(publisher.track, 0, 1.0)
    publisher.send(1, now=1.0, payload=b"opus")
    assert len(shown.link.take()) == 1


def test_what_waits_is_not_lost_when_another_source_begins() -> None:
    first, second, shown = Publisher("a.1"), Publisher("b.1"), screen(prompt=False)
    shown.show(first.track, 720, 1.0)
    first.send(1, now=1.0, key=True)
    first.send(2, now=1.1)
    shown.show(second.track, 720, 1.2)
    second.send(1, now=1.3, key=True)
    second.send(2, now=1.4)
    assert shown.link.packets == []
    shown.slot.release()
    seqs = unwrapped(shown.link.take())
    assert [seq - seqs[0] for seq in seqs] == [0, 1, 2, 3]


def test_an_earlier_label_does_not_release_what_waits_for_a_later_one() -> None:
    first, second, shown = Publisher("a.1"), Publisher("b.1"), screen(prompt=False)
    shown.show(first.track, 720, 1.0)
    first.send(1, now=1.0, key=True)
    earlier = shown.slot.switches
    shown.show(second.track, 720, 1.2)
    second.send(1, now=1.3, key=True)
    later = shown.slot.switches
    shown.slot.release(earlier)
    assert shown.link.packets == []
    shown.slot.release(later)
    assert len(shown.link.take()) == 2


def test_a_change_of_layer_does_not_put_the_release_off() -> None:
    publisher, shown = Publisher(rids=("q", "h")), screen(prompt=False)
    for layer in range(2):
        publisher.send(1, now=1.0, layer=layer)
    shown.show(publisher.track, 360, 1.0)
    publisher.send(2, now=1.0, key=True)
    labelled = shown.slot.switches
    shown.show(publisher.track, 720, 1.1)
    publisher.send(2, now=1.1, layer=1, key=True)
    shown.slot.release(labelled)
    assert len(shown.link.take()) == 2


@pytest.mark.parametrize("count", [MAX_HELD + 1, MAX_JUMP + 2, 70_000])
def test_what_waits_is_bounded_and_when_it_is_too_much_the_slot_begins_anew(count: int) -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    (before,) = shown.link.take()
    shown.slot.clear()
    shown.slot.release()
    shown.labels.prompt = False
    shown.show(publisher.track, 720, 1.0)
    for seq in range(count):
        publisher.send(2 + seq, now=1.1, key=seq == 0)
    assert shown.slot.state is SlotState.PLAYING
    shown.slot.release()
    publisher.send(2 + count, now=1.2)
    assert shown.link.take() == []
    assert shown.slot.drops[Drop.HELD_TOO_LONG] == count
    shown.labels.prompt = True
    shown.tick(2.0)
    publisher.send(3 + count, now=2.1, key=True)
    (after,) = shown.link.take()
    assert (after.seq - before.seq) & 0xFFFF == 1
    assert after.timestamp - before.timestamp == round(1.1 * 90_000)


def test_as_much_as_may_wait_is_sent() -> None:
    publisher, shown = Publisher(), screen(prompt=False)
    shown.show(publisher.track, 720, 1.0)
    for seq in range(MAX_HELD):
        publisher.send(seq, now=1.0, key=seq == 0)
    shown.slot.release()
    assert len(shown.link.take()) == MAX_HELD
    assert shown.slot.state is SlotState.PLAYING


def test_what_waits_when_a_slot_is_cleared_still_waits_for_its_label() -> None:
    publisher, shown = Publisher(), screen(prompt=False)
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    labelled = shown.slot.switches
    shown.slot.clear()
    assert shown.link.packets == []
    assert [track for track, _ in shown.labels.said] == ["a.1", None]
    shown.slot.release(labelled)
    assert len(shown.link.take()) == 1


def test_what_begins_again_before_its_label_was_said_waits_as_well() -> None:
    publisher, shown = Publisher(), screen(prompt=False)
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    labelled = shown.slot.switches
    publisher.send(5000, now=1.1)
    publisher.send(5001, now=1.2, key=True)
    assert shown.link.packets == []
    shown.slot.release(labelled)
    first, second = shown.link.take()
    assert (second.seq - first.seq) & 0xFFFF == 1


def test_releasing_what_does_not_wait_does_nothing() -> None:
    shown = screen()
    shown.slot.release()
    shown.slot.release()
    assert shown.link.packets == []
