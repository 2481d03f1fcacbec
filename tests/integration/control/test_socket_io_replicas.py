"""Socket.IO at several control processes on one database; and at one whose database dies and comes back."""

import asyncio
from typing import Any

from control.database import database_url
from control.settings import Limits
from tests.integration.control.conftest import Start
from tests.integration.control.harness import rows
from tests.integration.control.test_chat import say
from tests.integration.control.test_outage import OUTAGE_S, mortal  # noqa: F401 - a fixture
from tests.integration.control.test_replicas import (
    at,
    meeting_of_two_replicas,
    replicas,
    server_of_hints,  # noqa: F401 - a fixture
)
from tests.integration.control.test_socket_io import join, meeting_of, send
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.socket_io import talking
from tests.support.waiting import until


async def test_members_at_all_replicas_hear_and_nobody_else(
    start: Start,
    server_of_hints: RedisServer,  # noqa: F811
) -> None:
    one, other, ann, code = await meeting_of_two_replicas(start, server_of_hints)
    another = await meeting_of(one, ann)
    async with (
        talking(one.base, ann.token) as here,
        talking(other.base, ann.token) as there,
        talking(other.base, ann.token) as elsewhere,
    ):
        await join(here, code)
        await join(there, code)
        await join(elsewhere, another)
        for number in range(10):
            posted = (await send((here, there)[number % 2], code, f"m{number}"))["message"]
            for talker in (here, there):
                assert (await talker.event("receive-message"))["message"] == posted
        await say(at(other, ann), another, "for the third")
        assert (await elsewhere.event("receive-message"))["message"]["text"] == "for the third"
        assert here.has_heard_nothing()
        assert there.has_heard_nothing()


async def test_who_comes_at_once_with_many_finds_no_more_places_than_there_are(
    start: Start,
    server_of_hints: RedisServer,  # noqa: F811
) -> None:
    (control,) = await replicas(start, server_of_hints, 1, limits=Limits(sockets=3))
    url = (control.base / "socket.io/").with_query(EIO="4", transport="polling")

    async def come() -> int:
        async with control.http.get(url) as response:
            return response.status

    statuses = await asyncio.gather(*(come() for _ in range(20)))
    assert sorted(statuses) == [200] * 3 + [503] * 17


async def test_who_comes_back_at_another_replica_misses_nothing(
    start: Start,
    server_of_hints: RedisServer,  # noqa: F811
) -> None:
    one, other, ann, code = await meeting_of_two_replicas(start, server_of_hints)
    heard: list[dict[str, Any]] = []

    async def talk() -> None:
        for number in range(60):
            await say(ann, code, f"m{number}")

    task = asyncio.create_task(talk())
    here, there, last = one, other, 1
    while last < 61:
        async with talking(here.base, ann.token) as talker:
            await join(talker, code, after=last)
            for _ in range(min(7, 61 - last)):
                heard.append(await talker.event("receive-message"))
                last = heard[-1]["id"]
        here, there = there, here
    await task
    assert [event["message"]["text"] for event in heard] == [f"m{number}" for number in range(60)]


async def test_without_its_database_it_says_so_and_loses_nothing(
    start: Start,
    mortal: Postgres,  # noqa: F811
) -> None:
    database = database_url(mortal.make_database())
    control = await start(database_url=database)
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as talker:
        await join(talker, code)
        assert (await send(talker, code, "before", "c0"))["ok"]
        mortal.kill()
        for data in (send(talker, code, "during", "c1"), talker.call("join", {"meeting": code, "after": 1})):
            error = (await data)["error"]
            assert (error["code"], error["retry_after"]) == ("overloaded", 2)
        await asyncio.sleep(OUTAGE_S)
        await asyncio.to_thread(mortal.start)

        async def accepted() -> bool:
            return "ok" in await send(talker, code, "during", "c1")

        await until("it is accepted again", accepted)
        await send(talker, code, "after", "c2")
        heard = [(await talker.event("receive-message"))["message"]["text"] for _ in range(3)]
        assert heard == ["before", "during", "after"]
        assert talker.client.connected
    kept = rows(database, "SELECT text FROM messages WHERE kind = 'text' ORDER BY number")
    assert kept == [("before",), ("during",), ("after",)]
