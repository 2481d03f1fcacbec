"""People see and hear each other, in the sizes they asked for, without a break."""

import pytest
from msgspec.structs import replace

from sfu.contract.signals import Want
from sfu.contract.ticket import Rights
from sfu.room.ports import Limits
from tests.scenario.world import Client, World


def assert_smooth(*clients: Client) -> None:
    """Nothing was lost, broken or asked for again."""
    for client in clients:
        for picture in client.pictures.values():
            assert (picture.broken, picture.skipped, picture.plis) == (0, 0, 0)


def test_three_people_see_and_hear_each_other() -> None:
    world = World()
    clients = world.meeting("ada", "ben", "cyd")
    world.run(5.0)
    for client in clients:
        others = {each.id for each in clients if each is not client}
        assert client.heard(world.now - 1) == others
        assert set(client.watching().values()) == others
        for id_ in others:
            picture = client.picture_of(id_)
            assert picture.longest_gap() < 0.06
    assert_smooth(*clients)


def test_a_late_joiner_sees_everybody_after_one_request_each() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    world.run(5.0)
    before = {each.id: each.camera.requests for each in (ada, ben)}
    late = world.join("late", delay_s=0.05)
    late.show_all()
    took = world.until(lambda: late.sees("ada") and late.sees("ben"), within=1.0)
    assert took < 0.5
    assert {each.id: each.camera.requests - before[each.id] for each in (ada, ben)} == {"ada": 1, "ben": 1}
    world.run(1.0)
    assert_smooth(ada, ben, late)


def test_a_camera_that_is_waited_for_is_seen_from_its_very_first_frame() -> None:
    world = World()
    (ada,) = world.meeting("ada")
    ada.show("late")
    world.join("late")
    world.run(1.0)
    picture = ada.picture_of("late")
    assert picture.frames[0].number == 1


def test_fifty_late_joiners_make_few_key_frames() -> None:
    world = World()
    (ada,) = world.meeting("ada")
    world.run(2.0)
    before = ada.camera.key_frames
    late = [world.join(f"late{number}", camera=None, microphone=False, video_slots=1) for number in range(50)]
    for client in late:
        client.show("ada")
    world.until(lambda: all(client.sees("ada") for client in late), within=1.0)
    assert ada.camera.key_frames - before <= 2


def test_nothing_is_sent_before_a_link_is_open() -> None:
    world = World()
    world.meeting("ada", "ben")
    late = world.join("late")
    late.show_all()
    world.run(0.04)
    assert late.down.carried == 0
    world.run(0.5)
    assert late.down.carried > 0


@pytest.mark.parametrize(("height", "layer"), [(150, 0), (300, 1), (360, 1), (720, 2), (1080, 2)])
def test_a_tile_gets_the_layer_of_its_size(height: int, layer: int) -> None:
    world = World()
    _, ben = world.meeting("ada", "ben")
    ben.show(("ada", height))
    world.run(1.0)
    picture = ben.picture_of("ada")
    assert picture.frames[-1].layer == layer
    assert_smooth(ben)


def test_tiles_that_grow_and_shrink_change_layers_without_a_break() -> None:
    world = World()
    _, ben = world.meeting("ada", "ben")
    began = world.now - 0.1
    for height in (150, 720, 300, 720, 150):
        ben.show(("ada", height))
        world.run(1.0)
    picture = ben.picture_of("ada")
    assert picture.layers(began) == [2, 0, 2, 1, 2, 0]
    assert picture.longest_gap() < 0.09
    assert len(ben.labels[picture.mid]) == 1
    assert_smooth(ben)


def test_a_layer_the_publisher_stops_is_left_and_taken_again() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    top = ada.camera.encodings[2]
    began = world.now - 0.1
    top.active = False
    world.run(4.0)
    picture = ben.picture_of("ada")
    assert picture.frames[-1].layer == 1
    key_frames = ada.camera.key_frames
    world.run(5.0)
    assert ada.camera.key_frames == key_frames
    top.active = True
    world.run(1.0)
    assert picture.layers(began) == [2, 1, 2]
    assert_smooth(ben)


def test_a_camera_without_simulcast() -> None:
    world = World()
    ada = world.join("ada", camera=())
    ben = world.join("ben")
    ben.show(("ada", 90))
    world.run(1.0)
    ben.show(("ada", 720))
    world.run(1.0)
    assert ben.sees("ada", world.now - 0.1)
    assert ada.camera.key_frames <= 2


