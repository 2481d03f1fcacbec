"""What operators and control see and do: health, metrics, commands, reports."""

import asyncio
import time

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from sfu.contract import signals
from sfu.contract.operations import (
    CONTROL_AUDIENCE,
    CloseRoom,
    Command,
    Drain,
    MoveRoom,
    MutePeer,
    PeerEntered,
    PeerGone,
    RemovePeer,
    Report,
    RoomClosed,
    RoomOpened,
    Undrain,
    events_of,
    report_decoder,
    sign_token,
    verify_token,
)
from sfu.contract.signals import View, Want
from sfu.contract.ticket import Source
from sfu.node.journal import Journal
from sfu.node.settings import Settings
from tests.integration.node.conftest import SECRET, House, eventually
from tests.integration.node.test_call import enter, receive_frames
from tests.integration.node.test_entry import refused


async def order(house: House, command: Command, *, audience: str = "n1", secret: bytes = SECRET) -> int:
    """Send a command; return the status."""
    token = sign_token(secret, audience=audience, now=time.time())
    async with house.http.post(
        f"{house.url}/internal/commands",
        data=msgspec.json.encode(command),
        headers={"Authorization": f"Bearer {token}"},
    ) as response:
        return response.status


async def metrics(house: House) -> dict[tuple[str, ...], float]:
    """Return the samples of the metrics page by name and label values."""
    async with house.http.get(f"{house.url}/metrics") as response:
        text = await response.text()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_health_readiness_and_draining(house: House) -> None:
    async with house.http.get(f"{house.url}/healthz") as response:
        assert response.status == 200
    async with house.http.get(f"{house.url}/readyz") as response:
        assert response.status == 200
    assert await order(house, Drain()) == 200
    async with house.http.get(f"{house.url}/readyz") as response:
        assert response.status == 503
    async with house.http.get(f"{house.url}/healthz") as response:
        assert response.status == 200


