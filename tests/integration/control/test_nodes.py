import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest
import sqlalchemy
from aiohttp import web

from sfu.contract.operations import (
    CONTROL_AUDIENCE,
    CloseRoom,
    Load,
    PeerEntered,
    PeerGone,
    RoomOpened,
    command_decoder,
    sign_token,
    verify_token,
)
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, rows
from tests.support.waiting import until


@dataclass
class Call:
    """One person in one meeting on one node."""

    control: Control
    host: Client
    code: str
    room: str
    peer: str

    def entered(self, seq: int, peer: str | None = None) -> PeerEntered:
        at = self.control.clock().timestamp()
        return PeerEntered(seq=seq, at=at, room=self.room, peer=peer or self.peer, ticket="t")

    def gone(self, seq: int) -> PeerGone:
        at = self.control.clock().timestamp()
        return PeerGone(seq=seq, at=at, room=self.room, peer=self.peer, code="left")

    async def people(self) -> list[dict]:
        reply = await self.host.get(f"/api/meetings/{self.code}/people")
        assert reply.status == 200, reply.text
        return reply.json["items"]

    async def events(self) -> list[str]:
        """Types of all events so far, but for the messages."""
        async with await self.host.listen(self.code, after=0) as socket:
            latest = (await socket.receive_json(timeout=20))["id"]
            frames = [await socket.receive_json(timeout=20) for _ in range(latest)]
        return [frame["type"] for frame in frames if frame["type"] != "message"]


async def call_on(control: Control) -> Call:
    await control.report()
    host = await control.person("Ann")
    meeting = await control.meeting(host)
    joined = (await host.post(f"/api/meetings/{meeting['code']}/join")).json
    return Call(control, host, meeting["code"], meeting["id"], joined["peer"])


@pytest.fixture
async def call(control: Control) -> Call:
    return await call_on(control)


async def test_comings_and_goings_are_recorded(call: Call) -> None:
    control = call.control
    assert await call.people() == []
    assert (await control.report(call.entered(1))).json == {"acknowledged": 1}
    present = {
        "peer": call.peer,
        "name": "Ann",
        "user": call.host.user["id"],
        "joined_at": "2031-05-04T12:00:00Z",
        "left_at": None,
    }
    assert await call.people() == [present]
    control.clock.forward(90)
    await control.report(call.gone(2))
    assert await call.people() == [present | {"left_at": "2031-05-04T12:01:30Z"}]
    assert await call.events() == ["joined", "left"]


async def test_events_sent_again_are_applied_once(call: Call) -> None:
    report = call.control.report
    first = call.entered(1)
    assert (await report(first)).json == {"acknowledged": 1}
    assert (await report(first)).json == {"acknowledged": 1}
    assert (await report(first, call.gone(2))).json == {"acknowledged": 2}
    assert (await report(first)).json == {"acknowledged": 2}
    assert (await report()).json == {"acknowledged": 2}
    assert await call.events() == ["joined", "left"]
    assert (await call.people())[0]["left_at"] is not None


async def test_the_same_report_many_times_at_once_is_applied_once(call: Call) -> None:
    replies = await asyncio.gather(*(call.control.report(call.entered(1), call.gone(2)) for _ in range(6)))
    assert {reply.text for reply in replies} == {'{"acknowledged":2}'}
    assert await call.events() == ["joined", "left"]


async def test_events_of_strangers_are_acknowledged_and_left_alone(call: Call) -> None:
    at = call.control.clock().timestamp()
    reply = await call.control.report(
        call.entered(1, peer="nobody"),
        PeerGone(seq=2, at=at, room="nowhere", peer=call.peer, code="left"),
        PeerEntered(seq=3, at=at, room="nowhere", peer=call.peer, ticket="t"),
        RoomOpened(seq=4, at=at, room="nowhere"),
        call.gone(5),
    )
    assert reply.json == {"acknowledged": 5}
    assert await call.people() == []


@pytest.mark.parametrize("at", [-1e18, 0.0, 1e18])
async def test_a_node_whose_clock_is_wrong_does_no_harm(call: Call, at: float) -> None:
    event = PeerEntered(seq=1, at=at, room=call.room, peer=call.peer, ticket="t")
    assert (await call.control.report(event)).status == 200
    assert [person["joined_at"] for person in await call.people()] == ["2031-05-04T12:00:00Z"]