def test_fewer_slots_than_tracks_show_the_most_important() -> None:
    world = World()
    names = [f"p{number}" for number in range(6)]
    world.meeting(*names)
    viewer = world.join("viewer", camera=None, video_slots=3)
    viewer.show(*names, priority="thumbnail")
    world.run(1.0)
    assert set(viewer.watching().values()) == {"p0", "p1", "p2"}
    before = viewer.watching()
    viewer.show("p2", "p5", "p1", "p0")
    world.run(1.0)
    after = viewer.watching()
    assert set(after.values()) == {"p2", "p5", "p1"}
    assert {mid for mid in before if before[mid] != after[mid]} == {
        mid for mid, peer in before.items() if peer == "p0"
    }
    assert_smooth(viewer)


def test_what_is_pinned_comes_before_the_rest() -> None:
    world = World()
    names = [f"p{number}" for number in range(5)]
    world.meeting(*names)
    viewer = world.join("viewer", camera=None, video_slots=3)
    wants = [Want(track=f"{name}.c", width=640, height=360) for name in names]
    world.room.view(
        viewer.peer,
        [
            replace(wants[0], priority="thumbnail"),
            replace(wants[1], priority="grid"),
            replace(wants[2], priority="speaker"),
            replace(wants[3], priority="screen"),
            replace(wants[4], priority="pinned"),
        ],
    )
    world.run(1.0)
    assert set(viewer.watching().values()) == {"p2", "p3", "p4"}


def test_a_slot_is_given_to_the_next_when_somebody_leaves() -> None:
    world = World()
    names = ["ada", "ben", "cyd"]
    ada, *_ = world.meeting(*names)
    viewer = world.join("viewer", camera=None, video_slots=2)
    viewer.show(*names)
    world.run(1.0)
    assert set(viewer.watching().values()) == {"ada", "ben"}
    ada.leave()
    world.run(1.0)
    assert set(viewer.watching().values()) == {"ben", "cyd"}
    assert viewer.sees("cyd", world.now - 0.1)


def test_what_is_not_wanted_any_more_is_not_sent() -> None:
    world = World()
    _, ben = world.meeting("ada", "ben", microphone=False)
    ben.show()
    world.run(0.1)
    carried = ben.down.carried
    world.run(5.0)
    assert ben.watching() == {}
    assert ben.down.carried - carried <= 2 * 5 + 2


def test_switching_sources_again_and_again() -> None:
    world = World()
    names = [f"p{number}" for number in range(4)]
    world.meeting(*names)
    viewer = world.join("viewer", camera=None, video_slots=1, delay_s=0.03)
    for turn in range(40):
        viewer.show(names[turn % 4])
        world.run(0.5)
    (picture,) = viewer.pictures.values()
    shown = [label.track for label in viewer.labels[picture.mid]]
    assert shown == [f"{names[turn % 4]}.c" for turn in range(40)]
    assert picture.longest_gap() < 0.15
    assert_smooth(viewer)


def test_padding_probes_do_not_show() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    world.every(0.013, ada.camera.pad)
    world.run(3.0)
    picture = ben.picture_of("ada")
    assert picture.longest_gap() < 0.06
    assert picture.repaired == 0
    assert_smooth(ben)


def test_a_camera_that_never_sends_a_key_frame_does_not_keep_the_former_one_on_screen() -> None:
    world = World()
    _, ben = world.meeting("ada", "ben")
    viewer = world.join("viewer", camera=None, video_slots=1)
    viewer.show("ada")
    world.run(1.0)
    ben.camera.answers = False
    viewer.show("ben")
    world.run(2.5)
    assert viewer.watching() == {"v0": "ada"}
    world.run(1.5)
    assert viewer.watching() == {}
    ben.camera.answers = True
    world.until(lambda: viewer.sees("ben"), within=2.0)


def test_a_publisher_that_does_not_answer_is_asked_less_and_less_often() -> None:
    world = World()
    ada, _ = world.meeting("ada", "ben")
    ada.camera.answers = False
    viewer = world.join("viewer", camera=None)
    viewer.show("ada")
    before = ada.camera.requests
    world.run(20.0)
    assert 20 <= ada.camera.requests - before <= 30


# --- mute -----------------------------------------------------------------------------------------


def test_a_muted_camera_disappears_and_comes_back_at_a_key_frame() -> None:
    world = World()
    ada, ben, cyd = world.meeting("ada", "ben", "cyd")
    world.room.mute(ada.peer, "c", True)
    assert "ada" not in ben.watching().values()
    muted_at = world.now
    world.run(3.0)
    assert not ben.sees("ada", muted_at)
    world.room.mute(ada.peer, "c", False)
    world.until(lambda: ben.sees("ada", muted_at) and cyd.sees("ada", muted_at), within=0.5)
    world.run(1.0)
    assert_smooth(ben, cyd)
    for viewer in (ben, cyd):
        frames = [frame for frame in viewer.picture_of("ada").frames if frame.at > muted_at]
        assert frames[0].key


