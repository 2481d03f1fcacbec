"""Sums forget nothing: every counter of a slot and a track arrives in the tally."""

from collections import Counter
from dataclasses import fields

from sfu.media.ports import Drop
from sfu.media.tally import Tally
from tests.unit.media.stage import Publisher, screen


def test_what_tracks_and_slots_counted_adds_up() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    publisher.send(4, now=1.1)
    publisher.send(4, now=1.1)
    publisher.track.tick(1.2)
    (first, _) = shown.link.take()
    shown.slot.nack([first.seq, first.seq + 1], 1.3)
    shown.slot.pad(200)
    tally = Tally()
    tally.add_slot(shown.slot)
    tally.add_track(publisher.track)
    assert tally == Tally(
        forwarded=2,
        retransmitted=1,
        nacks=2,
        nacks_missed=1,
        nacks_sent=2,
        plis_sent=1,
        switches=1,
        padding=shown.slot.padding,
        drops=Counter({Drop.DUPLICATE: 1}),
    )
    assert tally.padding > 0
    twice = Tally()
    twice.add(tally)
    twice.add(tally)
    for each in fields(Tally):
        once = getattr(tally, each.name)
        expected = {Drop.DUPLICATE: 2} if each.name == "drops" else 2 * once
        assert getattr(twice, each.name) == expected
