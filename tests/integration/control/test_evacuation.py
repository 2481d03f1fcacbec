"""Nodes that drain are emptied: their rooms are placed on others, and people sent after them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sfu.contract import ticket as tickets
from sfu.contract.operations import Load, MoveRoom, PeerEntered, RoomOpened, command_decoder
from sfu.contract.ticket import Ticket
from tests.integration.control.harness import Client, Control
from tests.support.waiting import until

Door = tuple[str, list[object]]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """What the old node takes commands with, and those taken."""
    taken: list[object] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(command_decoder.decode(await request.read()))
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/internal/commands", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", taken
    await runner.cleanup()


async def ticket(control: Control, client: Client, meeting: dict, **body: str) -> Ticket:
    reply = await client.post(f"/api/meetings/{meeting['code']}/join", body)
    assert reply.status == 200, reply.text
    now = control.clock().timestamp()
    return tickets.verify(reply.json["ticket"], control.secrets.ticket_key.public_key(), now=now)


async def talk(control: Control, url: str, seq: int = 1) -> tuple[Client, dict, str]:
    """Have somebody talk in a new meeting on the old node."""
    await control.report(node="old", boot="old", internal_url=url)
    ann = await control.person("Ann")
    meeting = await control.meeting(ann)
    peer = (await ticket(control, ann, meeting)).peer
    at, room = control.clock().timestamp(), meeting["id"]
    await control.report(
        RoomOpened(seq=seq, at=at, room=room, epoch=1),
        PeerEntered(seq=seq + 1, at=at, room=room, peer=peer, ticket="t"),
        node="old",
        boot="old",
        internal_url=url,
    )
    return ann, meeting, peer


async def test_rooms_move_off_a_node_that_drains(control: Control, door: Door) -> None:
    url, taken = door
    ann, meeting, peer = await talk(control, url)
    await control.report(node="new", boot="new")
    reply = await control.report(node="old", boot="old", internal_url=url, draining=True)
    assert reply.json == {"acknowledged": 2, "moving": True}

    async def commands() -> list[object]:
        return taken

    await until("the old node is told", commands)
    assert taken == [MoveRoom(room=meeting["id"], epoch=2)]
    moved = await ticket(control, ann, meeting, peer=peer)
    assert (moved.node, moved.epoch, moved.peer) == ("new", 2, peer)

    at, room = control.clock().timestamp(), meeting["id"]
    await control.report(
        RoomOpened(seq=1, at=at, room=room, epoch=2),
        PeerEntered(seq=2, at=at, room=room, peer=peer, ticket="t"),
        node="new",
        boot="new",
    )
    people = (await ann.get(f"/api/meetings/{meeting['code']}/people")).json["items"]
    assert [(person["peer"], person["left_at"]) for person in people] == [(peer, None)]


async def test_rooms_that_move_at_once_spread_out(control: Control, door: Door) -> None:
    url, taken = door
    calls = [await talk(control, url, seq) for seq in (1, 3, 5, 7)]
    for node in ("one", "two"):
        await control.report(node=node, boot=node)
    await control.report(node="old", boot="old", internal_url=url, draining=True)

    async def commands() -> list[object]:
        return taken

    await until("the old node is told", commands, accept=lambda taken: len(taken) == len(calls))
    nodes = [(await ticket(control, ann, meeting)).node for ann, meeting, _ in calls]
    assert sorted(nodes) == ["one", "one", "two", "two"]


@pytest.mark.parametrize("other", [{"draining": True}, {"load": Load(peers=9, full=True)}])
async def test_a_room_stays_where_it_is_if_no_other_node_takes_it(
    control: Control, door: Door, other: dict
) -> None:
    url, taken = door
    ann, meeting, _ = await talk(control, url)
    await control.report(node="new", boot="new", **other)
    reply = await control.report(node="old", boot="old", internal_url=url, draining=True)
    assert reply.json == {"acknowledged": 2}
    assert (await ticket(control, ann, meeting)).node == "old"

    await control.report(node="new", boot="new")  # now it can

    async def commands() -> list[object]:
        return taken

    await until("the old node is told", commands)
    assert len(taken) == 1
