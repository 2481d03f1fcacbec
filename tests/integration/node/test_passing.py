"""Any node takes any connection: it is passed on to the node its ticket or resume token names."""

import time
from dataclasses import replace

import aiohttp
import pytest
from aiortc.mediastreams import VideoStreamTrack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sfu.contract import signals
from sfu.contract.operations import sign_token
from sfu.contract.signals import View, Want
from sfu.contract.ticket import Source, verify
from sfu.node.destination import Destination, resume_token
from sfu.node.passing import CLIENT_HEADER
from sfu.node.settings import Settings
from tests.integration.node.client import Client
from tests.integration.node.conftest import SECRET, House, eventually, open_house
from tests.integration.node.test_call import enter, receive_frames
from tests.integration.node.test_entry import refused


@pytest.fixture
async def door(house: House, settings: Settings):
    """A second node of the cluster, for which no room is placed."""
    async with open_house(replace(settings, node_id="n2"), house.key) as door:
        yield door


def through(door: House, house: House) -> House:
    """Return the first house as somebody enters it who comes to the other's door."""
    return replace(house, url=door.url)


async def test_media_flows_to_who_came_to_another_node(house: House, door: House) -> None:
    anna = await enter(house, "anna", address=house.url)
    ben = await enter(through(door, house), "ben", address=house.url)
    await ben.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    await ben.send(signals.Ping(id=7))
    assert (await ben.expect(signals.Pong)).id == 7
    assert list(house.node.rooms["room"].peers) == ["anna", "ben"]
    assert (door.node.totals.passed_on, door.node.rooms) == (1, {})
    await ben.send(signals.Leave())
    gone = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, signals.PeerLeft))
    assert gone.change.code == "left"


async def test_a_node_may_say_more_at_once_than_a_client_may(house: House, settings: Settings) -> None:
    await enter(house, "anna", address=house.url)
    room = house.node.rooms["room"]
    for number in range(200):
        ticket = house.ticket(peer=f"p{number}", name="x" * 80)
        peer = room.enter(verify(ticket, house.key.public_key(), now=0), resume="", seed=bytes(16))
        room.peers[peer.id] = peer
    async with open_house(replace(settings, node_id="n2", max_message_bytes=16 << 10), house.key) as door:
        ben = door.client()
        ben.add_slots(audio=1, video=0)
        welcome = await ben.join(house.ticket(peer="ben", address=house.url))
        assert len(welcome.room.peers) == 202


async def test_a_stay_is_taken_up_by_any_door(house: House, door: House) -> None:
    await enter(house, "anna", address=house.url)
    ben = await enter(house, "ben", address=house.url)
    first = await ben.expect(signals.Welcome)
    await ben.drop()
    again = through(door, house).client()
    again.publish(VideoStreamTrack(), Source.CAMERA)
    again.add_slots(audio=1, video=1)
    welcome = await again.join(resume=first.resume)
    assert [peer.id for peer in welcome.room.peers] == ["anna", "ben"]
    await again.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(again, "video", 5)


async def test_a_page_that_goes_is_known_to_go_through_another_door(house: House, door: House) -> None:
    anna = await enter(house, "anna", address=house.url)
    ben = await enter(through(door, house), "ben", address=house.url)
    assert ben.socket is not None
    began = time.monotonic()
    await ben.socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)
    await ben.pc.close()
    gone = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, signals.PeerLeft))
    assert gone.change.peer == "ben"
    assert time.monotonic() - began >= house.node.settings.limits.reload_s * 0.9


async def test_a_door_that_closes_leaves_the_stay_alone(house: House, door: House) -> None:
    ben = await enter(through(door, house), "ben", address=house.url)
    door.endpoint.close()
    closed = await ben.expect(signals.Closed)
    assert (closed.code, closed.retry) == ("draining", "resume")
    assert list(house.node.rooms["room"].peers) == ["ben"]


async def test_a_node_that_does_not_answer_is_named_so(house: House, door: House) -> None:
    nowhere = "http://127.0.0.1:9"
    closed = await refused(door, house.ticket(address=nowhere))
    assert (closed.code, closed.retry) == ("node_unreachable", "join")
    client = door.client()
    client.add_slots(audio=1, video=0)
    sdp, _ = await client.offer()
    await client.connect()
    token = resume_token(Destination("n1", nowhere), SECRET)
    await client.send(signals.Hello(resume=token, offer=sdp))
    assert (await client.expect(signals.Closed)).code == "node_unreachable"


async def test_what_is_forged_is_passed_on_to_nobody(house: House, door: House) -> None:
    stranger = replace(house, key=Ed25519PrivateKey.generate())
    assert (await refused(door, stranger.ticket(address=house.url))).code == "ticket_invalid"
    client = door.client()
    client.add_slots(audio=1, video=0)
    sdp, _ = await client.offer()
    await client.connect()
    forged = resume_token(Destination("n1", house.url), b"another secret of 32 bytes......")
    await client.send(signals.Hello(resume=forged, offer=sdp))
    assert (await client.expect(signals.Closed)).code == "resume_unknown"
    assert door.node.totals.passed_on == 0


@pytest.mark.parametrize("audience", [None, "n1"])
async def test_only_nodes_may_say_that_they_pass_somebody_on(door: House, audience: str | None) -> None:
    headers = {CLIENT_HEADER: "127.0.0.1"}
    if audience is not None:  # a token for another node
        headers["Authorization"] = f"Bearer {sign_token(SECRET, audience=audience, now=time.time())}"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await door.http.ws_connect(f"{door.url}/signal", headers=headers)
    assert caught.value.status == 401


async def test_a_connection_is_passed_on_once(house: House, door: House) -> None:
    """Two nodes that each took the other for the right one would pass it on for ever."""
    astray = house.ticket(node="n3", address=house.url)
    closed = await refused(door, astray)
    assert closed.code == "node_unreachable", "the node refused a token for another"
    headers = {
        CLIENT_HEADER: "127.0.0.1",
        "Authorization": f"Bearer {sign_token(SECRET, audience='n2', now=time.time())}",
    }
    client = Client(door.http, door.url, headers)
    client.add_slots(audio=1, video=0)
    sdp, _ = await client.offer()
    await client.connect()
    await client.send(signals.Hello(ticket=house.ticket(address=house.url), offer=sdp))
    assert (await client.expect(signals.Closed)).code == "wrong_node"
    await client.close()


async def test_of_two_places_of_a_room_the_newer_lives(house: House, door: House) -> None:
    anna = await enter(house, "anna", address=house.url, epoch=1)
    ben = house.client()
    ben.add_slots(audio=1, video=0)
    await ben.join(house.ticket(peer="ben", node="n2", address=door.url, epoch=2))
    closed = await anna.expect(signals.Closed)
    assert (closed.code, closed.retry) == ("room_moved", "join")
    await eventually(lambda: not house.node.rooms)
    assert list(door.node.rooms["room"].peers) == ["ben"]
    late = await refused(door, house.ticket(node="n2", epoch=1))
    assert (late.code, late.retry) == ("ticket_superseded", "join")
