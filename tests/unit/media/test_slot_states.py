"""What a slot does as it is shown tracks, and as they begin, fall silent, and end."""

import pytest

from sfu.media.ports import Format
from sfu.media.slot import PATIENCE_S, TRANSITIONS, SlotEvent, SlotState
from tests.unit.media.stage import Publisher, Screen, screen


def playing(publisher: Publisher, shown: Screen, now: float = 1.0) -> None:
    shown.show(publisher.track, publisher.track.height, now)
    publisher.send(round(now * 1000), now=now, key=True)
    assert shown.slot.playing is publisher.layer
    publisher.outlet.take_feedback()
    shown.link.take()


def test_every_state_is_reached() -> None:
    publisher, other, shown = Publisher("a.1"), Publisher("b.1"), screen()
    slot = shown.slot
    assert slot.state is SlotState.EMPTY
    shown.show(publisher.track, 720, 1.0)
    assert slot.state is SlotState.WAITING
    publisher.send(1, now=1.0, key=True)
    assert slot.state is SlotState.PLAYING
    shown.show(other.track, 720, 1.1)
    assert slot.state is SlotState.SWITCHING
    shown.show(publisher.track, 720, 1.2)
    assert slot.state is SlotState.PLAYING
    shown.show(other.track, 720, 1.3)
    other.send(1, now=1.4, key=True)
    assert slot.state is SlotState.PLAYING
    slot.clear()
    assert slot.state is SlotState.EMPTY


def test_the_table_leads_nowhere_unknown_and_everything_can_be_cleared() -> None:
    assert set(TRANSITIONS) == set(SlotState)
    for events in TRANSITIONS.values():
        assert set(events.values()) <= set(SlotState)
        assert events[SlotEvent.CLEAR] is SlotState.EMPTY


@pytest.mark.parametrize("state", SlotState)
def test_what_is_not_in_the_table_cannot_happen(state: SlotState) -> None:
    """KEEP needs something that plays, BEGIN something that is waited for; SELECT and CLEAR need nothing."""
    plays = state in (SlotState.PLAYING, SlotState.SWITCHING)
    waits = state in (SlotState.WAITING, SlotState.SWITCHING)
    expected = {SlotEvent.SELECT, SlotEvent.CLEAR}
    expected |= ({SlotEvent.KEEP} if plays else set()) | ({SlotEvent.BEGIN} if waits else set())
    assert set(TRANSITIONS[state]) == expected


def test_what_is_selected_again_is_not_asked_for_again() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    for tick in range(10):
        shown.show(publisher.track, 700, 1.01 + tick / 100)
        shown.tick(1.01 + tick / 100)
    assert len(publisher.outlet.plis()) == 1


def test_a_track_that_is_given_up_before_it_began_leaves_the_former_in_place() -> None:
    publisher, other, shown = Publisher("a.1"), Publisher("b.1"), screen()
    playing(publisher, shown)
    shown.show(other.track, 720, 1.1)
    shown.show(publisher.track, 720, 1.2)
    other.send(1, now=1.3, key=True)
    publisher.send(2000, now=1.3)
    assert [track for track, _ in shown.labels.said] == ["a.1"]
    assert len(shown.link.take()) == 1


def test_an_empty_slot_forwards_nothing_and_can_be_cleared_again() -> None:
    publisher, shown = Publisher(), screen()
    playing(publisher, shown)
    shown.slot.clear()
    shown.slot.clear()
    publisher.send(2000, now=2.0, key=True)
    shown.tick(3.0)
    assert shown.link.take() == []
    assert [track for track, _ in shown.labels.said] == ["a.1", None]


def test_a_track_without_layers_takes_the_place_of_the_one_waited_for() -> None:
    passed_over, absent, shown = Publisher("b.1"), Publisher("c.1", rids=()), screen()
    playing(Publisher("a.1"), shown)
    shown.show(passed_over.track, 720, 1.1)
    shown.show(absent.track, 720, 1.2)
    passed_over.send(1, now=1.3, key=True)
    assert shown.labels.said[-1] == (None, None)
    assert shown.slot.state is SlotState.EMPTY


def test_a_track_without_layers_waits_in_an_empty_slot_for_nothing_else() -> None:
    passed_over, absent, shown = Publisher("b.1"), Publisher("c.1", rids=()), screen()
    shown.show(passed_over.track, 720, 1.1)
    shown.show(absent.track, 720, 1.2)
    passed_over.send(1, now=1.3, key=True)
    assert shown.labels.said == []
    assert shown.slot.state is SlotState.EMPTY