@pytest.mark.parametrize("at", [-1e18, 0.0, 1e18])
async def test_nobody_leaves_before_they_came_nor_in_the_future(call: Call, at: float) -> None:
    await call.control.report(call.entered(1))
    gone = PeerGone(seq=2, at=at, room=call.room, peer=call.peer, code="left")
    assert (await call.control.report(gone)).status == 200
    assert [person["left_at"] for person in await call.people()] == ["2031-05-04T12:00:00Z"]


async def test_a_node_that_runs_anew_has_lost_its_people(call: Call) -> None:
    await call.control.report(call.entered(7))
    call.control.clock.forward(5)
    assert (await call.control.report(boot="boot-2")).json == {"acknowledged": 0}
    assert (await call.people())[0]["left_at"] == "2031-05-04T12:00:00Z"
    assert await call.events() == ["joined", "left"]


async def test_the_last_word_of_the_run_before_still_counts(call: Call) -> None:
    await call.control.report(call.entered(1))
    call.control.clock.forward(5)
    await call.control.report(boot="boot-2", signal_port=9999)
    late = await call.control.report(call.gone(2), boot="boot-1")
    assert late.json == {"acknowledged": 2}
    assert (await call.people())[0]["left_at"] == "2031-05-04T12:00:05Z"
    assert await call.events() == ["joined", "left"]
    joined = (await call.host.post(f"/api/meetings/{call.code}/join")).json
    assert ":9999/" in joined["signal_url"]


async def test_who_entered_on_a_run_that_is_over_is_not_there(call: Call) -> None:
    await call.control.report(boot="boot-2")
    await call.control.report(call.entered(1), boot="boot-1")
    assert [person["left_at"] is None for person in await call.people()] == [False]


async def test_a_node_that_falls_silent_has_lost_its_people(start: Start) -> None:
    call = await call_on(await start(node_lease_s=0.5))
    await call.control.report(call.entered(1))
    call.control.clock.forward(0.4)
    assert (await call.people())[0]["left_at"] is None
    call.control.clock.forward(0.2)
    people = await until("the sweep", call.people, accept=lambda people: people[0]["left_at"] is not None)
    assert people[0]["left_at"] == "2031-05-04T12:00:00Z"
    call.control.clock.forward(10)
    await call.control.report(call.gone(2))  # it was there all the time, and tells it better
    assert (await call.people())[0]["left_at"] == "2031-05-04T12:00:10.600000Z"
    assert await call.events() == ["joined", "left"]


async def test_a_node_that_stays_away_is_forgotten(start: Start, database: sqlalchemy.URL) -> None:
    call = await call_on(await start(node_lease_s=0.5))
    assert (await call.control.report(call.entered(5))).json == {"acknowledged": 5}
    call.control.clock.forward(24 * 3600 + 1)

    async def nodes() -> int:
        return sum(rows(database, f"SELECT count(*) FROM {table}")[0][0] for table in ("nodes", "boots"))

    await until("the node forgotten", nodes, accept=lambda count: count == 0)
    assert (await call.control.report()).json == {"acknowledged": 0}


async def test_reports_need_the_clusters_token(control: Control) -> None:
    now = control.clock().timestamp()
    secret = control.secrets.cluster
    person = await control.person()
    for token in (
        "",
        "x",
        sign_token(b"y" * 32, audience=CONTROL_AUDIENCE, now=now),
        sign_token(secret, audience="node-1", now=now),
        sign_token(secret, audience=CONTROL_AUDIENCE, now=now - 61),
        sign_token(control.secrets.session, audience=CONTROL_AUDIENCE, now=now),
        person.token or "",
    ):
        assert (await control.report(token=token)).code == "unauthenticated"
    meeting = await control.meeting(person)
    assert (await person.post(f"/api/meetings/{meeting['code']}/join")).code == "no_node"


@pytest.mark.parametrize(
    "change",
    [
        {"internal_url": "file:///etc/passwd"},
        {"internal_url": "http://"},
        {"internal_url": "http://[bad"},
        {"signal_url": "javascript:alert(1)"},
        {"signal_url": "http://x/"},
        {"signal_port": 0},
        {"signal_port": 65536},
        {"node": "a b"},
        {"region": "a\0b"},
        {"load": Load(peers=-1)},
        {"load": Load(cpu=1e30)},
    ],
    ids=str,
)
async def test_reports_that_make_no_sense_are_refused(
    control: Control, database: sqlalchemy.URL, change: dict
) -> None:
    reply = await control.report(**change)
    assert (reply.status, reply.code) == (422, "invalid")
    assert rows(database, "SELECT id FROM nodes") == []


