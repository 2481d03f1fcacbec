"""A client knows what a slot shows before it is sent any of it, however slow its WebSocket is."""

from tests.scenario.world import Client, World


def one_slot(**how: object) -> tuple[World, Client]:
    """Return a world with ada, ben, cyd, and a viewer with one slot that shows ada."""
    world = World()
    world.meeting("ada", "ben", "cyd")
    viewer = world.join("viewer", camera=None, video_slots=1, **how)
    viewer.show("ada")
    world.run(1.0)
    assert viewer.watching() == {"v0": "ada"}
    return world, viewer


def tracks(viewer: Client, since: float) -> set[str]:
    (picture,) = viewer.pictures.values()
    return {frame.track for frame in picture.frames if frame.at > since}


def test_frames_wait_for_their_label() -> None:
    world, viewer = one_slot()
    stuck_at = world.now
    viewer.outbox.stuck = True
    viewer.show("ben")
    world.run(1.0)
    assert tracks(viewer, stuck_at) <= {"ada.c"}
    viewer.outbox.flush()
    assert "ben.c" in tracks(viewer, stuck_at)
    viewer.outbox.stuck = False
    world.run(1.0)
    assert viewer.picture_of("ben").broken == 0


def test_frames_of_several_changes_come_in_order() -> None:
    world, viewer = one_slot()
    viewer.outbox.stuck = True
    for name in ("ben", "cyd", "ada"):
        viewer.show(name)
        world.run(0.3)
    viewer.outbox.flush()
    viewer.outbox.stuck = False
    world.run(1.0)
    (picture,) = viewer.pictures.values()
    assert [label.track for label in viewer.labels["v0"]] == ["ada.c", "ben.c", "cyd.c", "ada.c"]
    assert (picture.broken, picture.skipped, picture.repaired) == (0, 0, 0)


def test_an_earlier_label_does_not_let_later_frames_go() -> None:
    world, viewer = one_slot()
    stuck_at = world.now
    viewer.outbox.stuck = True
    viewer.show()
    viewer.show("ben")
    world.run(0.3)
    viewer.outbox.step()
    assert viewer.watching() == {}
    assert tracks(viewer, stuck_at) <= {"ada.c"}
    viewer.outbox.step()
    assert viewer.watching() == {"v0": "ben"}
    assert "ben.c" in tracks(viewer, stuck_at)


def test_a_websocket_that_breaks_lets_frames_go() -> None:
    """The page shows them under the old label, which is better than nothing, and is told when it is back."""
    world, viewer = one_slot()
    stuck_at = world.now
    viewer.outbox.stuck = True
    viewer.show("ben")
    world.run(0.3)
    viewer.lose_signalling()
    world.run(0.3)
    assert "ben.c" in tracks(viewer, stuck_at)
    viewer.resume_signalling()
    world.run(0.3)
    assert viewer.watching() == {"v0": "ben"}


def test_a_websocket_stuck_for_very_long_loses_frames_but_not_the_picture() -> None:
    world, viewer = one_slot()
    (picture,) = viewer.pictures.values()
    picture.may_skip = True
    viewer.outbox.stuck = True
    viewer.show("ben")
    world.run(20.0)
    viewer.outbox.flush()
    viewer.outbox.stuck = False
    flushed_at = world.now
    world.until(lambda: viewer.sees("ben", flushed_at), within=1.0)
    world.run(1.0)
    assert picture.longest_gap(world.now - 0.9) < 0.06
    assert picture.broken == 0


def test_what_waited_for_a_label_is_not_missed_on_a_new_link() -> None:
    world, viewer = one_slot()
    viewer.outbox.stuck = True
    viewer.show("ben")
    world.run(0.3)
    viewer.connect()
    world.run(1.0)
    assert viewer.watching() == {"v0": "ben"}
    assert viewer.sees("ben", world.now - 0.1)
