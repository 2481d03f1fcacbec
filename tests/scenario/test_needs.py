"""Publishers send the layers that somebody needs, and no others; clients are told what they get, and when."""

from functools import partial
from itertools import pairwise

import pytest

from sfu.contract.signals import Clocks, Encodings, Quality, QualityReason, Slots
from sfu.media.track import PAUSE_AFTER_S
from sfu.room.room import NEEDS_INTERVAL_S, WELCOME_S
from sfu.rtp import rtcp
from sfu.rtp.sequence import timestamp_distance
from tests.scenario.numbered import NumberedClient, join
from tests.scenario.world import World

ALL = ("q", "h", "f")
SOON_S = NEEDS_INTERVAL_S + 0.1
SETTLED_S = WELCOME_S + PAUSE_AFTER_S + 1.0


def pair(**how: object) -> tuple[World, NumberedClient, NumberedClient]:
    """Return a world in which ben watches ada, and all has settled."""
    world = World()
    ada = join(world, "ada")
    ben = join(world, "ben", camera=None, **how)
    ben.show("ada")
    world.run(SETTLED_S)
    return world, ada, ben


# --- which layers are needed ----------------------------------------------------------------------


def test_who_is_alone_is_told_that_nobody_needs_anything() -> None:
    world = World()
    ada = join(world, "ada")
    world.run(WELCOME_S - 0.5)
    assert ada.needed == [("q",)], "the least is kept for newcomers at first"
    world.run(PAUSE_AFTER_S + 1.0)
    assert ada.needed == [("q",), ()]
    world.run(20.0)
    assert ada.needed == [("q",), ()]


def test_a_layer_too_large_for_every_tile_is_not_needed() -> None:
    world, ada, ben = pair()
    assert ada.needed[-1] == ("f",)
    ben.show(("ada", 180))
    world.run(PAUSE_AFTER_S + SOON_S + 2.0)
    assert ada.needed[-1] == ("q",)
    assert ben.sees("ada", world.now - 0.1)


def test_every_layer_that_somebody_needs_is_sent() -> None:
    world, ada, ben = pair()
    cyd = join(world, "cyd", camera=None)
    ben.show(("ada", 180))
    cyd.show(("ada", 360))
    world.run(SETTLED_S)
    ben.leave()
    world.run(SETTLED_S)
    assert ada.needed[-2:] == [("q", "h"), ("h",)]


def test_a_layer_that_is_needed_again_is_asked_for_at_once() -> None:
    world, ada, ben = pair()
    for turn in range(3):
        ben.show()
        world.run(PAUSE_AFTER_S + 1.0 + 0.07 * turn)
        assert ada.needed[-1] == ()
        assert not any(encoding.active for encoding in ada.camera.encodings)
        asked_at = world.now
        ben.show("ada")
        took = world.until(lambda: ada.needed[-1] != (), within=1.0)
        assert took < NEEDS_INTERVAL_S / 4
        world.until(partial(ben.sees, "ada", asked_at), within=1.5)
        assert ben.picture_of("ada").broken == 0


def test_a_newcomer_sees_at_once_what_nobody_needed() -> None:
    world = World()
    ada = join(world, "ada")
    world.run(SETTLED_S)
    assert ada.needed[-1] == ()
    ben = join(world, "ben", camera=None)
    joined_at = world.now
    ben.show("ada")
    world.until(lambda: ben.sees("ada", joined_at), within=1.5)


def test_what_is_looked_away_from_for_a_moment_goes_on() -> None:
    world, ada, ben = pair()
    before = list(ada.needed)
    for _ in range(10):
        ben.show()
        world.run(PAUSE_AFTER_S / 2)
        ben.show("ada")
        world.run(0.5)
    assert ada.needed == before


def test_a_muted_camera_is_not_told_anything() -> None:
    world, ada, ben = pair()
    before = list(ada.needed)
    world.room.mute(ada.peer, "c", True)
    ben.show()
    world.run(SETTLED_S)
    assert ada.needed == before


def test_who_comes_back_is_told_again_which_layers_are_needed() -> None:
    world, ada, ben = pair()
    ben.show(("ada", 180))
    world.run(SETTLED_S)
    ada.lose_signalling()
    world.run(0.5)
    ada.told.clear()
    ada.resume_signalling()
    assert ada.needed == [("q",)]


# --- what slots get -------------------------------------------------------------------------------


def test_quality_is_told_when_it_changes_and_only_then() -> None:
    world, _, ben = pair()
    world.run(5.0)
    said = ben.qualities
    assert all(before != after for before, after in pairwise(said))
    (slot,) = said[-1].slots
    assert (slot.track, slot.given_height, slot.wanted_height) == ("ada.c", 720, 720)
    assert (slot.reason, slot.frame_share) == (QualityReason.FULL, 1.0)
    count = len(said)
    world.run(20.0)
    assert len(ben.qualities) == count


