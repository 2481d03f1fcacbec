"""Nodes fall silent, are given up, and come back; rooms live on one node, and people stay who they are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from sfu.contract import ticket as tickets
from sfu.contract.operations import PeerEntered, PeerGone, RoomOpened, YieldRoom, command_decoder
from sfu.contract.ticket import Ticket
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, Reply
from tests.support.waiting import until

LEASE_S = 0.5


@dataclass
class Call:
    """Ann's call on the node "old"; the node "new" lives, too."""

    control: Control
    ann: Client
    meeting: dict
    peer: str

    def opened(self, seq: int, epoch: int = 1) -> RoomOpened:
        return RoomOpened(seq=seq, at=self.now, room=self.meeting["id"], epoch=epoch)

    def entered(self, seq: int, peer: str = "") -> PeerEntered:
        room = self.meeting["id"]
        return PeerEntered(seq=seq, at=self.now, room=room, peer=peer or self.peer, ticket="t")

    def gone(self, seq: int) -> PeerGone:
        return PeerGone(seq=seq, at=self.now, room=self.meeting["id"], peer=self.peer, code="left")

    @property
    def now(self) -> float:
        return self.control.clock().timestamp()

    async def join(self, client: Client, **body: object) -> Reply:
        return await client.post(f"/api/meetings/{self.meeting['code']}/join", body)

    async def ticket(self, client: Client, **body: object) -> Ticket:
        reply = await self.join(client, **body)
        assert reply.status == 200, reply.text
        key = self.control.secrets.ticket_key.public_key()
        return tickets.verify(reply.json["ticket"], key, now=self.now)

    async def present(self) -> list[str]:
        reply = await self.ann.get(f"/api/meetings/{self.meeting['code']}/people")
        return [person["peer"] for person in reply.json["items"] if person["left_at"] is None]

    async def lose(self) -> None:
        """Let the old node fall silent until it is given up."""
        self.control.clock.forward(LEASE_S + 0.1)
        await until("Ann's leaving", self.present, accept=lambda present: not present)


@pytest.fixture
async def call(start: Start) -> Call:
    control = await start(node_lease_s=LEASE_S)
    await control.report(node="old", boot="old")
    ann = await control.person("Ann")
    meeting = await control.meeting(ann)
    call = Call(control, ann, meeting, "")
    call.peer = (await call.join(ann)).json["peer"]
    await control.report(call.opened(1), call.entered(2), node="old", boot="old")
    return call


async def test_a_silent_node_keeps_its_room_until_it_is_given_up(call: Call) -> None:
    call.control.clock.forward(LEASE_S + 0.1)
    await call.control.report(node="new", boot="new")
    while (reply := await call.join(call.ann)).status != 200:
        assert (reply.code, reply.headers["Retry-After"]) == ("no_node", "1")
    assert await call.present() == [], "it was given up before"
    ticket = tickets.verify(reply.json["ticket"], call.control.secrets.ticket_key.public_key(), now=call.now)
    assert (ticket.node, ticket.epoch) == ("new", 2)


async def test_a_node_that_comes_back_gets_its_people_back(call: Call) -> None:
    await call.lose()
    back = await call.control.report(node="old", boot="old")
    assert back.json == {"acknowledged": 2, "census": True}
    assert (await call.control.report(node="old", boot="old")).json == {"acknowledged": 2}
    await call.control.report(call.opened(3), call.entered(4), node="old", boot="old")
    assert await call.present() == [call.peer]
    await call.control.report(node="new", boot="new")
    ticket = await call.ticket(call.ann)
    assert (ticket.node, ticket.epoch) == ("old", 1)


@pytest.fixture
async def door(call: Call) -> AsyncIterator[tuple[str, list[object]]]:
    """What a node takes commands with, and those taken."""
    taken: list[object] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(command_decoder.decode(await request.read()))
        return web.json_response({})

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/internal/commands", take)
    app.router.add_get("/healthz", health)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", taken
    await runner.cleanup()


async def test_a_room_that_was_placed_anew_ends_where_it_was(
    call: Call, door: tuple[str, list[object]]
) -> None:
    url, taken = door
    await call.lose()
    await call.control.report(node="new", boot="new")
    assert (await call.ticket(call.ann, peer=call.peer)).node == "new"
    await call.control.report(call.opened(1, epoch=2), call.entered(2), node="new", boot="new")
    await call.control.report(node="old", boot="old", internal_url=url)
    await call.control.report(call.opened(3), call.entered(4), node="old", boot="old", internal_url=url)

    async def told() -> list[object]:
        return taken

    await until("the old node told", told)
    assert taken == [YieldRoom(room=call.meeting["id"], epoch=2)]
    await call.control.report(call.gone(5), node="old", boot="old", internal_url=url)
    assert await call.present() == [call.peer], "she is on the new node"
    assert (await call.ticket(call.ann, peer=call.peer)).node == "new"


async def test_a_node_that_refuses_connections_is_given_up_at_once(call: Call) -> None:
    await call.control.report(node="new", boot="new")
    ticket = await call.ticket(call.ann, peer=call.peer, unreachable=True)
    assert (ticket.node, ticket.epoch, ticket.peer) == ("new", 2, call.peer)
    await call.control.report(call.opened(1, epoch=2), call.entered(2), node="new", boot="new")
    assert await call.present() == [call.peer]
    people = (await call.ann.get(f"/api/meetings/{call.meeting['code']}/people")).json["items"]
    assert len(people) == 1


async def test_a_node_that_answers_keeps_its_room(call: Call, door: tuple[str, list[object]]) -> None:
    await call.control.report(node="new", boot="new")
    await call.control.report(node="old", boot="old", internal_url=door[0])
    ticket = await call.ticket(call.ann, peer=call.peer, unreachable=True)
    assert (ticket.node, ticket.epoch, ticket.peer) == ("old", 1, call.peer)
    assert await call.present() == [call.peer]


async def test_a_guest_goes_on_as_the_same(call: Call) -> None:
    guest = await call.control.guest(call.meeting["code"], "Gil")
    peer = guest.user["peer"]
    assert (await call.ticket(guest, name="Gil", peer=peer)).peer == peer
    again = await call.ticket(guest, name="Gil")
    assert again.peer != peer


async def test_nobody_goes_on_as_somebody_else(call: Call) -> None:
    bob, stranger = await call.control.person("Bob"), call.control.client()
    guest = await call.control.guest(call.meeting["code"], "Gil")
    for client, name in ((bob, "Bob"), (stranger, "Mallory"), (guest, "Gil")):
        for peer in (call.peer, "x" * 64, guest.user["peer"]):
            if (client, peer) == (guest, guest.user["peer"]):
                continue
            ticket = await call.ticket(client, name=name, peer=peer)
            assert ticket.peer != peer
            assert ticket.name == name
