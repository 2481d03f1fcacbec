import asyncio
import dataclasses

import pytest
from yarl import URL

from control.rates.port import Rate
from sfu.contract import ticket as tickets
from sfu.contract.operations import Load, PeerEntered, PeerGone, RoomClosed, RoomOpened
from sfu.contract.ticket import Rights, Ticket
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Client, Control


def opened(control: Control, joined: dict, node: str = "node-1") -> Ticket:
    """The ticket, as the node reads it."""
    now = control.clock().timestamp()
    ticket = tickets.verify(joined["ticket"], control.secrets.ticket_key.public_key(), now=now)
    assert ticket.node == node
    return ticket


async def join(client: Client, meeting: dict, **body: str):
    return await client.post(f"/api/meetings/{meeting['code']}/join", body)


async def test_an_account_gets_a_ticket(control: Control) -> None:
    await control.report()
    ann, bob = await control.person("Ann"), await control.person("Bob")
    meeting = await control.meeting(ann)
    reply = await join(bob, meeting, name="not Bob")
    joined = reply.json
    assert reply.status == 200
    assert joined == {
        "ticket": joined["ticket"],
        "signal_url": "ws://127.0.0.1:8081/signal",
        "node": "node-1",
        "peer": joined["peer"],
        "room": meeting["id"],
        "name": "Bob",
        "is_host": False,
        "ice_servers": [],
        "access_token": None,
    }
    ticket = opened(control, joined)
    assert ticket == Ticket(
        id=ticket.id,
        room=meeting["id"],
        peer=joined["peer"],
        node="node-1",
        address="http://127.0.0.1:9",
        epoch=1,
        name="Bob",
        user=bob.user["id"],
        rights=Rights(),
        expires_at=int(control.clock().timestamp()) + 300,
    )
    assert (await join(ann, meeting)).json["is_host"] is True


async def test_a_ticket_ends_after_five_minutes(control: Control) -> None:
    await control.report()
    ann = await control.person()
    joined = (await join(ann, await control.meeting(ann))).json
    control.clock.forward(299)
    opened(control, joined)
    control.clock.forward(1)
    with pytest.raises(tickets.TicketRefused):
        opened(control, joined)


async def test_a_guest_gets_a_ticket_and_a_token_for_this_meeting(control: Control) -> None:
    await control.report()
    ann = await control.person()
    meeting = await control.meeting(ann)
    reply = await join(control.client(), meeting, name="  Gus ")
    joined = reply.json
    assert (joined["name"], joined["is_host"]) == ("Gus", False)
    assert opened(control, joined).user is None
    cookie = reply.cookies["parley_guest"]
    assert cookie.value == joined["access_token"]
    assert (cookie["path"], cookie["httponly"]) == (f"/api/meetings/{meeting['code']}", True)
    guest = control.client(joined["access_token"])
    assert (await guest.get(f"/api/meetings/{meeting['code']}/messages")).status == 200


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": " \t"}, {"name": None}])
async def test_a_guest_needs_a_name(control: Control, body: dict) -> None:
    await control.report()
    meeting = await control.meeting(await control.person())
    reply = await control.client().post(f"/api/meetings/{meeting['code']}/join", body)
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["name"])


async def test_a_meeting_without_guests(control: Control) -> None:
    await control.report()
    ann, bob = await control.person("Ann"), await control.person("Bob")
    meeting = await control.meeting(ann, guests_allowed=False)
    refused = await join(control.client(), meeting, name="Gus")
    assert (refused.status, refused.code) == (403, "guests_not_allowed")
    assert (await join(bob, meeting)).status == 200
    other = await control.guest((await control.meeting(ann))["code"])
    assert (await join(other, meeting, name="Gus")).code == "guests_not_allowed"


async def test_who_believes_to_be_signed_in_is_not_taken_for_a_guest(control: Control) -> None:
    await control.report()
    ann = await control.person()
    meeting = await control.meeting(ann)
    control.clock.forward(3600)
    await control.report()
    assert (await join(ann, meeting, name="Ann")).code == "unauthenticated"


async def test_a_guest_whose_cookie_is_of_no_use_any_more_joins_again(control: Control) -> None:
    await control.report()
    meeting = await control.meeting(await control.person())
    ours = {"Cookie": "parley_guest=nonsense", "Origin": str(control.base.origin())}
    reply = await control.client().post(f"/api/meetings/{meeting['code']}/join", {"name": "G"}, headers=ours)
    assert reply.status == 200


