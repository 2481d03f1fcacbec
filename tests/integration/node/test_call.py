"""People meet: aiortc clients over real UDP see and hear each other through a node."""

import asyncio
import json
from typing import Any

from aiortc import MediaStreamTrack, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from sfu.contract import signals
from sfu.contract.signals import PeerJoined, TrackPublished, View, Want
from sfu.contract.ticket import Source
from sfu.room.peer import PeerState
from tests.integration.node.client import Client
from tests.integration.node.conftest import House, eventually


async def receive_frames(client: Client, kind: str, count: int) -> None:
    """Decode frames of the first slot of a kind."""
    track: MediaStreamTrack = next(track for track in client.received if track.kind == kind)
    async with asyncio.timeout(20):
        for _ in range(count):
            await track.recv()


async def enter(house: House, name: str, **ticket: Any) -> Client:
    """Join with sound, picture, one slot of each and data channels; the ticket is changed as said."""
    client = house.client()
    client.publish(AudioStreamTrack(), Source.MICROPHONE)
    client.publish(VideoStreamTrack(), Source.CAMERA)
    client.add_slots(audio=1, video=1)
    client.open_channels()
    await client.join(house.ticket(peer=name, name=name, **ticket))
    await eventually(lambda: house.node.rooms["room"].peers[name].state is PeerState.CONNECTED)
    return client


async def test_two_clients_see_and_hear_each_other(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await anna.send(View(wants=(Want(track="ben.1", width=640, height=480),)))
    await ben.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    for client in (anna, ben):
        await asyncio.gather(receive_frames(client, "audio", 20), receive_frames(client, "video", 10))
    for client, other in ((anna, "ben"), (ben, "anna")):
        labels = {
            label.track for each in client.messages if isinstance(each, signals.Slots) for label in each.slots
        }
        assert labels == {f"{other}.0", f"{other}.1"}


async def test_the_first_hears_of_the_second_and_the_second_finds_the_first(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    joined = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, PeerJoined))
    assert joined.change.peer.id == "ben"
    published = [
        each.change.track.source
        for each in anna.messages
        if isinstance(each, signals.Delta) and isinstance(each.change, TrackPublished)
    ]
    assert published == [Source.MICROPHONE, Source.CAMERA]
    welcome = await ben.expect(signals.Welcome)
    assert [peer.id for peer in welcome.room.peers] == ["anna", "ben"]
    assert len(welcome.room.peers[0].tracks) == 2


async def test_a_muted_track_is_not_forwarded_and_comes_back_at_a_key_frame(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await ben.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    await anna.send(signals.Mute(mid="1", muted=True))
    await ben.expect(signals.Slots, lambda slots: slots.slots[0].mid == "3" and slots.slots[0].track is None)
    slot = house.node.rooms["room"].peers["ben"].slots["3"]
    forwarded = slot.packets
    layer = house.node.rooms["room"].peers["anna"].publications["1"].line.track.layers[0]
    dropped = layer.drops["muted"]
    await eventually(lambda: layer.drops["muted"] > dropped + 5)
    assert slot.packets == forwarded
    await anna.send(signals.Mute(mid="1", muted=False))
    await eventually(lambda: slot.packets > forwarded)
    await receive_frames(ben, "video", 5)


async def test_more_slots_are_offered_on_the_running_connection(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    del anna
    ben.add_slots(audio=0, video=2)
    sdp, tracks = await ben.offer()
    await ben.send(signals.Offer(id=7, sdp=sdp, tracks=tracks))
    answer = await ben.expect(signals.Answer)
    assert answer.id == 7
    await ben.pc.setRemoteDescription(RTCSessionDescription(sdp=answer.sdp, type="answer"))
    assert [slot.kind for slot in house.node.rooms["room"].peers["ben"].slots.values()].count("video") == 3


async def test_data_messages_reach_the_others_with_the_senders_name(house: House) -> None:
    clients = [await enter(house, name) for name in ("anna", "ben", "cleo")]
    channels = [channel for client in clients for channel in client.channels.values()]
    await eventually(lambda: all(channel.readyState == "open" for channel in channels))
    clients[0].channels["reliable"].send(json.dumps({"topic": "reaction", "body": "👏", "from": "forged"}))
    await eventually(lambda: clients[1].texts and clients[2].texts)
    for client in clients[1:]:
        label, text = client.texts[0]
        assert label == "reliable"
        assert json.loads(text) == {"topic": "reaction", "body": "👏", "from": "anna"}
    assert clients[0].texts == []


async def test_a_data_message_to_one_reaches_only_that_one(house: House) -> None:
    clients = [await enter(house, name) for name in ("anna", "ben", "cleo")]
    channels = [channel for client in clients for channel in client.channels.values()]
    await eventually(lambda: all(channel.readyState == "open" for channel in channels))
    clients[0].channels["reliable"].send(json.dumps({"topic": "wave", "body": 1, "to": "ben"}))
    clients[0].channels["reliable"].send(json.dumps({"topic": "all", "body": 2}))
    await eventually(lambda: len(clients[1].texts) == 2 and clients[2].texts)
    assert [json.loads(text)["topic"] for _, text in clients[2].texts] == ["all"]


async def test_leaving_is_told_to_the_others_and_frees_the_place(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await ben.send(signals.Leave())
    gone = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, signals.PeerLeft))
    assert (gone.change.peer, gone.change.code) == ("ben", "left")
    assert list(house.node.rooms["room"].peers) == ["anna"]
    await anna.send(signals.Leave())
    await eventually(lambda: not house.node.rooms and not house.node.seats)
    links = house.node.network.counters.links
    assert links["connected"] == 0
