"""Who is here, as everybody knows it: joining, leaving, lingering, coming back."""

import pytest

from sfu.contract.codes import Code
from sfu.contract.signals import PublishedTrack
from sfu.contract.ticket import Rights, Source
from sfu.room.peer import TRANSITIONS, PeerEvent, PeerState
from sfu.room.ports import Limits, Refusal
from tests.scenario.world import Client, World


def assert_agreed(world: World) -> None:
    """What every client made of the deltas is what a newcomer is told."""
    for client in world.clients.values():
        if client.here and client.outbox.end is None:
            assert client.view == world.room.snapshot


def known(client: Client) -> dict[str, bool]:
    """Return who is here as a client knows it, and whether they are connected."""
    return {peer.id: peer.connected for peer in client.view.peers}


def test_who_joins_is_seen_in_order_with_all_that_is_published() -> None:
    world = World()
    clients = world.meeting("ada", "ben", "cyd")
    for client in clients:
        assert list(known(client)) == ["ada", "ben", "cyd"]
        assert [track.id for track in client.view.peers[1].tracks] == ["ben.m", "ben.c"]
    assert_agreed(world)
    assert world.journal.lines == [
        ("opened", "room"),
        ("entered", "ada"),
        ("entered", "ben"),
        ("entered", "cyd"),
    ]


def test_who_leaves_is_gone_at_once() -> None:
    world = World()
    ada, ben, cyd = world.meeting("ada", "ben", "cyd")
    ben.leave()
    ben.leave()
    assert list(known(ada)) == ["ada", "cyd"]
    assert ben.outbox.end == (Code.LEFT, "none")
    assert ben.link.closed
    world.run(1.0)
    assert set(ada.watching().values()) == {"cyd"}
    assert cyd.heard(world.now - 0.5) == {"ada"}
    assert_agreed(world)
    assert world.journal.lines[-1] == ("gone", "ben", Code.LEFT)


def test_a_full_room_refuses_newcomers_and_changes_nothing() -> None:
    world = World(limits=Limits(max_peers=2))
    ada, ben = world.meeting("ada", "ben")
    before = world.room.snapshot
    with pytest.raises(Refusal) as refusal:
        world.join("cyd")
    assert refusal.value.code is Code.ROOM_FULL
    assert world.room.snapshot == before
    ben.leave()
    world.clients.pop("cyd")
    world.join("cyd")
    assert list(known(ada)) == ["ada", "cyd"]


def test_who_is_already_here_is_replaced_even_in_a_full_room() -> None:
    world = World(limits=Limits(max_peers=2))
    ada, ben = world.meeting("ada", "ben")
    again = world.join("ben")
    assert ben.outbox.end == (Code.REPLACED, "none")
    assert ben.link.closed
    world.run(1.0)
    assert list(known(ada)) == ["ada", "ben"]
    assert ada.sees("ben", world.now - 0.1)
    assert world.room.peers["ben"] is again.peer
    assert ("gone", "ben", Code.REPLACED) in world.journal.lines
    assert_agreed(world)


def test_a_closed_room_lets_everybody_go() -> None:
    world = World()
    clients = world.meeting("ada", "ben", "cyd")
    world.room.close(Code.ROOM_CLOSED)
    for client in clients:
        assert client.outbox.end == (Code.ROOM_CLOSED, "none")
        assert client.link.closed
    assert world.room.snapshot.peers == ()
    assert world.journal.lines[-4:] == [
        ("gone", "ada", Code.ROOM_CLOSED),
        ("gone", "ben", Code.ROOM_CLOSED),
        ("gone", "cyd", Code.ROOM_CLOSED),
        ("closed", "room", Code.ROOM_CLOSED),
    ]
    world.run(2.0)


@pytest.mark.parametrize("code", Code)
def test_what_a_client_can_do_after_its_end(code: Code) -> None:
    world = World()
    (ada,) = world.meeting("ada")
    world.room.leave(ada.peer, code)
    rejoin = {Code.LINK_TIMEOUT, Code.LINK_LOST, Code.DRAINING, Code.ROOM_MOVED, Code.INTERNAL}
    assert ada.outbox.end == (code, "join" if code in rejoin else "none")


# --- links that fall silent -----------------------------------------------------------------------


def test_a_link_that_falls_silent_is_shown_and_then_given_up() -> None:
    world = World(limits=Limits(silent_link_s=5.0, linger_s=12.0))
    ada, ben = world.meeting("ada", "ben")
    ada.up.up = False
    fell_silent = world.now
    world.until(lambda: known(ben)["ada"] is False, within=8.0)
    assert world.now - fell_silent == pytest.approx(5.0, abs=0.5)
    world.until(lambda: "ada" not in known(ben), within=20.0)
    assert world.now - fell_silent == pytest.approx(12.0, abs=0.5)
    assert ada.outbox.end == (Code.LINK_LOST, "join")
    assert_agreed(world)


def test_a_link_that_speaks_again_is_back() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.up.up = False
    world.until(lambda: known(ben)["ada"] is False)
    ada.up.up = True
    took = world.until(lambda: known(ben)["ada"] is True)
    assert took < 1.0
    world.run(1.0)
    assert ben.sees("ada", world.now - 0.2)
    assert_agreed(world)


