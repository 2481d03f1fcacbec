"""A node that is full: whom it turns away, whom not, and what it says of itself."""

import asyncio
import dataclasses

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sfu.contract import signals
from sfu.contract.operations import Drain, Report, Undrain, events_of, report_decoder
from sfu.node.capacity import Capacity
from sfu.node.journal import Journal
from sfu.node.settings import Settings
from tests.integration.node.conftest import SECRET, House, eventually
from tests.integration.node.test_call import enter
from tests.integration.node.test_entry import refused
from tests.integration.node.test_operation import metrics, order


def bearing(house: House, **bounds: float) -> None:
    """Let the node bear so much."""
    capacity = dataclasses.replace(Capacity(cpu=100, lag_s=100), **bounds)
    house.node.settings = dataclasses.replace(house.node.settings, capacity=capacity)


async def test_the_last_places_are_for_the_rooms_that_are_here(house: House) -> None:
    bearing(house, peers=3, reserve=0.4)
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    closed = await refused(house, house.ticket(room="other"))
    assert (closed.code, closed.retry) == ("node_full", "join")
    assert closed.message == "The server is full; try again in a moment."
    await enter(house, "cleo")
    assert (await refused(house, house.ticket())).code == "node_full"
    assert list(house.node.rooms) == ["room"]
    assert (await metrics(house))[("parley_node_refusals_total", "node_full")] == 2
    await ben.send(signals.Leave())
    await eventually(lambda: house.node.peers == 2)
    await enter(house, "dora")
    del anna


async def test_who_takes_their_own_place_again_is_let_in(house: House) -> None:
    bearing(house, peers=1)
    await enter(house, "anna")
    assert (await refused(house, house.ticket())).code == "node_full"
    again = house.client()
    again.add_slots(audio=1, video=0)
    assert (await again.join(house.ticket(peer="anna"))).peer == "anna"
    assert house.node.peers == 1


async def test_a_ticket_that_was_turned_away_is_good_when_there_is_a_place(house: House) -> None:
    bearing(house, peers=1)
    anna = await enter(house, "anna")
    ticket = house.ticket()
    assert (await refused(house, ticket)).code == "node_full"
    await anna.send(signals.Leave())
    await eventually(lambda: house.node.peers == 0)
    ben = house.client()
    ben.add_slots(audio=1, video=0)
    await ben.join(ticket)


async def test_a_busy_loop_turns_people_away_but_not_those_who_come_back(house: House) -> None:
    bearing(house, cpu=1e-6)
    assert not house.node.is_full  # nobody is here
    anna = await enter(house, "anna")
    (resume,) = house.node.seats
    await eventually(lambda: house.node.strain.bars_peers)
    assert (await refused(house, house.ticket())).code == "node_full"
    assert (await refused(house, house.ticket(room="other"))).code == "node_full"
    page = await metrics(house)
    assert (page[("parley_node_fullness",)], page[("parley_node_full",)]) == (1, 1)
    await anna.drop()
    back = house.client()
    back.add_slots(audio=1, video=0)
    assert (await back.join(resume=resume)).peer == "anna"


async def test_a_late_loop_turns_people_away(house: House) -> None:
    bearing(house, lag_s=1e-9)
    await enter(house, "anna")
    await eventually(lambda: house.node.is_full)
    assert (await refused(house, house.ticket(room="other"))).code == "node_full"


@pytest.fixture
async def reports(house: House):
    """What control hears; it would be told on its own once a minute only."""
    heard: list[Report] = []

    async def take(request: web.Request) -> web.Response:
        heard.append(report_decoder.decode(await request.read()))
        return web.json_response({"acknowledged": max([0, *(event.seq for event in events_of(heard[-1]))])})

    app = web.Application()
    app.router.add_post("/internal/nodes/report", take)
    control = TestServer(app, host="127.0.0.1")
    await control.start_server()
    settings = Settings(node_id="n1", control_url=str(control.make_url("")), report_interval_s=60)
    node = house.node
    journal = node.journal = Journal(settings, SECRET, node.load, lambda: node.draining, lambda: None)
    delivery = asyncio.create_task(journal.run())
    await eventually(lambda: heard)
    yield heard
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    await control.close()


async def test_control_hears_at_once_that_the_node_is_full(house: House, reports: list[Report]) -> None:
    await enter(house, "anna")
    await eventually(lambda: reports[-1].load.peers == 1)
    await eventually(lambda: house.node.load().cpu > 0)
    bearing(house, cpu=1e-6)
    await eventually(lambda: reports[-1].load.full)
    load = reports[-1].load
    assert (load.rooms, load.peers) == (1, 1)
    assert 0.9 <= load.fullness <= 1
    assert load.cpu > 0


async def test_control_hears_at_once_that_the_node_drains_and_no_longer(
    house: House, reports: list[Report]
) -> None:
    for command, draining in ((Drain(), True), (Undrain(), False)):
        assert await order(house, command) == 200
        await eventually(lambda draining=draining: reports[-1].draining is draining)
    await enter(house, "anna")
