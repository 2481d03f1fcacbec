"""Who may enter, and what becomes of those who may not, or who say nonsense."""

import asyncio
import json
import time

import aiohttp
import pytest
from aiortc.mediastreams import VideoStreamTrack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sfu.contract import signals
from sfu.contract.ticket import Rights, Source
from tests.integration.node.client import Client
from tests.integration.node.conftest import House, eventually
from tests.integration.node.test_call import enter


async def refused(house: House, ticket: str) -> signals.Closed:
    """Say hello with a ticket that does not open the door; return what the node says."""
    client = house.client()
    client.add_slots(audio=1, video=0)
    sdp, _ = await client.offer()
    await client.connect()
    await client.send(signals.Hello(ticket=ticket, offer=sdp))
    return await client.expect(signals.Closed)


async def test_wrong_expired_foreign_and_replayed_tickets(house: House) -> None:
    now = int(time.time())
    house_key, house.key = house.key, Ed25519PrivateKey.generate()
    forged = house.ticket()
    house.key = house_key
    cases = {
        "": "ticket_invalid",
        "not.a.jwt": "ticket_invalid",
        forged: "ticket_invalid",
        house.ticket(expires_at=now - 1): "ticket_expired",
        house.ticket(node="n2"): "wrong_node",
    }
    for ticket, code in cases.items():
        closed = await refused(house, ticket)
        assert (closed.code, closed.retry) == (code, "join")
        assert closed.message
    good = house.ticket()
    client = house.client()
    client.add_slots(audio=1, video=0)
    await client.join(good)
    assert (await refused(house, good)).code == "ticket_replayed"
    assert house.node.totals.refusals["ticket_invalid"] == 3
    assert list(house.node.rooms) == ["room"]


async def test_a_ticket_opens_its_own_room_only(house: House) -> None:
    anna = await enter(house, "anna")
    stranger = house.client()
    stranger.add_slots(audio=1, video=1)
    welcome = await stranger.join(house.ticket(room="other", peer="stranger"))
    assert [peer.id for peer in welcome.room.peers] == ["stranger"]
    await stranger.send(signals.View(wants=(signals.Want(track="anna.1", width=640, height=480),)))
    await stranger.send(signals.Ping(id=1))
    await stranger.expect(signals.Pong)
    slots = house.node.rooms["other"].peers["stranger"].slots.values()
    assert all(slot.track is None for slot in slots)
    del anna


async def test_rights_are_kept(house: House) -> None:
    client = house.client()
    client.publish(VideoStreamTrack(), Source.CAMERA)
    sdp, tracks = await client.offer()
    await client.connect()
    ticket = house.ticket(rights=Rights(publish=(Source.MICROPHONE,)))
    await client.send(signals.Hello(ticket=ticket, offer=sdp, tracks=tracks))
    closed = await client.expect(signals.Closed)
    assert closed.code == "forbidden"
    assert "camera" in closed.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type": "hello"}',
        '{"type": "unheard_of"}',
        '{"type": "view", "wants": []}',
        "{" * 5000,
        '{"type": "hello", "offer": "v=0", "ticket": 7}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
async def test_nonsense_before_hello_ends_the_connection(house: House, text: str) -> None:
    client = house.client()
    await client.connect()
    await client.socket.send_str(text)
    assert (await client.expect(signals.Closed)).code == "bad_message"


async def test_nonsense_after_hello_is_refused_and_the_call_goes_on(house: House) -> None:
    anna = await enter(house, "anna")
    for text in (
        "{}",
        "nonsense",
        '{"type": "view", "wants": 1}',
        '{"type":"mute","mid":"x y","muted":true}',
    ):
        anna.messages.clear()
        await anna.socket.send_str(text)
        assert (await anna.expect(signals.Refused)).code == "bad_message"
    anna.messages.clear()
    await anna.send(signals.Offer(id=3, sdp="v=0\r\nnonsense"))
    bad = await anna.expect(signals.Refused)
    assert (bad.code, bad.id) == ("bad_offer", 3)
    anna.messages.clear()
    await anna.send(signals.Mute(mid="99", muted=True))
    assert (await anna.expect(signals.Refused)).code == "bad_message"
    await anna.send(signals.Ping(id=5))
    assert (await anna.expect(signals.Pong)).id == 5


async def test_a_message_too_large_ends_only_its_own_connection(house: House) -> None:
    anna = await enter(house, "anna")
    loud = house.client()
    await loud.connect()
    await loud.socket.send_str(json.dumps({"type": "hello", "offer": "x" * 2_000_000}))
    await eventually(lambda: house.node.totals.refusals["message_too_large"] == 1)
    await anna.send(signals.Ping(id=1))
    await anna.expect(signals.Pong)


async def test_too_many_messages_end_the_connection_which_can_resume(house: House) -> None:
    anna = await enter(house, "anna")
    for number in range(400):
        try:
            await anna.send(signals.Ping(id=number))
        except (ConnectionError, aiohttp.ClientError):
            break
    closed = await anna.expect(signals.Closed)
    assert (closed.code, closed.retry) == ("rate_limited", "resume")
    assert len(house.node.seats) == 1


async def test_the_protocol_version_is_checked(house: House) -> None:
    client = house.client()
    await client.connect()
    await client.send(signals.Hello(protocol=99, ticket=house.ticket(), offer="v=0"))
    assert (await client.expect(signals.Closed)).code == "protocol_unsupported"


async def test_a_draining_node_opens_no_new_room(house: House) -> None:
    anna = await enter(house, "anna")
    house.node.drain(600)
    assert (await refused(house, house.ticket(room="new"))).code == "draining"
    ben = await enter(house, "ben")
    del anna, ben
    assert len(house.node.seats) == 2


async def test_a_client_that_never_makes_a_link_is_told_why(house: House) -> None:
    client: Client = house.client()
    client.add_slots(audio=1, video=0)
    sdp, _ = await client.offer()
    await client.connect()
    await client.send(signals.Hello(ticket=house.ticket(), offer=sdp))
    closed = await client.expect(signals.Closed, timeout_s=15)
    assert (closed.code, closed.retry) == ("link_timeout", "join")
    await asyncio.wait_for(client.socket.receive(), 5)
