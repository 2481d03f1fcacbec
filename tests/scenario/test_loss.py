"""Loss on the way up is repaired once for all, loss on the way down from what is kept here."""

import random
from collections.abc import Callable

import pytest

from sfu.media.ports import Drop
from sfu.rtp import rtcp
from tests.scenario.world import World


def one_in(chances: int, seed: int = 1) -> Callable[[int], bool]:
    """Lose a packet in so many, at random, but always the same ones."""
    chance = random.Random(seed)
    return lambda _number: chance.randrange(chances) == 0


def first(number: int) -> Callable[[int], bool]:
    """Lose the next packets, so many."""
    left = iter([True] * number)
    return lambda _number: next(left, False)


def test_loss_on_the_uplink_is_repaired_and_passed_on() -> None:
    world = World()
    ada = world.join("ada", delay_s=0.02)
    viewers = [world.join(name, camera=None) for name in ("ben", "cyd")]
    for viewer in viewers:
        viewer.show("ada")
    world.run(1.0)
    ada.up.loses = one_in(20)
    began = world.now
    world.run(10.0)
    assert ada.up.lost > 50
    assert ada.feedback["Nack"] > 20
    for viewer in viewers:
        picture = viewer.picture_of("ada")
        assert (picture.broken, picture.skipped, picture.plis) == (0, 0, 0)
        assert picture.repaired > 5
        assert picture.longest_gap(began) < 0.4
        assert viewer.peer.tally.retransmitted == 0


def test_loss_on_the_downlink_is_repaired_from_the_history() -> None:
    world = World()
    ada = world.join("ada", delay_s=0.02)
    ben = world.join("ben", camera=None, delay_s=0.02)
    ben.show("ada")
    world.run(1.0)
    asked, key_frames = ada.feedback["Nack"], ada.camera.key_frames
    ben.down.loses = one_in(20)
    began = world.now
    world.run(10.0)
    picture = ben.picture_of("ada")
    assert picture.repaired > 20
    assert (picture.broken, picture.skipped) == (0, 0)
    assert picture.longest_gap(began) < 0.5
    assert ada.feedback["Nack"] == asked
    assert ada.camera.key_frames == key_frames
    assert ben.peer.tally.retransmitted >= picture.repaired


def test_loss_on_the_downlink_without_rtx() -> None:
    world = World()
    world.join("ada")
    ben = world.join("ben", camera=None, rtx=False, delay_s=0.02)
    ben.show("ada")
    world.run(1.0)
    ben.down.loses = one_in(20)
    world.run(10.0)
    picture = ben.picture_of("ada")
    assert picture.repaired > 20
    assert (picture.broken, picture.skipped) == (0, 0)


def test_loss_while_sources_change_is_repaired_from_every_layers_history() -> None:
    world = World()
    names = ["ada", "ben", "cyd"]
    world.meeting(*names)
    viewer = world.join("viewer", camera=None, video_slots=1, delay_s=0.04)
    viewer.down.loses = one_in(8)
    for turn in range(20):
        viewer.show(names[turn % 3], names[turn % 2])
        world.run(0.7)
    viewer.down.loses = lambda _number: False
    world.run(1.0)
    (picture,) = viewer.pictures.values()
    assert viewer.down.lost > 50
    assert picture.repaired > 30
    assert picture.broken == 0
    assert viewer.peer.tally.nacks_missed == 0


def test_a_key_frame_lost_on_the_uplink_is_asked_for_again() -> None:
    world = World()
    ada, _ = world.meeting("ada", "ben")
    late = world.join("late", camera=None)
    ada.up.loses = first(60)
    late.show("ada")
    took = world.until(lambda: late.sees("ada"), within=3.0)
    assert took < 2.0
    assert ada.camera.requests >= 2


def test_a_burst_too_long_to_repair_ends_in_a_key_frame() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.up.up = False
    world.run(6.0)
    ada.up.up = True
    back_at = world.now
    world.until(lambda: ben.sees("ada", back_at), within=2.0)
    world.run(3.0)
    assert ben.picture_of("ada").longest_gap(world.now - 1.0) < 0.1


def test_both_ways_at_once() -> None:
    world = World()
    people = [world.join(name, delay_s=0.03) for name in ("ada", "ben", "cyd")]
    for seed, person in enumerate(people):
        person.show_all()
        person.up.loses, person.down.loses = one_in(30, seed), one_in(30, seed + 10)
    world.run(15.0)
    for person in people:
        for picture in person.pictures.values():
            if picture.frames:
                assert picture.broken <= 2
                assert picture.longest_gap(world.now - 12) < 1.5
                assert len(picture.frames) > 13 * 25


def test_a_receiver_whose_network_is_gone_and_back_sees_again() -> None:
    world = World()
    world.meeting("ada", "ben")
    viewer = world.join("viewer", camera=None, delay_s=0.02)
    viewer.show("ada")
    world.run(1.0)
    viewer.up.up = viewer.down.up = False
    world.run(5.0)
    viewer.up.up = viewer.down.up = True
    back_at = world.now
    world.until(lambda: viewer.sees("ada", back_at), within=3.0)
    world.run(3.0)
    assert viewer.picture_of("ada").longest_gap(world.now - 1.0) < 0.1


def test_receiver_reports_tell_the_round_trip_which_paces_repairs() -> None:
    world = World()
    ada = world.join("ada", delay_s=0.15)
    ben = world.join("ben", delay_s=0.01)
    for client in (ada, ben):
        client.show_all()
    world.run(4.0)
    for client in (ada, ben):
        client.report()
    world.run(1.0)
    assert ada.peer.rtt_s == pytest.approx(0.3, abs=0.01)
    assert ben.peer.rtt_s == pytest.approx(0.02, abs=0.01)
    asked = {client: client.feedback["Nack"] for client in (ada, ben)}
    for client in (ada, ben):
        client.camera.repairs = False
        client.up.loses = first(3)
    world.run(1.0)
    assert ben.feedback["Nack"] - asked[ben] > 2 * (ada.feedback["Nack"] - asked[ada]) > 0


def test_reports_that_cannot_be_are_not_believed() -> None:
    world = World()
    ada, _ = world.meeting("ada", "ben")
    world.run(2.0)
    (ssrc, *_) = ada.peer.slots.values()
    for lsr, dlsr in ((0, 0), (0xFFFF_FFFF, 0xFFFF_FFFF), (1, 0)):
        ada.send_rtcp(rtcp.receiver_report(1, [rtcp.ReportBlock(ssrc.ssrc, 0, 0, 0, 0, lsr, dlsr)]))
    assert ada.peer.rtt_s is None
    ada.send_rtcp(rtcp.receiver_report(1, [rtcp.ReportBlock(4711, 0, 0, 0, 0, 1, 0)]))
    assert ada.peer.tally.drops[Drop.STRAY_FEEDBACK] == 1