async def test_metrics_tell_of_the_call_and_never_fall(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await ben.send(signals.View(wants=(signals.Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    during = await metrics(house)
    assert during[("parley_node_peers",)] == 2
    assert during[("parley_node_rooms",)] == 1
    assert during[("parley_node_tracks",)] == 4
    assert during[("parley_node_links", "connected")] == 2
    assert during[("parley_node_packets_forwarded_total",)] > 5
    assert during[("parley_node_loop_lag_seconds_count",)] > 0
    assert during[("parley_node_forward_delay_seconds_count",)] > 5
    assert during[("process_cpu_seconds_total",)] > 0
    await anna.send(signals.Leave())
    await ben.send(signals.Leave())
    await eventually(lambda: not house.node.rooms)
    after = await metrics(house)
    assert after[("parley_node_peers",)] == 0
    fallen = [
        key for key, value in during.items() if key[0].endswith(("_total", "_count")) and after[key] < value
    ]
    assert fallen == []
    assert after[("parley_node_goodbyes_total", "left")] == 2


async def test_commands_need_a_token_of_the_cluster_for_this_node(house: House) -> None:
    assert await order(house, Drain(), secret=bytes(32)) == 401
    assert await order(house, Drain(), audience="n2") == 401
    async with house.http.post(f"{house.url}/internal/commands", data=b"{}") as response:
        assert response.status == 401
    assert not house.node.draining


async def test_what_each_slot_gets_and_why(house: House) -> None:
    await enter(house, "anna")
    ben = await enter(house, "ben")
    await ben.send(signals.View(wants=(signals.Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    url = f"{house.url}/internal/rooms/room/quality"
    async with house.http.get(url) as response:
        assert response.status == 401
    headers = {"Authorization": f"Bearer {sign_token(SECRET, audience='n1', now=time.time())}"}
    async with house.http.get(url.replace("room/", "other/"), headers=headers) as response:
        assert response.status == 404
    async with house.http.get(url, headers=headers) as response:
        described = await response.json()
    (slots,) = [each["slots"] for each in described["peers"] if each["peer"] == "ben"]
    (slot,) = slots
    assert slot["track"] == "anna.1"
    assert slot["reason"] in {"full", "source"}
    assert slot["given"] == slot["wanted"]
    given = await metrics(house)
    assert given[("parley_node_slots_given", slot["reason"])] >= 1
    assert given[("parley_node_downlink_estimate_bps_gcount",)] == 2


async def test_control_mutes_removes_and_closes(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    assert await order(house, MutePeer(room="room", peer="ben", source=Source.MICROPHONE)) == 200
    muted = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, signals.TrackChanged))
    assert (muted.change.track.id, muted.change.track.muted) == ("ben.0", True)
    assert await order(house, RemovePeer(room="room", peer="ben")) == 200
    assert (await ben.expect(signals.Closed)).code == "removed"
    assert await order(house, CloseRoom(room="room")) == 200
    assert (await anna.expect(signals.Closed)).code == "room_closed"
    assert await order(house, CloseRoom(room="room")) == 200
    assert house.node.rooms == {}


async def test_a_command_that_is_none_is_refused(house: House) -> None:
    token = sign_token(SECRET, audience="n1", now=time.time())
    async with house.http.post(
        f"{house.url}/internal/commands", data=b'{"type":"?"}', headers={"Authorization": f"Bearer {token}"}
    ) as response:
        assert response.status == 400


async def test_events_are_delivered_in_order_and_again_until_acknowledged(house: House) -> None:
    reports: list[Report] = []
    failing = True

    async def take(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        assert verify_token(token, SECRET, audience=CONTROL_AUDIENCE, now=time.time())
        reports.append(report_decoder.decode(await request.read()))
        if failing:
            raise web.HTTPServiceUnavailable
        last = max([0, *(event.seq for event in events_of(reports[-1]))])
        return web.json_response({"acknowledged": last})

    app = web.Application()
    app.router.add_post("/internal/nodes/report", take)
    control = TestServer(app, host="127.0.0.1")
    await control.start_server()
    settings = Settings(node_id="n1", control_url=str(control.make_url("")), report_interval_s=0.05)
    journal = house.node.journal = Journal(settings, SECRET, house.node.load, lambda: False, lambda: None)
    delivery = asyncio.create_task(journal.run())
    anna = await enter(house, "anna")
    await anna.send(signals.Leave())
    await eventually(lambda: not house.node.rooms)
    await eventually(lambda: len(reports) > 3)
    failing = False
    await eventually(lambda: journal.waiting == 0)
    told = events_of(max(reports, key=lambda report: len(report.events)))
    assert [type(event) for event in told] == [RoomOpened, PeerEntered, PeerGone, RoomClosed]
    assert [event.seq for event in told] == [1, 2, 3, 4]
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    await control.close()


@pytest.mark.parametrize("status", [None, 502, 503])
async def test_who_may_have_missed_that_it_is_to_count_counts(house: House, status: int | None) -> None:
    """Control asks a node that it had given up once what is there; that reply may be lost."""
    reports: list[Report] = []
    counts: list[int] = []

    async def take(request: web.Request) -> web.Response:
        reports.append(report_decoder.decode(await request.read()))
        if len(reports) == 1:
            if status is None:
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=status or 200)
        return web.json_response({"acknowledged": 0})

    app = web.Application()
    app.router.add_post("/internal/nodes/report", take)
    control = TestServer(app, host="127.0.0.1")
    await control.start_server()
    settings = Settings(node_id="n1", control_url=str(control.make_url("")), report_interval_s=0.05)

    def count() -> None:
        counts.append(len(reports))

    journal = Journal(settings, SECRET, house.node.load, lambda: False, count)
    delivery = asyncio.create_task(journal.run())
    await eventually(lambda: len(reports) > 4)
    assert counts == ([] if status == 503 else [2])
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    await control.close()


async def test_a_room_that_moves_goes_on_until_its_people_left(house: House) -> None:
    anna, ben = await enter(house, "anna", epoch=1), await enter(house, "ben", epoch=1)
    assert await order(house, MoveRoom(room="room", epoch=2)) == 200
    await asyncio.gather(anna.expect(signals.Move), ben.expect(signals.Move))
    await ben.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    passing = await refused(house, house.ticket(node="n2", epoch=2))
    assert passing.code == "wrong_node", "a ticket for the new place does not end the old one"
    first = await ben.expect(signals.Welcome)
    await ben.drop()
    ben.messages.clear()
    await ben.join(resume=first.resume)
    await ben.expect(signals.Move)
    for client in (anna, ben):
        await client.send(signals.Leave())
    await eventually(lambda: not house.node.rooms)


async def test_a_room_that_came_back_does_not_go_where_it_was_to_go_before(house: House) -> None:
    anna = await enter(house, "anna", epoch=3)
    assert await order(house, MoveRoom(room="room", epoch=2)) == 200
    await anna.send(signals.Ping(id=1))
    await anna.expect(signals.Pong)
    assert not house.node.rooms["room"].is_moving
    assert not [message for message in anna.messages if isinstance(message, signals.Move)]


async def test_what_is_left_when_the_deadline_is_over_ends(house: House) -> None:
    anna = await enter(house, "anna")
    assert await order(house, Drain(deadline_s=600)) == 200
    await anna.send(signals.Ping(id=1))
    await anna.expect(signals.Pong)
    assert await order(house, Drain(deadline_s=0)) == 200
    closed = await anna.expect(signals.Closed)
    assert (closed.code, closed.retry) == ("draining", "join")
    assert await order(house, Undrain()) == 200
    await enter(house, "ben")
