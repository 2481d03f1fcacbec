"""Several control processes on one database: what is posted at one is heard at all, with Redis at once."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control
from tests.integration.control.test_chat import say
from tests.integration.control.test_events import frames
from tests.support.redis import RedisServer, redis
from tests.support.waiting import until

SOON_S = 0.1


@pytest.fixture(scope="module")
def server_of_hints() -> Iterator[RedisServer]:
    with redis() as running:
        yield running


@pytest.fixture
def mortal() -> Iterator[RedisServer]:
    """A server that a test may kill."""
    with redis() as running:
        yield running


async def replicas(start: Start, server: RedisServer, count: int, **settings: Any) -> list[Control]:
    """Start control several times on the same database; wait until all hear of each other."""
    made = [await start(redis_url=server.url, **settings) for _ in range(count)]
    for each in made:
        await until("Redis is heard", lambda each=each: metric(each, "parley_control_relay_connected"))
    return made


async def meeting_of_two_replicas(start: Start, server: RedisServer) -> tuple[Control, Control, Client, str]:
    """Return two replicas, somebody at the first one, and the code of a meeting of theirs."""
    one, other = await replicas(start, server, 2)
    ann = await one.person("Ann")
    return one, other, ann, (await one.meeting(ann))["code"]


async def metric(control: Control, line: str) -> float:
    text = (await control.client().get("/metrics")).text
    return next((float(row.split()[-1]) for row in text.splitlines() if row.startswith(f"{line} ")), 0.0)


def at(control: Control, person: Client) -> Client:
    """The same person at another replica."""
    return Client(control.http, control.base, person.token, person.user)


async def test_what_is_posted_at_one_is_heard_at_another_soon(
    start: Start, server_of_hints: RedisServer
) -> None:
    one, other, ann, code = await meeting_of_two_replicas(start, server_of_hints)
    took_s = []
    async with await at(other, ann).listen(code) as ear, await ann.listen(code) as own:
        await frames(ear, 1)
        await frames(own, 1)
        for number in range(20):
            began_s = time.monotonic()
            await say(ann, code, f"m{number}")
            (heard,) = await frames(ear, 1)
            took_s.append(time.monotonic() - began_s)
            assert heard["message"]["text"] == f"m{number}"
            assert await frames(own, 1) == [heard]
    assert median(took_s) <= SOON_S
    assert await metric(one, 'parley_control_hints_total{outcome="sent"}') >= 20
    assert await metric(other, 'parley_control_hints_total{outcome="heard"}') >= 20


async def test_without_redis_it_goes_on_slower_and_afterwards_as_before(
    start: Start, mortal: RedisServer
) -> None:
    one, other, ann, code = await meeting_of_two_replicas(start, mortal)
    async with await at(other, ann).listen(code) as ear:
        await frames(ear, 1)
        mortal.kill()
        for number in range(5):
            await say(ann, code, f"m{number}")
        assert [frame["message"]["text"] for frame in await frames(ear, 5)] == [f"m{n}" for n in range(5)]
        assert (await other.client().get("/readyz")).status == 200
        await asyncio.to_thread(mortal.start)
        for each in (one, other):
            await until("Redis is back", lambda each=each: metric(each, "parley_control_relay_connected"))
        before = await metric(other, 'parley_control_hints_total{outcome="heard"}')
        await say(ann, code, "back")
        assert (await frames(ear, 1))[0]["message"]["text"] == "back"
        heard = 'parley_control_hints_total{outcome="heard"}'
        await until("hints are heard", lambda: metric(other, heard), accept=lambda count: count > before)


async def test_who_comes_back_at_another_replica_misses_nothing(
    start: Start, server_of_hints: RedisServer
) -> None:
    one, other, ann, code = await meeting_of_two_replicas(start, server_of_hints)
    heard: list[dict[str, Any]] = []

    async def talk() -> None:
        for number in range(60):
            await say(ann, code, f"m{number}")

    talking = asyncio.create_task(talk())
    here, there, last = one, other, 1
    while not talking.done() or last < 61:
        async with await at(here, ann).listen(code, after=last) as ear:
            await frames(ear, 1)
            for _ in range(min(7, 61 - last)):
                heard += await frames(ear, 1)
                last = heard[-1]["id"]
        here, there = there, here
    await talking
    assert [frame["message"]["text"] for frame in heard] == [f"m{number}" for number in range(60)]


async def test_what_no_replica_signed_is_counted_and_passed_over(
    start: Start, server_of_hints: RedisServer
) -> None:
    (control,) = await replicas(start, server_of_hints, 1)
    forged = b'["other", "%s", 1000, "{}"]' % uuid4().hex.encode()
    stranger = Redis.from_url(server_of_hints.url)
    for nonsense in (b"", b"{}", b'["x"]', b"\xff\xfe", b'["a", "b", "c", "d"]', forged, bytes(32) + forged):
        await stranger.publish("parley:events", nonsense)
    counted = 'parley_control_hints_total{outcome="refused"}'
    await until("all are counted", lambda: metric(control, counted), accept=lambda count: count == 7)
    async with stranger.pubsub() as spy:
        await spy.subscribe("parley:events")
        ann = await control.person("Ann")
        await say(ann, (await control.meeting(ann))["code"], "overheard")
        overheard = None
        while overheard is None or overheard["type"] != "message":
            overheard = await spy.get_message(timeout=20)
        await stranger.publish("parley:credentials", overheard["data"])
    await stranger.aclose()
    await until("it is not taken for another", lambda: metric(control, counted), accept=lambda n: n == 8)
    assert await metric(control, "parley_control_relay_connected") == 1