def test_a_tile_larger_than_the_picture_is_told_why() -> None:
    world, _, ben = pair()
    ben.show(("ada", 1080))
    world.run(1.0)
    (slot,) = ben.qualities[-1].slots
    assert slot.reason is QualityReason.SOURCE


def test_a_slot_held_back_by_the_network_is_told_so_and_told_when_it_is_not() -> None:
    world = World()
    names = [f"{name}-{'x' * 40}" for name in ("ada", "cyd", "dan", "eve")]
    for name in names:
        join(world, name)  # every packet says the name: these cameras take more than what is always sent
    ben = join(world, "ben", camera=None)
    ben.show(*names)
    world.run(SETTLED_S)
    assert {slot.reason for slot in ben.qualities[-1].slots} == {QualityReason.FULL}
    for _ in range(12):
        ben.send_rtcp(rtcp.remb(1, 20_000, [1]))
        world.run(0.25)
    *_, least = sorted(ben.qualities[-1].slots, key=lambda slot: -slot.given_height)
    assert least.reason in (QualityReason.BANDWIDTH, QualityReason.NO_BANDWIDTH)
    assert least.given_height < least.wanted_height
    world.until(lambda: all(slot.reason is QualityReason.FULL for slot in ben.qualities[-1].slots), within=90)


def test_what_is_no_longer_shown_is_no_longer_spoken_of() -> None:
    world, _, ben = pair()
    ben.show()
    world.run(1.0)
    assert ben.qualities[-1] == Quality(slots=())


def test_who_comes_back_is_told_again_what_its_slots_get() -> None:
    world, _, ben = pair()
    last = ben.qualities[-1]
    ben.lose_signalling()
    world.run(1.0)
    ben.told.clear()
    ben.resume_signalling()
    ben.show("ada")
    world.run(1.0)
    assert ben.qualities[-1] == last


# --- when it was captured -------------------------------------------------------------------------


def messages(client: NumberedClient, mid: str) -> list[tuple[float, str]]:
    """Return what was said of a slot, in order: labels ("ada.c", "") and clocks ("clock")."""
    said = []
    for at, message in client.told:
        if isinstance(message, Slots):
            said += [(at, label.track or "") for label in message.slots if label.mid == mid]
        elif isinstance(message, Clocks):
            said += [(at, "clock") for clock in message.slots if clock.mid == mid]
    return said


def slot_of(client: NumberedClient, peer: str) -> str:
    (mid,) = (mid for mid, shown in client.watching().items() if shown == peer)
    return mid


def test_a_clock_follows_its_label_and_is_not_said_again_while_it_is_true() -> None:
    world, _, ben = pair()
    world.run(20.0)
    said = [what for _, what in messages(ben, slot_of(ben, "ada"))]
    assert said == ["ada.c", "clock"]


def test_a_new_label_is_followed_by_a_new_clock() -> None:
    world = World()
    join(world, "ada")
    join(world, "cyd")
    ben = join(world, "ben", camera=None, video_slots=1)
    for names in (("ada",), ("cyd",), ("ada",), (), ("ada",)):
        ben.show(*names)
        world.run(4.0)
    said = [what for _, what in messages(ben, "v0")]
    assert said == ["ada.c", "clock", "cyd.c", "clock", "ada.c", "clock", "", "ada.c", "clock"]


def test_clocks_tell_when_a_frame_was_captured() -> None:
    """By the publisher's clock, which its reports gave, to the millisecond, also after a change of layers."""
    world, _, ben = pair()
    clocks = [clock for _, message in ben.told if isinstance(message, Clocks) for clock in message.slots]
    mid = slot_of(ben, "ada")
    (clock,) = (clock for clock in clocks if clock.mid == mid)
    ben.show(("ada", 180))
    world.run(3.0)
    epoch_ms = (1_700_000_000 + 2_208_988_800) * 1000
    for frame in ben.picture_of("ada").frames[-20:]:
        since_ms = timestamp_distance(frame.timestamp, clock.rtp_timestamp) / 90
        assert clock.captured_ms + since_ms - epoch_ms == pytest.approx(frame.at * 1000, abs=8.0)


def test_who_comes_back_is_told_its_clocks_again() -> None:
    world, _, ben = pair()
    mid = slot_of(ben, "ada")
    ben.lose_signalling()
    world.run(1.0)
    ben.told.clear()
    ben.resume_signalling()
    world.run(1.0)
    assert [what for _, what in messages(ben, mid)] == ["ada.c", "clock"]


def test_all_that_is_told_is_of_use_to_who_gets_it() -> None:
    """Nobody is told of layers of others, nor of slots it does not have."""
    _, ada, ben = pair()
    assert not any(isinstance(message, Encodings) for _, message in ben.told)
    assert {message.mid for _, message in ada.told if isinstance(message, Encodings)} <= {"c"}
    slots = {clock.mid for _, message in ben.told if isinstance(message, Clocks) for clock in message.slots}
    assert slots <= set(ben.peer.slots)