# --- mute -----------------------------------------------------------------------------------------


def test_a_mute_clears_and_an_unmute_begins_at_a_key_frame() -> None:
    publisher, shown = Publisher(), screen()
    playing(publisher, shown)
    publisher.track.mute(True)
    publisher.send(1001, now=1.1, key=True)
    publisher.send(1002, now=1.2)
    assert shown.link.take() == []
    assert shown.slot.state is SlotState.EMPTY
    publisher.track.mute(False)
    shown.show(publisher.track, 720, 2.0)
    assert publisher.outlet.plis() == [publisher.layer.ssrc]
    publisher.send(1003, now=2.1)
    assert shown.link.take() == []
    publisher.send(1004, now=2.2, key=True)
    assert len(shown.link.take()) == 1


def test_a_muted_track_is_not_asked_for_anything() -> None:
    publisher, shown = Publisher(), screen()
    publisher.track.mute(True)
    shown.show(publisher.track, 720, 1.0)
    shown.tick(2.0)
    publisher.track.tick(2.0)
    assert publisher.outlet.compounds == []


# --- patience -------------------------------------------------------------------------------------


def test_the_former_track_is_let_go_of_when_the_next_owes_its_key_frame() -> None:
    publisher, silent, shown = Publisher("a.1"), Publisher("b.1"), screen()
    playing(publisher, shown)
    shown.show(silent.track, 720, 2.0)
    shown.tick(2.0 + PATIENCE_S)
    publisher.send(2000, now=2.1 + PATIENCE_S)
    assert len(shown.link.take()) == 1
    shown.tick(2.01 + PATIENCE_S)
    publisher.send(2001, now=2.2 + PATIENCE_S)
    assert shown.link.take() == []
    assert shown.labels.said[-1] == (None, None)
    assert shown.slot.state is SlotState.WAITING
    silent.send(1, now=9.0, key=True)
    assert shown.labels.said[-1][0] == "b.1"


@pytest.mark.parametrize(
    "next_one",
    [
        Publisher("b.1", rids=()),
        Publisher("b.1", formats=(Format("AV1", "0", 41, None, 90_000),)),
    ],
    ids=["sends nothing", "in a format the receiver lacks"],
)
def test_the_former_track_is_let_go_of_at_once_when_the_next_cannot_come(next_one: Publisher) -> None:
    publisher, shown = Publisher("a.1"), screen()
    playing(publisher, shown)
    shown.show(next_one.track, 720, 2.0)
    publisher.send(3000, now=2.1, key=True)
    assert shown.slot.playing is None
    assert shown.link.take() == []
    assert shown.labels.said[-1] == (None, None)


def test_patience_begins_anew_with_each_track() -> None:
    publisher, second, third, shown = Publisher("a.1"), Publisher("b.1"), Publisher("c.1"), screen()
    playing(publisher, shown)
    shown.show(second.track, 720, 2.0)
    shown.show(third.track, 720, 4.0)
    shown.tick(6.9)
    assert shown.slot.playing is publisher.layer
    shown.tick(7.1)
    assert shown.slot.playing is None


def test_a_former_layer_stays_for_as_long_as_the_next_one_of_its_track_takes() -> None:
    publisher, shown = Publisher(rids=("q", "h")), screen()
    publisher.send(1, now=1.9)
    publisher.send(1, now=1.9, layer=1)
    shown.show(publisher.track, 360, 1.9)
    publisher.send(2, now=1.9, key=True)
    shown.link.take()
    shown.show(publisher.track, 720, 2.0)
    for tick in range(100):
        now = 2.0 + tick / 10
        publisher.send(3 + tick, now=now)
        publisher.send(2 + tick, now=now, layer=1)
        shown.tick(now)
    assert len(shown.link.take()) == 100


# --- layers ---------------------------------------------------------------------------------------


def test_a_slot_follows_its_tile() -> None:
    publisher, shown = Publisher(rids=("q", "h", "f")), screen()
    for layer in range(3):
        publisher.send(1, now=1.0, layer=layer)
    for height, rank in ((100, 0), (700, 2), (300, 1), (180, 0)):
        shown.show(publisher.track, height, 1.1)
        publisher.send(100 + height, now=1.1, layer=rank, key=True)
        assert shown.slot.playing is publisher.layers[rank]