async def test_unknown_and_ended_meetings_are_not_joined(control: Control) -> None:
    await control.report()
    ann = await control.person()
    meeting = await control.meeting(ann)
    await ann.post(f"/api/meetings/{meeting['code']}/end")
    assert (await join(ann, meeting)).status == 410
    assert (await join(ann, meeting)).code == "meeting_ended"
    assert (await join(ann, {"code": "aaaa-aaaa-aaaa"})).code == "meeting_unknown"


async def test_without_a_living_node_nobody_joins(control: Control) -> None:
    ann = await control.person()
    meeting = await control.meeting(ann)
    reply = await join(ann, meeting)
    assert (reply.status, reply.code) == (503, "no_node")
    assert "Retry-After" in reply.headers
    await control.report()
    control.clock.forward(3.9)
    assert (await join(ann, meeting)).status == 200
    control.clock.forward(0.2)
    assert (await join(ann, meeting)).code == "no_node"
    await control.report(draining=True)
    assert (await join(ann, meeting)).code == "no_node"
    await control.report()
    assert (await join(ann, meeting)).status == 200


async def test_the_emptiest_node_takes_a_new_room(control: Control) -> None:
    await control.report(node="a", boot="a", load=Load(peers=5))
    await control.report(node="b", boot="b", load=Load(peers=4), signal_url="wss://b.example.org/signal")
    ann = await control.person()
    joined = (await join(ann, await control.meeting(ann))).json
    assert joined["signal_url"] == "wss://b.example.org/signal"
    assert opened(control, joined, "b").node == "b"


async def test_joining_at_the_same_time_leads_to_one_node(control: Control) -> None:
    for node in "abc":
        await control.report(node=node, boot=node)
    meeting = await control.meeting(await control.person())
    guests = await asyncio.gather(*(control.guest(meeting["code"], f"G{number}") for number in range(8)))
    assert len({guest.user["peer"] for guest in guests}) == 8
    for guest in guests:
        opened(control, guest.user, "a")


async def test_a_room_stays_on_its_node_while_it_is_open(control: Control) -> None:
    ann = await control.person()
    meeting = await control.meeting(ann)
    await control.report(node="b", boot="b")
    joined = (await join(ann, meeting)).json
    at = control.clock().timestamp()
    room, peer = meeting["id"], joined["peer"]
    await control.report(
        RoomOpened(seq=1, at=at, room=room),
        PeerEntered(seq=2, at=at, room=room, peer=peer, ticket="t"),
        node="b",
        boot="b",
    )
    control.clock.forward(400)
    await control.report(node="a", boot="a")
    await control.report(node="b", boot="b", load=Load(peers=99), draining=True)
    opened(control, (await join(ann, meeting)).json, "b")  # open there, so there, though it drains
    await control.report(
        PeerGone(seq=3, at=at, room=room, peer=peer, code="left"),
        RoomClosed(seq=4, at=at, room=room, code="left"),
        node="b",
        boot="b",
        load=Load(peers=99),
    )
    opened(control, (await join(ann, meeting)).json, "b")  # a ticket for it is still about
    control.clock.forward(301)
    await control.report(node="a", boot="a")
    await control.report(node="b", boot="b", load=Load(peers=99))
    opened(control, (await join(ann, meeting)).json, "a")


async def test_behind_tls_the_node_is_reached_over_tls(start: Start) -> None:
    control = await start(public_url=URL("https://meet.example.org"))
    await control.report(signal_port=9443)
    ours = {"Origin": "https://meet.example.org"}
    meeting = await control.meeting(await control.person())
    reply = await control.client().post(f"/api/meetings/{meeting['code']}/join", {"name": "G"}, headers=ours)
    assert reply.json["signal_url"] == "wss://meet.example.org:9443/signal"
    assert reply.cookies["parley_guest"]["secure"]


async def test_the_node_is_at_the_host_by_which_the_page_was_reached(control: Control) -> None:
    await control.report()
    meeting = await control.meeting(await control.person())
    for host, url in (
        ("meet.lan:8080", "ws://meet.lan:8081/signal"),
        ("[::1]:8080", "ws://[::1]:8081/signal"),
    ):
        path = f"/api/meetings/{meeting['code']}/join"
        reply = await control.client().post(path, {"name": "G"}, headers={"Host": host})
        assert reply.json["signal_url"] == url


async def test_joins_per_address_are_limited(start: Start) -> None:
    control = await start(rates=dataclasses.replace(PLENTY, join_per_address=Rate(2, 2)))
    await control.report()
    meeting = await control.meeting(await control.person())
    replies = [await join(control.client(), meeting, name="G") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    control.clock.forward(1)
    assert (await join(control.client(), meeting, name="G")).status == 200
