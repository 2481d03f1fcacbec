"""The contract of buckets, held by those of one process and those in Redis; and what replicas share."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from control.clock import utc_now
from control.metrics import Metrics
from control.rates import shared
from control.rates.local import LocalBuckets
from control.rates.port import Buckets, Rate
from control.rates.shared import Levels, SharedBuckets
from control.refusals import Reason, Refused
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Control
from tests.integration.control.test_replicas import metric, mortal  # noqa: F401 - a fixture
from tests.support.redis import RedisServer, redis
from tests.support.waiting import until

UNSHARED = "parley_control_unshared_limits_total"
SECRET = b"s" * 32

Pass = Callable[[float], Awaitable[None]]
Make = Callable[[Rate], Buckets]
Kind = tuple[Make, Pass]


@pytest.fixture(scope="module")
def server_of_levels() -> Iterator[RedisServer]:
    with redis() as running:
        yield running


@asynccontextmanager
async def levels_of(server: RedisServer) -> AsyncIterator[Levels]:
    levels = Levels(server.url, SECRET, Metrics())
    running = asyncio.create_task(levels.run())
    try:
        yield levels
    finally:
        levels.stop()
        await running


@pytest.fixture(params=["local", "shared"])
async def kind(request: pytest.FixtureRequest, server_of_levels: RedisServer) -> AsyncIterator[Kind]:
    """Makes buckets of each kind there is, and lets time pass for them."""
    if request.param == "local":
        now = [datetime(2031, 1, 1, tzinfo=UTC)]

        async def forward(seconds: float) -> None:
            now[0] += timedelta(seconds=seconds)

        yield lambda rate: LocalBuckets(rate, lambda: now[0]), forward
        return
    async with levels_of(server_of_levels) as levels:
        name = request.node.name
        yield lambda rate: SharedBuckets(levels, name, rate, utc_now), asyncio.sleep


async def wait_for(buckets: Buckets, key: str = "a", count: int = 1) -> float | None:
    """Take from a bucket; return the wait for it, None when it was full enough."""
    try:
        await buckets.take(key, count)
    except Refused as refused:
        assert refused.reason is Reason.RATE_LIMITED
        return refused.retry_after_s
    return None


async def test_a_full_bucket_is_given_at_once_and_then_the_wait_is_told(kind: Kind) -> None:
    buckets = kind[0](Rate(3, 3600))
    assert [await wait_for(buckets) for _ in range(3)] == [None] * 3
    for _ in range(2):  # to be refused takes nothing
        assert await wait_for(buckets) == pytest.approx(1200, abs=100)
    assert await wait_for(buckets, "b") is None


async def test_waiting_as_told_is_enough(kind: Kind) -> None:
    make, let_pass = kind
    buckets = make(Rate(2, 3))
    while (wait_s := await wait_for(buckets)) is None:
        pass
    assert 0 < wait_s <= 1.5
    await let_pass(wait_s + 0.01)
    assert await wait_for(buckets) is None


async def test_several_are_taken_together_or_not_at_all(kind: Kind) -> None:
    buckets = kind[0](Rate(10, 3600))
    assert await wait_for(buckets, count=7) is None
    assert await wait_for(buckets, count=4) == pytest.approx(360, abs=100)
    assert await wait_for(buckets, count=3) is None
    assert await wait_for(buckets, "b", count=1000) is None  # at most a full bucket


async def test_requiring_takes_nothing(kind: Kind) -> None:
    buckets = kind[0](Rate(1, 3600))
    for _ in range(3):
        buckets.require("a")
    assert await wait_for(buckets) is None
    with pytest.raises(Refused):
        buckets.require("a")


async def test_at_the_same_time_no_more_is_given(kind: Kind) -> None:
    buckets = kind[0](Rate(5, 3600))
    waits = await asyncio.gather(*(wait_for(buckets) for _ in range(40)))
    assert waits.count(None) == 5


async def test_redis_sees_no_names_and_will_forget_full_buckets(server_of_levels: RedisServer) -> None:
    client = Redis.from_url(server_of_levels.url)
    await client.flushdb()
    async with levels_of(server_of_levels) as levels:
        rate = Rate(100, 3600)
        await SharedBuckets(levels, "sign-in-email", rate, utc_now).take("ann@example.org")
    (key,) = await client.keys()
    assert key.startswith(shared.PREFIX)
    assert b"ann" not in key
    assert 0 < await client.pttl(key) <= 36_000
    await client.aclose()


async def limited_replicas(start: Start, server: RedisServer, rate: Rate) -> list[Control]:
    rates = dataclasses.replace(PLENTY, sign_in_per_address=rate)
    return [await start(rates=rates, redis_url=server.url) for _ in range(2)]


async def sign_in(control: Control) -> int:
    body = {"email": "nobody@example.org", "password": "x" * 8}
    return (await control.client().post("/api/session", body)).status


async def test_replicas_have_one_limit_in_common(start: Start, server_of_levels: RedisServer) -> None:
    client = Redis.from_url(server_of_levels.url)
    await client.flushdb()
    await client.aclose()
    one, other = await limited_replicas(start, server_of_levels, Rate(4, 3600))
    statuses = [await sign_in(control) for control in (one, other, one, other, one, other)]
    assert statuses == [401, 401, 401, 401, 429, 429]
    assert [await metric(control, UNSHARED) for control in (one, other)] == [0, 0]


async def test_without_redis_each_replica_limits_by_itself_until_it_is_back(
    start: Start,
    mortal: RedisServer,  # noqa: F811
) -> None:
    one, other = await limited_replicas(start, mortal, Rate(3, 3600))
    assert [await sign_in(one), await sign_in(one)] == [401, 401]
    mortal.kill()
    assert [await sign_in(one), await sign_in(one)] == [401, 429]  # it goes on from what it was told last
    assert [await sign_in(other) for _ in range(4)] == [401, 401, 401, 429]
    assert await metric(one, UNSHARED) > 0
    await asyncio.to_thread(mortal.start)
    fresh = await one.person()  # whom no replica has limited

    async def is_shared() -> bool:
        before = await metric(one, UNSHARED)
        await fresh.get("/api/meetings/aaa-aaaa-aaa")  # a guess, which is counted
        return await metric(one, UNSHARED) == before

    await until("limits are shared again", is_shared)


async def test_a_redis_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        metrics = Metrics()
        levels = Levels(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", SECRET, metrics)
        buckets = SharedBuckets(levels, "x", Rate(2, 3600), utc_now)
        async with asyncio.timeout(20):
            assert [await wait_for(buckets) is None for _ in range(3)] == [True, True, False]
        assert metrics.registry.get_sample_value(UNSHARED) == 2
        levels.stop()
        await levels.run()