def test_a_link_that_never_opens_is_given_up() -> None:
    world = World()
    (ben,) = world.meeting("ben")
    ada = Client(world, "ada")
    ada.up.up = False
    ada.enter()
    assert known(ben) == {"ben": True, "ada": True}
    world.run(world.room._limits.link_timeout_s + 0.5)
    assert ada.outbox.end == (Code.LINK_TIMEOUT, "join")
    assert known(ben) == {"ben": True}


def test_a_link_that_fails_before_it_opens_is_given_up_at_once() -> None:
    world = World()
    ada = Client(world, "ada")
    ada.up.up = False
    ada.enter()
    ada.peer.link_closed("handshake failed")
    world.run(0.5)
    assert ada.outbox.end == (Code.LINK_TIMEOUT, "join")


def test_a_link_that_is_closed_lingers() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.up.up = False
    ada.peer.link_closed("goodbye")
    assert known(ben)["ada"] is False
    world.run(0.5)
    assert known(ben)["ada"] is False
    world.run(5.0)
    assert ada.here
    world.run(30.0)
    assert not ada.here
    assert_agreed(world)


# --- coming back ----------------------------------------------------------------------------------


def test_a_lost_websocket_is_not_noticed_by_others_and_given_up_in_the_end() -> None:
    world = World(limits=Limits(linger_s=10.0))
    ada, ben = world.meeting("ada", "ben")
    ada.lose_signalling()
    world.run(9.0)
    assert known(ben) == {"ada": True, "ben": True}
    assert ben.sees("ada", world.now - 0.1)
    world.run(2.0)
    assert known(ben) == {"ben": True}


def test_a_page_that_was_closed_is_waited_for_only_shortly() -> None:
    world = World(limits=Limits(linger_s=30.0, reload_s=4.0))
    ada, ben = world.meeting("ada", "ben")
    ada.lose_signalling(unloading=True)
    world.run(3.0)
    assert ada.here
    world.run(2.0)
    assert known(ben) == {"ben": True}


def test_coming_back_over_the_same_link_takes_up_everything() -> None:
    world = World()
    ada, _ = world.meeting("ada", "ben")
    ada.lose_signalling()
    world.run(3.0)
    cyd = world.join("cyd")
    world.run(3.0)
    before = ada.picture_of("ben")
    ada.resume_signalling()
    assert list(known(ada)) == ["ada", "ben", "cyd"]
    ada.show_all()
    world.run(60.0)
    assert ada.here
    assert ada.picture_of("ben") is before
    assert before.longest_gap(world.now - 60) < 0.1
    assert ada.sees("cyd", world.now - 0.1)
    assert cyd.heard(world.now - 0.1) == {"ada", "ben"}
    assert_agreed(world)


def test_a_client_that_came_back_is_told_what_its_slots_show() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    cyd = world.join("cyd")
    ada.show("ben")
    world.run(1.0)
    ada.lose_signalling()
    ada.show("cyd")
    world.run(1.0)
    ada.labels.clear()
    ada.resume_signalling()
    assert list(ada.watching().values()) == ["cyd"]
    assert cyd.here
    assert ben.here


def test_coming_back_over_a_new_link() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.lose_signalling()
    world.run(2.0)
    former = ada.link
    ada.connect()
    assert former.closed
    assert_agreed(world)
    world.run(1.0)
    assert ben.sees("ada", world.now - 0.1)
    assert ada.sees("ben", world.now - 0.1)
    assert ben.heard(world.now - 0.1) == {"ada"}
    assert_agreed(world)


def test_who_fell_silent_is_back_with_a_new_link() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.up.up = False
    world.until(lambda: known(ben)["ada"] is False)
    ada.up.up = True
    ada.connect()
    assert known(ben)["ada"] is True
    assert_agreed(world)
    world.run(1.0)
    assert ben.sees("ada", world.now - 0.1)


def test_a_websocket_that_is_replaced_is_told_and_its_end_changes_nothing() -> None:
    world = World(limits=Limits(linger_s=5.0))
    (ada,) = world.meeting("ada")
    former = ada.outbox
    ada.resume_signalling()
    assert former.end == (Code.REPLACED, "none")
    ada.peer.lose(former, world.now)
    world.run(20.0)
    assert ada.here


# --- what may be published ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tracks", "code"),
    [
        ((PublishedTrack(mid="c", source=Source.SCREEN),), Code.FORBIDDEN),
        ((PublishedTrack(mid="x", source=Source.CAMERA),), Code.BAD_OFFER),
        ((PublishedTrack(mid="m", source=Source.CAMERA),), Code.BAD_OFFER),
        ((PublishedTrack(mid="c", source=Source.CAMERA),) * 2, Code.BAD_OFFER),
    ],
    ids=["not allowed", "no such m-line", "of another kind", "twice"],
)
def test_what_may_not_be_published_is_refused_and_nothing_changes(
    tracks: tuple[PublishedTrack, ...], code: Code
) -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben", rights=Rights(publish=(Source.CAMERA, Source.MICROPHONE)))
    before = world.room.snapshot
    ada.tracks = tracks
    with pytest.raises(Refusal) as refusal:
        ada.reoffer()
    assert refusal.value.code is code
    assert world.room.snapshot == before
    world.run(1.0)
    assert ben.sees("ada", world.now - 0.1)