async def test_numbers_that_are_none_are_refused(control: Control) -> None:
    now = control.clock().timestamp()
    node = control.client(sign_token(control.secrets.cluster, audience=CONTROL_AUDIENCE, now=now))
    for number in ("NaN", "Infinity", "1e999"):
        text = f'{{"node":"n","load":{{"cpu":{number}}}}}'
        json = {"Content-Type": "application/json"}
        reply = await node.send("POST", "/internal/nodes/report", data=text, headers=json)
        assert (reply.status, reply.code) == (400, "bad_request")


async def test_how_busy_a_node_is_and_where_is_kept(control: Control, database: sqlalchemy.URL) -> None:
    load = Load(
        rooms=3, peers=9, packets_out_per_s=2500.5, loop_lag_s=0.002, cpu=0.25, fullness=0.5, full=True
    )
    await control.report(load=Load(rooms=1, peers=2, cpu=0.1))
    await control.report(load=load, region="eu-west", version="1.2+x", draining=True)
    kept = 'rooms, peers, packets_out_per_s, loop_lag_s, cpu, fullness, "full", region, version, draining'
    (row,) = await asyncio.to_thread(rows, database, f"SELECT {kept} FROM nodes")
    assert row == (3, 9, 2500.5, 0.002, 0.25, 0.5, True, "eu-west", "1.2+x", True)


@dataclass
class NodeDoor:
    """The part of a node that takes commands."""

    secret: bytes = b""
    statuses: list[int] = field(default_factory=list)
    taken: list[CloseRoom] = field(default_factory=list)
    url: str = ""
    now: float = 0.0

    async def take(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        assert verify_token(token, self.secret, audience="node-1", now=self.now)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        command = command_decoder.decode(await request.read())
        assert isinstance(command, CloseRoom)
        self.taken.append(command)
        return web.Response(status=204)


@pytest.fixture
async def door(control: Control) -> AsyncIterator[NodeDoor]:
    door = NodeDoor(control.secrets.cluster, now=control.clock().timestamp())
    app = web.Application()
    app.router.add_post("/internal/commands", door.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield door
    await runner.cleanup()


async def taken(door: NodeDoor, count: int) -> None:
    async def number() -> int:
        return len(door.taken)

    await until(f"{count} commands taken", number, accept=lambda found: found >= count)


async def test_ending_a_meeting_closes_its_room(call: Call, door: NodeDoor) -> None:
    await call.control.report(internal_url=door.url)
    assert (await call.host.post(f"/api/meetings/{call.code}/end")).status == 200
    await taken(door, 1)
    assert door.taken == [CloseRoom(room=call.room)]


async def test_a_command_is_repeated_until_the_node_takes_it(call: Call, door: NodeDoor) -> None:
    door.statuses = [503, 503]
    await call.control.report(internal_url=door.url)
    await call.host.post(f"/api/meetings/{call.code}/end")

    async def wait_less() -> int:
        call.control.clock.forward(4)
        door.now = call.control.clock().timestamp()
        return len(door.taken)

    await until("the command taken", wait_less, every_s=0.5)
    assert door.taken == [CloseRoom(room=call.room)]


async def test_a_late_ticket_does_not_open_an_ended_meeting_for_long(call: Call, door: NodeDoor) -> None:
    await call.control.report(internal_url=door.url)
    await call.host.post(f"/api/meetings/{call.code}/end")
    await taken(door, 1)
    at = call.control.clock().timestamp()
    await call.control.report(RoomOpened(seq=1, at=at, room=call.room), internal_url=door.url)
    await taken(door, 2)


async def test_a_meeting_nobody_joined_ends_without_a_command(control: Control, door: NodeDoor) -> None:
    await control.report(internal_url=door.url)
    host = await control.person()
    quiet, loud = await control.meeting(host), await control.meeting(host)
    await host.post(f"/api/meetings/{loud['code']}/join")
    await host.post(f"/api/meetings/{quiet['code']}/end")
    await host.post(f"/api/meetings/{loud['code']}/end")
    await taken(door, 1)
    assert door.taken == [CloseRoom(room=loud["id"])]


async def test_a_large_report_is_taken_and_a_huge_one_refused(call: Call) -> None:
    peers = [f"{'p' * 50}{number}" for number in range(512)]
    events = [call.entered(seq, peer) for seq, peer in enumerate(peers, 1)]
    assert len(msgspec.json.encode(events)) > 64 * 1024
    assert (await call.control.report(*events)).json == {"acknowledged": 512}
    huge = await call.control.report(version="v" * 600_000)
    assert (huge.status, huge.code) == (413, "too_large")
