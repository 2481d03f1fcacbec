"""People meet: aiortc clients over real UDP see and hear each other through a node."""

import asyncio
import json

from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from sfu.contract import signals
from sfu.contract.ticket import Source
from tests.integration.node.conftest import House, eventually


async def frames(track, count: int) -> None:
    async with asyncio.timeout(20):
        for _ in range(count):
            await track.recv()


async def test_two_clients_see_and_hear_each_other(house: House) -> None:
    clients = [house.client(), house.client()]
    for client in clients:
        client.publish(AudioStreamTrack(), Source.MICROPHONE)
        client.publish(VideoStreamTrack(), Source.CAMERA)
        client.add_slots(audio=1, video=1)
        client.open_channels()
        await client.join(house.ticket())
    for client in clients:
        me = next(each for each in client.messages if isinstance(each, signals.Welcome)).peer
        seen = await client.expect(
            signals.Delta,
            lambda delta: isinstance(delta.change, signals.PeerJoined | signals.TrackPublished),
            2,
        ) if client is clients[0] else None
        del seen
        other = next(peer for peer in house.node.rooms["room"].peers.values() if peer.id != me)
        wants = tuple(
            signals.Want(track=info.id, width=640, height=480) for info in other.info.tracks if info.kind == "video"
        )
        await client.send(signals.View(wants=wants))
    for client in clients:
        audio, video = (next(t for t in client.received if t.kind == kind) for kind in ("audio", "video"))
        await asyncio.gather(frames(audio, 20), frames(video, 10))
        labels = [label for each in client.messages if isinstance(each, signals.Slots) for label in each.slots]
        assert {label.track for label in labels} == {
            info.id
            for peer in house.node.rooms["room"].peers.values()
            for info in peer.info.tracks
            if info.id.split(".")[0] != next(
                each for each in client.messages if isinstance(each, signals.Welcome)
            ).peer
        }


async def test_data_channel_messages_reach_the_others_with_the_senders_name(house: House) -> None:
    clients = [house.client() for _ in range(3)]
    welcomes = []
    for client in clients:
        client.open_channels()
        welcomes.append(await client.join(house.ticket()))
    await eventually(lambda: all(c.readyState == "open" for client in clients for c in client.channels.values()))
    text = json.dumps({"topic": "reaction", "body": "👏", "from": "forged"})
    clients[0].channels["reliable"].send(text)
    await eventually(lambda: clients[1].texts and clients[2].texts)
    for client in clients[1:]:
        label, received = client.texts[0]
        assert label == "reliable"
        assert json.loads(received) == {"topic": "reaction", "body": "👏", "from": welcomes[0].peer}
    assert clients[0].texts == []