def test_a_slot_leaves_a_layer_that_died_and_returns_when_it_lives() -> None:
    publisher, shown = Publisher(rids=("q", "h")), screen()
    publisher.send(1, now=1.0)
    publisher.send(1, now=1.0, layer=1)
    shown.show(publisher.track, 720, 1.0)
    publisher.send(2, now=1.1, layer=1, key=True)
    publisher.send(2, now=3.0)
    shown.tick(3.0)
    publisher.send(3, now=3.1, key=True)
    assert shown.slot.playing is publisher.layers[0]
    publisher.send(3, now=3.2, layer=1)
    shown.tick(3.25)
    publisher.send(4, now=3.3, layer=1, key=True)
    assert shown.slot.playing is publisher.layers[1]
    assert [track for track, _ in shown.labels.said] == ["a.1"]


def test_a_layer_that_ends_ends_in_every_slot() -> None:
    publisher, one, two = Publisher(), screen(), screen()
    playing(publisher, one)
    two.show(publisher.track, 720, 1.1)
    publisher.track.close()
    assert (one.slot.playing, two.slot.target) == (None, None)
    assert (one.slot.track, two.slot.track) == (publisher.track, publisher.track)
    one.slot.clear()
    two.slot.clear()
    assert [track for track, _ in one.labels.said] == ["a.1", None]
    assert two.labels.said == []


def test_nothing_is_asked_of_a_track_that_ended() -> None:
    publisher, shown = Publisher(), screen()
    playing(publisher, shown)
    publisher.track.close()
    shown.tick(5.0)
    assert publisher.outlet.compounds == []
    assert shown.slot.state is SlotState.EMPTY


def test_a_slot_follows_its_track_to_the_layer_that_replaces_one() -> None:
    publisher, shown = Publisher(), screen()
    playing(publisher, shown)
    publisher.layers = [publisher.track.add_layer(rid=None, rank=0, ssrc=9)]
    assert shown.slot.state is SlotState.EMPTY
    publisher.send(1, now=1.1)
    shown.tick(1.2)
    publisher.send(2, now=1.3, key=True)
    assert shown.slot.playing is publisher.layer
    assert len(shown.labels.said) == 1


def test_a_slot_that_loses_the_former_track_still_waits_for_the_next() -> None:
    publisher, other, shown = Publisher("a.1"), Publisher("b.1"), screen()
    playing(publisher, shown)
    shown.show(other.track, 720, 1.1)
    publisher.track.close()
    shown.tick(1.2)
    other.send(1, now=1.3, key=True)
    assert [track for track, _ in shown.labels.said] == ["a.1", None, "b.1"]


def test_what_stalls_and_is_replaced_does_not_stay_on_screen() -> None:
    publisher, other, shown = Publisher("a.1"), Publisher("b.1"), screen()
    playing(publisher, shown)
    publisher.send(5000, now=1.1)
    assert shown.slot.state is SlotState.WAITING
    shown.show(other.track, 720, 1.2)
    shown.tick(1.1 + PATIENCE_S)
    assert len(shown.labels.said) == 1
    shown.tick(1.3 + PATIENCE_S)
    assert [track for track, _ in shown.labels.said] == ["a.1", None]


def test_a_publisher_that_jumps_about_tells_its_viewers_nothing() -> None:
    """Or one peer could keep all others busy."""
    publisher, shown = Publisher(), screen()
    playing(publisher, shown)
    for turn in range(1, 100):
        publisher.send(2000 * turn, now=1.0 + turn / 10)
        publisher.send(2000 * turn + 1, now=1.05 + turn / 10, key=True)
    assert shown.slot.switches > 90
    assert len(shown.labels.said) == 1


def test_a_receivers_request_reaches_the_publisher() -> None:
    publisher, shown = Publisher(), screen()
    shown.slot.request_key_frame(1.0)
    playing(publisher, shown)
    shown.slot.request_key_frame(9.0)
    assert publisher.outlet.plis() == [publisher.layer.ssrc]


# --- sender reports -------------------------------------------------------------------------------


def test_a_slot_that_has_not_played_has_no_clock() -> None:
    assert screen().slot.sender_report(0.0, 0.0) is None


def test_a_slots_clock_goes_on_while_nothing_plays() -> None:
    publisher, shown = Publisher(), screen()
    shown.show(publisher.track, 720, 1.0)
    publisher.send(1, now=1.0, key=True)
    (packet,) = shown.link.take()
    shown.slot.clear()
    report = shown.slot.sender_report(1_700_000_000.0, 11.0)
    assert report is not None
    assert (report.timestamp - packet.timestamp) & 0xFFFF_FFFF == 900_000
    assert report.ntp == (1_700_000_000 + 2_208_988_800) << 32
    assert (report.packets, report.octets) == (1, packet.payload_end - packet.payload_start)
