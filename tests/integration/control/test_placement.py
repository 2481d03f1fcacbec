"""Which node a ticket names: when nodes are full, in other regions, or asked many times at once."""

import asyncio
import dataclasses
from collections import Counter
from pathlib import Path

import sqlalchemy
from yarl import URL

from control.settings import Settings as ControlSettings
from sfu.contract import signals
from sfu.contract.operations import Load, RoomOpened
from tests.integration.control.conftest import PLENTY, Start, running
from tests.integration.control.harness import Client, Control, Reply
from tests.integration.control.jobbing import Ticking
from tests.integration.control.real_nodes import ROOMY, real_node
from tests.integration.node.client import Client as Caller
from tests.support.waiting import until

FULL = Load(peers=50, fullness=0.95, full=True)


async def join(client: Client, meeting: dict, **body: str) -> Reply:
    return await client.post(f"/api/meetings/{meeting['code']}/join", body)


async def node_of(client: Client, meeting: dict, **body: str) -> str:
    reply = await join(client, meeting, **body)
    assert reply.status == 200, reply.text
    return URL(reply.json["signal_url"]).host or ""


async def report(control: Control, node: str, *events: RoomOpened, **fields: object) -> None:
    """Report as the node of this name, whose WebSocket is at a host of the same name."""
    reply = await control.report(*events, node=node, boot=node, signal_url=f"wss://{node}/signal", **fields)
    assert reply.status == 200, reply.text


async def test_a_full_node_gets_no_new_room(control: Control) -> None:
    await report(control, "a", load=FULL)
    await report(control, "b", load=Load(peers=90, fullness=0.8))
    ann = await control.person()
    assert await node_of(ann, await control.meeting(ann)) == "b"


async def test_who_was_turned_away_by_a_full_node_is_not_sent_there_again(control: Control) -> None:
    await report(control, "a")
    ann = await control.person()
    waiting, running_ = await control.meeting(ann), await control.meeting(ann)
    assert await node_of(ann, waiting) == "a"
    assert await node_of(ann, running_) == "a"
    opened = RoomOpened(seq=1, at=control.clock().timestamp(), room=running_["id"])
    await report(control, "b")
    await report(control, "a", opened, load=FULL)
    assert await node_of(ann, waiting) == "b"
    assert await node_of(ann, running_) == "a"  # only there, so only it can say whether there is a place
    await report(control, "a")
    assert await node_of(ann, waiting) == "b"  # others may be on their way there


async def test_it_is_told_whether_all_nodes_are_full_or_none_is_there(control: Control) -> None:
    ann = await control.person()
    meeting = await control.meeting(ann)
    none = await join(ann, meeting)
    assert (none.status, none.code) == (503, "no_node")
    await report(control, "a", draining=True, load=FULL)
    assert (await join(ann, meeting)).code == "no_node"
    await report(control, "b", load=FULL)
    full = await join(ann, meeting)
    assert (full.status, full.code) == (503, "nodes_full")
    assert int(full.headers["Retry-After"]) > 0
    assert none.json["error"]["message"] != full.json["error"]["message"]
    control.clock.forward(16)
    assert (await join(ann, meeting)).code == "no_node"
    await report(control, "b")
    assert await node_of(ann, meeting) == "b"


async def test_whoever_is_first_brings_the_room_to_their_region(control: Control) -> None:
    await report(control, "a", region="us")
    await report(control, "b", region="eu", load=Load(peers=9, fullness=0.5))
    ann = await control.person()
    near, far = await control.meeting(ann), await control.meeting(ann)
    assert await node_of(ann, near, region="eu") == "b"
    assert await node_of(ann, near, region="us") == "b"
    assert await node_of(ann, far, region="mars") == "a"
    await report(control, "b", region="eu", load=FULL)
    assert await node_of(ann, await control.meeting(ann), region="eu") == "a"


async def test_who_names_no_region_is_taken_to_be_in_that_of_the_replica(start: Start) -> None:
    here, there, anywhere = await start(region="eu"), await start(region="us"), await start()
    await report(here, "a", region="us")
    await report(here, "b", region="eu", load=Load(peers=9, fullness=0.5))
    for replica, named, taken in (
        (here, {}, "b"),
        (there, {}, "a"),
        (anywhere, {}, "a"),
        (here, {"region": "us"}, "a"),
        (here, {"region": ""}, "b"),
    ):
        ann = await replica.person()
        assert await node_of(ann, await replica.meeting(ann), **named) == taken


