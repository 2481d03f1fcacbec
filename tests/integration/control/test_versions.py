"""Control and nodes of neighbouring versions: what one does not know of the other is passed over, counted."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy

from control.clock import utc_now
from control.database import Database
from control.nodes import store
from control.nodes.commands import Commands
from control.settings import Settings
from sfu.contract.operations import (
    CONTROL_AUDIENCE,
    Command,
    Drain,
    Load,
    PeerEntered,
    PeerGone,
    Report,
    RoomOpened,
    Undrain,
    sign_token,
    written,
)
from tests.integration.control.conftest import PLENTY, Start, running
from tests.integration.control.harness import Control, Reply
from tests.integration.control.jobbing import Ticking
from tests.integration.control.real_nodes import real_node
from tests.integration.control.test_nodes import call_on
from tests.integration.control.test_placement import say_hello
from tests.support.waiting import until


class Dim(Command, frozen=True, kw_only=True, tag="dim"):
    """A command of a later version."""

    lamps: int


async def report(control: Control, *events: dict[str, Any], **fields: Any) -> Reply:
    """Report as a node of a later version does, which tells of more."""
    usual = Report(
        node="node-1",
        boot="boot-1",
        signal_port=8081,
        internal_url="http://127.0.0.1:9",
        version="2",
        load=Load(),
    )
    text = json.loads(msgspec.json.encode(usual)) | {"events": events, "lamps": 4, **fields}
    text["load"] |= {"lumens": 1.5}
    token = sign_token(control.secrets.cluster, audience=CONTROL_AUDIENCE, now=control.clock().timestamp())
    return await control.client(token).post("/internal/nodes/report", text)


def told(event: RoomOpened | PeerEntered | PeerGone, **more: Any) -> dict[str, Any]:
    """Return an event as a later version tells it."""
    return json.loads(bytes(written(event))) | {"later": [1]} | more


async def counted(control: Control, name: str, outcome: str) -> float:
    page = (await control.client().get("/metrics")).text
    start = f'parley_control_{name}_total{{outcome="{outcome}"}} '
    lines = [line for line in page.splitlines() if line.startswith(start)]
    return float(lines[0].removeprefix(start)) if lines else 0


async def test_a_later_node_is_understood_as_far_as_it_can_be(control: Control) -> None:
    call = await call_on(control)
    at = control.clock().timestamp()
    opened = RoomOpened(seq=1, at=at, room=call.room, epoch=1)
    lit = {"type": "room_lit", "seq": 2, "at": at, "room": call.room, "lamps": 4}
    lit_again = lit | {"seq": 4, "room": "nowhere"}
    reply = await report(control, told(opened), lit, told(call.entered(3)), lit_again)
    assert (reply.status, reply.json) == (200, {"acknowledged": 4})
    assert [person["left_at"] for person in await call.people()] == [None]
    assert await counted(control, "node_events", "not_understood") == 2
    reply = await report(control, lit, lit_again, told(call.gone(5), code="out_of_cheese"))
    assert reply.json == {"acknowledged": 5}
    assert [person["left_at"] is None for person in await call.people()] == [False]
    assert await counted(control, "node_events", "not_understood") == 2, "what was told twice is counted once"
    assert (await report(control, {"type": "room_lit"})).code == "invalid"


async def test_events_of_a_later_version_are_acknowledged_whichever_database_their_room_is_in(
    start: Start, databases: list[sqlalchemy.URL]
) -> None:
    first, second = databases
    control = await start(database_url=first, shard_urls=(second,))
    call = await call_on(control)
    lit = {"type": "room_lit", "seq": 1, "at": 0, "room": call.room}
    assert (await report(control, lit, lit | {"seq": 2, "room": "nowhere"})).json == {"acknowledged": 2}
    assert await counted(control, "node_events", "not_understood") == 2


async def order(database: sqlalchemy.URL, node: str, *commands: Command) -> None:
    """Leave commands for a node as control of a later version does."""
    there = Database(database, readers=1, writers=1)
    async with there.write() as session:
        for command in commands:
            await Commands(utc_now).command(session, node, command)
    await there.close()


async def left(database: sqlalchemy.URL) -> list[str]:
    there = Database(database, readers=1, writers=1)
    async with there.read() as session:
        commands = await store.due_commands(session, utc_now().replace(year=9999), 10)
    await there.close()
    return [command.body for command in commands]


async def test_a_node_is_told_what_it_does_not_know_once_and_goes_on(
    tmp_path: Path, database: sqlalchemy.URL
) -> None:
    settings = Settings(data=tmp_path, database_url=database, bcrypt_cost=4, rates=PLENTY)
    async with running(settings, Ticking()) as control, real_node(control, "n") as node:
        ann = await control.person()
        code = (await control.meeting(ann))["code"]
        joined = (await ann.post(f"/api/meetings/{code}/join")).json
        caller, _ = await say_hello(control, joined)
        await asyncio.to_thread(asyncio.run, order(database, "n", Dim(lamps=4), Drain(), Dim(lamps=5)))

        await until("nothing is left to be told", lambda: left(database), accept=lambda bodies: not bodies)
        assert node.draining, "it did what it knows"
        assert await counted(control, "node_commands", "not_understood") == 2
        assert await counted(control, "node_commands", "taken") == 1
        assert node.totals.refusals["bad_message"] == 2
        await asyncio.to_thread(asyncio.run, order(database, "n", Undrain()))
        await until("it takes rooms again", lambda: asyncio.sleep(0, not node.draining))
        assert node.peers == 1, "the call went on"
        await caller.close()