@pytest.mark.parametrize("allowed", [(), *((source,) for source in Source), tuple(Source)], ids=str)
@pytest.mark.parametrize("source", Source)
def test_each_source_needs_its_own_right(allowed: tuple[Source, ...], source: Source) -> None:
    world = World()
    ada = Client(world, "ada", rights=Rights(publish=allowed))
    mid = "m" if source in (Source.MICROPHONE, Source.SCREEN_AUDIO) else "c"
    ada.tracks = (PublishedTrack(mid=mid, source=source),)
    if source in allowed:
        ada.enter()
        assert [track.source for track in ada.view.peers[0].tracks] == [source]
    else:
        with pytest.raises(Refusal) as refusal:
            ada.enter()
        assert refusal.value.code is Code.FORBIDDEN
        assert source.value in (refusal.value.detail or "")


def test_a_refused_newcomer_was_never_here() -> None:
    world = World()
    (ben,) = world.meeting("ben")
    ada = Client(world, "ada", rights=Rights(publish=()))
    with pytest.raises(Refusal):
        ada.enter()
    world.clients.pop("ada")
    assert known(ben) == {"ben": True}
    assert world.journal.lines[-1] == ("entered", "ben")


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (Limits(max_slots=12, max_tracks=2), True),
        (Limits(max_slots=11), False),
        (Limits(max_tracks=1), False),
    ],
)
def test_offers_are_limited(limits: Limits, fits: bool) -> None:
    world = World(limits=limits)
    if fits:
        world.join("ada")
    else:
        with pytest.raises(Refusal) as refusal:
            world.join("ada")
        assert refusal.value.code is Code.BAD_OFFER


def test_tracks_come_and_go_with_further_offers() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    camera, both = (ada.tracks[1],), ada.tracks
    ada.tracks = camera
    ada.reoffer()
    assert [track.id for track in ben.view.peers[0].tracks] == ["ada.c"]
    world.run(0.5)
    assert "ada" not in ben.heard(world.now - 0.3)
    ada.tracks = both
    ada.reoffer()
    world.run(0.5)
    assert ben.heard(world.now - 0.3) == {"ada"}
    assert ben.sees("ada", world.now - 0.1)
    assert_agreed(world)


def test_the_host_mutes_a_source_and_the_peer_may_unmute() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    world.room.mute_source(ada.peer, Source.MICROPHONE)
    assert [track.muted for track in ben.view.peers[0].tracks] == [True, False]
    world.room.mute(ada.peer, "m", False)
    assert [track.muted for track in ben.view.peers[0].tracks] == [False, False]
    assert_agreed(world)


def test_a_mute_that_changes_nothing_is_not_announced_and_an_unknown_one_refused() -> None:
    world = World()
    (ada,) = world.meeting("ada")
    version = world.room.version
    world.room.mute(ada.peer, "m", False)
    assert world.room.version == version
    with pytest.raises(Refusal) as refusal:
        world.room.mute(ada.peer, "x", True)
    assert refusal.value.code is Code.BAD_MESSAGE


def test_slots_come_and_go_with_further_offers() -> None:
    world = World()
    names = ["ada", "ben", "cyd", "dan"]
    world.meeting(*names)
    viewer = world.join("viewer", camera=None, video_slots=2)
    viewer.show(*names)
    world.run(1.0)
    running = dict(viewer.watching())
    viewer.video_slots = 4
    viewer.reoffer()
    world.run(1.0)
    assert set(viewer.watching().values()) == set(names)
    assert running.items() <= viewer.watching().items()
    assert all(viewer.pictures[ssrc].broken == 0 for ssrc in viewer.pictures)


# --- states ---------------------------------------------------------------------------------------


def test_the_table_of_a_peers_states_leads_nowhere_unknown_and_every_state_can_end() -> None:
    assert set(TRANSITIONS) == set(PeerState)
    for events in TRANSITIONS.values():
        assert set(events.values()) <= set(PeerState)
        assert events[PeerEvent.END] is PeerState.GONE


def test_what_is_missing_in_the_table_cannot_happen() -> None:
    """An open link is lost, not one that never opened; and nothing happens to who is gone."""
    missing = {
        (state, event) for state in PeerState for event in PeerEvent if event not in TRANSITIONS[state]
    }
    gone = {(PeerState.GONE, event) for event in PeerEvent if event is not PeerEvent.END}
    assert missing == {(PeerState.ENTERING, PeerEvent.LINK_LOST)} | gone


def test_a_link_that_ends_after_its_peer_changes_nothing() -> None:
    world = World()
    ada, ben = world.meeting("ada", "ben")
    ada.leave()
    ada.peer.link_closed("late")
    ada.peer.received_rtcp(b"\x81\xce\x00\x02" + bytes(8), world.now)
    ada.peer.close(Code.LEFT)
    world.run(1.0)
    assert known(ben) == {"ben": True}
