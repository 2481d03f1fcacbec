"""What bots make of the node's messages."""

import pytest

from sfu.contract import signals
from sfu.contract.codes import Code
from sfu.contract.signals import PeerInfo, TrackInfo
from sfu.contract.ticket import Source
from tests.load.signaling import Conversation, Room, SignalingFailed


def camera(peer: str, *, muted: bool = False) -> TrackInfo:
    return TrackInfo(id=f"{peer}.1", kind="video", source=Source.CAMERA, muted=muted)


def microphone(peer: str) -> TrackInfo:
    return TrackInfo(id=f"{peer}.0", kind="audio", source=Source.MICROPHONE, muted=False)


def person(peer: str) -> PeerInfo:
    return PeerInfo(id=peer, name=peer, tracks=(microphone(peer), camera(peer)))


def room(*peers: str) -> Room:
    return Room.of(signals.RoomSnapshot(version=5, room="r", peers=tuple(map(person, peers))))


def test_deltas_lead_from_one_room_to_the_next() -> None:
    here = room("a")
    changes: list[signals.RoomChange] = [
        signals.PeerJoined(peer=PeerInfo(id="b", name="b")),
        signals.TrackPublished(peer="b", track=camera("b")),
        signals.TrackChanged(peer="b", track=camera("b", muted=True)),
        signals.TrackUnpublished(peer="a", track="a.1"),
        signals.PeerConnection(peer="a", connected=False),
    ]
    for number, change in enumerate(changes, start=6):
        here.apply(signals.Delta(version=number, change=change))
    assert here.version == 10
    assert here.peers["a"] == PeerInfo(id="a", name="a", connected=False, tracks=(microphone("a"),))
    assert here.peers["b"].tracks == (camera("b", muted=True),)
    assert here.tracks_of_others("a", "video") == []
    here.apply(signals.Delta(version=11, change=signals.PeerLeft(peer="b", code=Code.LEFT)))
    assert list(here.peers) == ["a"]


@pytest.mark.parametrize(
    "delta",
    [
        signals.Delta(version=7, change=signals.PeerLeft(peer="a", code=Code.LEFT)),
        signals.Delta(version=6, change=signals.PeerLeft(peer="nobody", code=Code.LEFT)),
    ],
)
def test_a_missed_or_senseless_step_is_an_error(delta: signals.Delta) -> None:
    with pytest.raises(SignalingFailed):
        room("a").apply(delta)


@pytest.mark.parametrize(
    ("labels", "pictures", "voices", "unmet"),
    [
        ({"4": "b.1", "5": "c.1"}, {"4", "5"}, 2, ""),
        ({"4": "b.1", "5": "c.1"}, {"4"}, 2, "pictures missing: c.1"),
        ({"4": "b.1"}, {"4", "5"}, 2, "pictures missing: c.1"),
        ({"4": "b.1", "5": "c.1"}, {"4", "5"}, 1, "voices missing: 1 of 2 heard"),
    ],
)
def test_a_bot_tells_what_it_misses(
    labels: dict[str, str | None], pictures: set[str], voices: int, unmet: str
) -> None:
    conversation = Conversation(audio_slots=3, video_slots=2, drawn=(1, 1), labelled=lambda _label: None)
    conversation.room, conversation.me = room("a", "b", "c", "d"), "a"
    conversation.room.apply(signals.Delta(version=6, change=signals.PeerLeft(peer="d", code=Code.LEFT)))
    conversation.labels = labels
    assert conversation.unmet(pictures, voices) == unmet
