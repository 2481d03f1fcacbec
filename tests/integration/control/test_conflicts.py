"""Two requests that wait for each other's locks: one begins anew, and neither caller hears of it."""

import asyncio
from pathlib import Path

import aiohttp
import psycopg
from aiohttp import web
from sqlalchemy import text

from control.database import Database, database_url
from control.edge.middleware import Edge
from control.metrics import Metrics
from control.settings import Settings
from tests.integration.control.conftest import PLENTY, running
from tests.integration.control.harness import Hands
from tests.integration.control.test_socket_io import metric, send
from tests.support.postgres import Postgres
from tests.support.socket_io import talking
from tests.support.waiting import until

TAKE_KEY = """
INSERT INTO messages (meeting_id, number, kind, text, author_id, client_id, sent_at)
VALUES (%s, 1000, 'text', 'mine', %s, 'c1', now())
"""
COUNT_UP = text("UPDATE counters SET count = count + 1 WHERE id = :id")


async def test_a_request_that_lost_is_answered_all_the_same(server: Postgres) -> None:
    database = Database(database_url(server.make_database()), readers=1, writers=2)
    async with database.write() as session:
        await session.execute(
            text("CREATE TABLE counters AS SELECT id, 0 AS count FROM generate_series(1, 2) AS id")
        )
    both = asyncio.Barrier(2)
    attempts = 0

    async def count(request: web.Request) -> web.Response:
        """Count up both counters, beginning with the one that is asked for, as the other request does not."""
        nonlocal attempts
        attempts += 1
        first = int(request.match_info["first"])
        async with database.write() as session:
            for place, counter in enumerate((first, 3 - first)):
                if place == 1 and attempts <= 2:
                    await both.wait()
                await session.execute(COUNT_UP, {"id": counter})
        return web.Response()

    metrics = Metrics()
    app = web.Application(middlewares=[Edge(Settings(), metrics, ()).retry])
    app.router.add_post("/{first}", count)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    async def post(first: int) -> int:
        async with http.post(f"http://127.0.0.1:{port}/{first}") as response:
            return response.status

    async with aiohttp.ClientSession() as http:
        assert await asyncio.gather(post(1), post(2)) == [200, 200]
    assert attempts == 3
    assert metrics.registry.get_sample_value("parley_control_conflicts_total") == 1
    async with database.read() as session:
        counts = await session.execute(text("SELECT count FROM counters"))
        assert [count for (count,) in counts] == [2, 2]
    await runner.cleanup()
    await database.close()


async def test_a_message_over_socket_io_that_lost_is_acknowledged_all_the_same(
    server: Postgres, tmp_path: Path
) -> None:
    """Another transaction has the message's key, and wants the meeting that the message has."""
    url = server.make_database()
    settings = Settings(data=tmp_path, database_url=database_url(url), bcrypt_cost=4, rates=PLENTY)
    async with running(settings, Hands()) as control:
        ann = await control.person("Ann")
        meeting = await control.meeting(ann)
        with psycopg.connect(url) as other:
            await asyncio.to_thread(other.execute, TAKE_KEY, (meeting["id"], ann.user["id"]))
            async with talking(control.base, ann.token) as talker:
                sending = asyncio.create_task(send(talker, meeting["code"], "hello", "c1"))
                await until("it waits for the key", lambda: _somebody_waits(url))
                await asyncio.to_thread(other.execute, "SELECT * FROM feeds FOR UPDATE")
                await asyncio.to_thread(other.rollback)
                assert (await sending)["message"]["text"] == "hello"
        assert await metric(control, "parley_control_conflicts_total") == 1


async def _somebody_waits(url: str) -> bool:
    with psycopg.connect(url) as looking:
        waiting = looking.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return waiting.fetchone() == (1,)
