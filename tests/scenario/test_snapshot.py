"""Deltas applied to an old snapshot give the new one, whatever happens in a room."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.contract.codes import Code
from sfu.contract.ticket import Source
from sfu.room.peer import PeerState
from sfu.room.ports import Limits, Refusal
from tests.scenario.world import Client, World

HAPPENS = {
    "join": 6,
    "leave": 2,
    "mute": 4,
    "host_mutes": 1,
    "reoffer": 4,
    "go_silent": 3,
    "speak_again": 3,
    "close_link": 2,
    "lose_signalling": 3,
    "come_back": 4,
    "come_back_with_a_new_link": 3,
    "look": 3,
    "wait": 8,
}
"""What may happen, and how often."""


class Story:
    """A small room in which a seed decides what happens."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        limits = Limits(max_peers=4, linger_s=6.0, reload_s=2.0, silent_link_s=2.0, link_timeout_s=3.0)
        self.world = World(limits=limits)

    def step(self) -> str:
        (name,) = self.random.choices(list(HAPPENS), list(HAPPENS.values()))
        here = [client for client in self.world.clients.values() if client.here]
        if name == "join" or not here:
            self.join()
        elif name == "wait":
            self.world.run(self.random.choice([0.05, 0.5, 1.5, 4.0]))
        else:
            getattr(self, name)(self.random.choice(here))
        return name

    def join(self) -> None:
        client = Client(self.world, self.random.choice("abcdef"), camera=(), audio_slots=1, video_slots=1)
        former = self.world.clients.get(client.id)
        try:
            client.enter()
        except Refusal as refusal:
            assert refusal.code is Code.ROOM_FULL
            self.world.clients.pop(client.id)
            if former is not None:
                self.world.clients[client.id] = former

    def leave(self, client: Client) -> None:
        client.leave()

    def mute(self, client: Client) -> None:
        if client.peer.publications:
            mid = self.random.choice(list(client.peer.publications))
            self.world.room.mute(client.peer, mid, self.random.random() < 0.5)

    def host_mutes(self, client: Client) -> None:
        self.world.room.mute_source(client.peer, self.random.choice(list(Source)))

    def reoffer(self, client: Client) -> None:
        every = client.published(m=self.random.random() < 0.5, c=self.random.random() < 0.5)
        client.tracks = tuple(track for track in every if self.random.random() < 0.7)
        client.reoffer()

    def go_silent(self, client: Client) -> None:
        client.up.up = False

    def speak_again(self, client: Client) -> None:
        client.up.up = True

    def close_link(self, client: Client) -> None:
        client.up.up = False
        client.peer.link_closed("closed")

    def lose_signalling(self, client: Client) -> None:
        client.lose_signalling(unloading=self.random.random() < 0.3)

    def come_back(self, client: Client) -> None:
        client.resume_signalling()

    def come_back_with_a_new_link(self, client: Client) -> None:
        client.up.up = True
        client.connect()

    def look(self, client: Client) -> None:
        client.show_all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 80))
def test_deltas_lead_from_any_snapshot_to_the_next(seed: int, length: int) -> None:
    story = Story(seed)
    room = story.world.room
    for _ in range(length):
        what = story.step()
        snapshot = room.snapshot
        for client in story.world.clients.values():
            if client.here and client.outbox.end is None:
                assert client.view == snapshot, f"{client.id} after {what}"
        for peer in room.peers.values():
            assert peer.state is not PeerState.GONE
            assert peer.info.connected is (peer.state is not PeerState.SILENT)
        assert set(room._tracks) == {track.id for peer in snapshot.peers for track in peer.tracks}


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 80))
def test_slots_follow_what_is_published(seed: int, length: int) -> None:
    """Whatever happened: once things are quiet, everybody connected sees somebody who can be seen."""
    story = Story(seed)
    for _ in range(length):
        story.step()
    world = story.world
    for client in world.clients.values():
        client.up.up = True
        if client.here and (client.outbox.end is not None or client.link.closed):
            client.connect()
    for client in world.clients.values():
        if client.here and client.peer.state is PeerState.SILENT:
            client.connect()
    world.run(8.0)
    here = [client for client in world.clients.values() if client.here]
    cameras = {
        client.id
        for client in here
        if any(track.source is Source.CAMERA and not track.muted for track in client.peer.info.tracks)
    }
    for client in here:
        client.show_all()
    world.run(1.0)
    for client in here:
        others = cameras - {client.id}
        shown = set(client.watching().values())
        assert shown <= others
        assert len(shown) == min(1, len(others))
        assert all(client.sees(each, world.now - 0.2) for each in shown)