async def test_a_region_that_cannot_be_one_is_refused(control: Control) -> None:
    await control.report()
    ann = await control.person()
    path = f"/api/meetings/{(await control.meeting(ann))['code']}/join"
    for region in ("x" * 65, "a\nb", "\0", "é", 7):
        reply = await ann.post(path, {"region": region})
        assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["region"])


async def test_rooms_between_two_reports_go_to_different_nodes(control: Control) -> None:
    for node, fullness in (("a", 0.1), ("b", 0.12), ("c", 0.5)):
        await report(control, node, load=Load(peers=10, fullness=fullness))
    ann = await control.person()
    nodes = [await node_of(ann, await control.meeting(ann)) for _ in range(10)]
    assert Counter(nodes) == Counter(a=6, b=4)
    control.clock.forward(10)  # those are there now, or never will be
    for node in "abc":
        await report(control, node, load=Load(peers=10, fullness=0.1))
    assert await node_of(ann, await control.meeting(ann)) == "a"


async def test_a_join_that_was_refused_awaits_nobody(control: Control) -> None:
    for node in "ab":
        await report(control, node)
    ann = await control.person()
    ended = await control.meeting(ann)
    await ann.post(f"/api/meetings/{ended['code']}/end")
    for _ in range(3):
        assert (await join(ann, ended)).code == "meeting_ended"
    assert await node_of(ann, await control.meeting(ann)) == "a"


async def test_nodes_may_be_filled_one_after_the_other(start: Start) -> None:
    control = await start(placement="fill-first")
    await report(control, "a", load=Load(peers=1, fullness=0.1))
    await report(control, "b", load=Load(peers=9, fullness=0.6))
    ann = await control.person()
    assert await node_of(ann, await control.meeting(ann)) == "b"
    await report(control, "b", load=FULL)
    assert await node_of(ann, await control.meeting(ann)) == "a"


async def say_hello(control: Control, joined: dict) -> tuple[Caller, signals.Welcome | signals.Closed]:
    """Enter by the ticket; return what the node says."""
    caller = Caller(control.http, joined["signal_url"].replace("ws://", "http://").removesuffix("/signal"))
    caller.add_slots(audio=1, video=0)
    sdp, _ = await caller.offer()
    await caller.connect()
    await caller.send(signals.Hello(ticket=joined["ticket"], offer=sdp))
    return caller, await caller.expect((signals.Welcome, signals.Closed))  # type: ignore[arg-type]


async def test_turned_away_by_a_real_node_one_gets_in_at_another(
    tmp_path: Path, database: sqlalchemy.URL
) -> None:
    settings = ControlSettings(
        data=tmp_path, database_url=database, bcrypt_cost=4, rates=PLENTY, placement="fill-first"
    )
    narrow = dataclasses.replace(ROOMY, peers=1)
    async with (
        running(settings, Ticking()) as control,
        real_node(control, "a") as large,
        real_node(control, "b", narrow) as small,
    ):
        ann = await control.person()
        first, second = await control.meeting(ann), await control.meeting(ann)
        tickets = [(await join(ann, meeting)).json for meeting in (first, second)]
        ports = {URL(ticket["signal_url"]).port for ticket in tickets}
        assert ports == {small.settings.port}  # the one that fill-first begins with
        inside, welcome = await say_hello(control, tickets[0])
        assert isinstance(welcome, signals.Welcome)
        turned_away, closed = await say_hello(control, tickets[1])
        assert isinstance(closed, signals.Closed)
        assert (closed.code, closed.retry) == ("node_full", "join")

        async def again() -> dict:
            return (await join(ann, second)).json

        ticket = await until(
            "a ticket for the other node",
            again,
            accept=lambda joined: URL(joined["signal_url"]).port == large.settings.port,
        )
        elsewhere, welcome = await say_hello(control, ticket)
        assert isinstance(welcome, signals.Welcome)
        third = (await join(ann, first)).json  # of the room on the full node, only that can tell
        assert URL(third["signal_url"]).port == small.settings.port
        too_many, closed = await say_hello(control, third)
        assert isinstance(closed, signals.Closed)
        assert closed.code == "node_full"
        await asyncio.gather(*(each.close() for each in (inside, turned_away, elsewhere, too_many)))