def test_a_muted_microphone_is_silent_and_comes_back() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    world.room.mute(ada.peer, "m", True)
    muted_at = world.now
    world.run(2.0)
    assert "ada" not in ben.heard(muted_at)
    world.room.mute(ada.peer, "m", False)
    world.until(lambda: "ada" in ben.heard(muted_at), within=0.3)


def test_who_joins_muted_is_not_heard() -> None:
    world = World()
    (ben,) = world.meeting("ben")
    ada = Client(world, "ada")
    ada.tracks = ada.published(m=True, c=True)
    ada.enter()
    ben.show("ada")
    world.run(2.0)
    assert ben.heard() == set()
    assert not ben.sees("ada")
    world.room.mute(ada.peer, "m", False)
    world.room.mute(ada.peer, "c", False)
    world.run(1.0)
    assert ben.heard() == {"ada"}
    assert ben.sees("ada")


# --- who is heard ---------------------------------------------------------------------------------


def test_in_a_room_of_300_everybody_hears_only_the_loudest() -> None:
    world = World()
    people = [
        world.join(f"p{number}", camera=None, video_slots=0, silent=number >= 40) for number in range(300)
    ]
    world.run(0.5)
    loud = people[10:13]
    for client in loud:
        client.microphone.level = 30
    for client in people[20:30]:
        client.microphone.level = 70
    world.run(2.0)
    since = world.now
    world.run(0.1)
    ids = {client.id for client in loud}
    for client in people:
        heard = client.heard(since)
        assert ids - {client.id} <= heard
        assert len(heard) == 3
    assert {client.speakers for client in people} == {people[0].speakers}
    assert set(people[0].speakers) == ids


@pytest.mark.parametrize("how", ["leaves", "mutes"])
def test_who_leaves_or_mutes_makes_room_for_others_to_be_heard(how: str) -> None:
    world = World(limits=Limits(loudest=1))
    people = [world.join(f"p{number}", camera=None, audio_slots=1) for number in range(5)]
    for number, client in enumerate(people[:3]):
        client.microphone.level = 30 + number
    world.run(2.0)
    listener = people[4]
    (first,) = listener.heard(world.now - 0.1)
    loud = world.clients[first]
    if how == "leaves":
        loud.leave()
    else:
        world.room.mute(loud.peer, "m", True)
    world.run(0.2)
    (second,) = listener.heard(world.now - 0.1)
    assert second != first
    world.until(lambda: first not in listener.speakers, within=0.5)


@pytest.mark.parametrize("how", ["leaves", "mutes"])
def test_who_leaves_or_mutes_in_the_middle_of_a_word_speaks_no_more(how: str) -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.microphone.level = 30
    world.until(lambda: ben.speakers == ("ada",))
    if how == "leaves":
        ada.leave()
    else:
        world.room.mute(ada.peer, "m", True)
    world.run(0.25)
    assert ben.speakers == ()


def test_in_a_room_without_election_everybody_is_heard() -> None:
    world = World(limits=Limits(loudest=0))
    people = [world.join(f"p{number}", camera=None, audio_slots=9) for number in range(8)]
    world.run(1.0)
    for client in people:
        assert client.heard(world.now - 0.1) == {each.id for each in people if each is not client}


def test_a_speaker_is_told_and_untold() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.microphone.level = 25
    took = world.until(lambda: ben.speakers == ("ada",))
    assert took < 0.7
    ada.microphone.level = 127
    world.until(lambda: ben.speakers == (), within=2.0)


def test_voices_change_without_a_click() -> None:
    """`Sound` checks that each packet is 20 ms, or a multiple, after the one before."""
    world = World(limits=Limits(loudest=1))
    people = [world.join(f"p{number}", camera=None, audio_slots=1) for number in range(10)]
    for turn in range(30):
        for number, client in enumerate(people):
            client.microphone.level = 30 if number == turn % 10 else 127
        world.run(1.0)
    for client in people:
        (sound,) = client.sounds.values()
        assert len(sound.packets) > 25 * 50
        assert sound.lost == 0
        assert len(sound.sources()) >= 20


def test_who_may_not_subscribe_is_sent_nothing() -> None:
    world = World()
    world.meeting("ada", "ben")
    deaf = world.join("deaf", rights=Rights(subscribe=False))
    deaf.show_all()
    world.run(2.0)
    assert deaf.heard() == set()
    assert deaf.watching() == {}
