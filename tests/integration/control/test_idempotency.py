import asyncio

import pytest
import sqlalchemy

from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, Reply, connected, rows
from tests.support.waiting import until

MEETING = {"title": "Weekly"}
MEETINGS = "SELECT id FROM meetings"
WAITING = """
    SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
DAY_S = 24 * 3600
KEPT = "SELECT caller, key FROM kept_answers"


async def create(client: Client, key: str, title: str = "Weekly", **fields: object) -> Reply:
    body = {"title": title} | fields
    return await client.post("/api/meetings", body, headers={"Idempotency-Key": key})


async def test_the_same_request_makes_one_meeting(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()
    first = await create(ann, '"k-1"')
    assert first.status == 201
    control.clock.forward(3000)
    for key, fields in (('"k-1"', {}), ("k-1", {}), ("k-1", {"guests_allowed": True})):
        again = await create(ann, key, **fields)
        assert (again.status, again.json) == (201, first.json)
    assert len(rows(database, MEETINGS)) == 1
    assert (await create(ann, '"k-2"')).json["id"] != first.json["id"]


async def test_without_a_key_each_request_makes_one(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()
    for _ in range(2):
        assert (await ann.post("/api/meetings", MEETING)).status == 201
    assert len(rows(database, MEETINGS)) == 2
    assert rows(database, KEPT) == []


async def test_a_key_is_its_callers_own(control: Control) -> None:
    ann, ben = await control.person(), await control.person("Ben")
    robot = await control.program(ann, "meetings:write")
    first = await create(ann, "k")
    assert (await create(ben, "k")).json["host"]["id"] == ben.user["id"]
    assert (await create(robot, "k")).json == first.json


async def test_another_request_under_the_same_key_is_refused(control: Control) -> None:
    ann = await control.person()
    await create(ann, "k")
    for reply in (await create(ann, "k", "Daily"), await create(ann, "k", guests_allowed=False)):
        assert (reply.status, reply.code) == (422, "idempotency_key_reused")


async def test_a_refused_request_keeps_no_answer(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()
    assert (await create(ann, "k", "")).status == 422
    assert rows(database, KEPT) == []
    assert (await create(ann, "k")).status == 201


async def test_answers_are_forgotten_in_time(start: Start, database: sqlalchemy.URL) -> None:
    control = await start(idempotency_s=600)
    ann, ben = await control.person(), await control.person("Ben")
    first = await create(ann, "k")
    for number in range(3):
        await create(ann, f"old-{number}")
    control.clock.forward(599)
    assert (await create(ann, "k")).json == first.json
    control.clock.forward(1)
    assert (await create(ben, "new")).status == 201
    assert rows(database, KEPT) == [(ben.user["id"], "new")]
    assert (await create(ann, "k", "Daily")).json["id"] != first.json["id"]


NO_KEYS = ["", '""', '"', '"a', 'a"b', '"a"b"', "é", "a b", "a\\b", "x" * 65]


@pytest.mark.parametrize("key", NO_KEYS)
async def test_keys_that_are_none(control: Control, key: str) -> None:
    reply = await create(await control.person(), key)
    assert (reply.status, list(reply.json["error"]["fields"])) == (400, ["Idempotency-Key"])


async def test_requests_at_the_same_time_make_one(start: Start, database: sqlalchemy.URL) -> None:
    """Through two services on one database: each gets the one answer, or is told to come again."""
    here, there = await start(access_token_s=9 * DAY_S), await start()
    ann = await here.person()
    everywhere = [Client(at.http, at.base, ann.token) for at in (here, there)] * 4
    for made_so_far in range(1, 4):
        replies = await asyncio.gather(*(create(client, "k") for client in everywhere))
        made = [reply.json for reply in replies if reply.status == 201]
        assert made.count(made[0]) == len(made)
        told = {(reply.status, reply.code) for reply in replies if reply.status != 201}
        assert told <= {(409, "request_in_progress")}
        assert len(rows(database, MEETINGS)) == made_so_far
        here.clock.forward(DAY_S)


async def test_a_request_still_worked_on_is_said_to_be(control: Control, database: sqlalchemy.URL) -> None:
    if database.get_backend_name() == "sqlite":
        return  # its one writer makes the second request wait, and then gives it the answer
    ann = await control.person()
    with connected(database) as connection:
        connection.execute(sqlalchemy.text("LOCK TABLE meetings IN SHARE MODE"))  # nobody may add one
        first = asyncio.create_task(create(ann, "k"))
        await until("the first waits", lambda: asyncio.to_thread(rows, database, WAITING))
        second = await create(ann, "k")
        assert (second.status, second.code) == (409, "request_in_progress")
        assert second.headers["Retry-After"] == "1"
        connection.rollback()
    assert (await first).status == 201
    assert (await create(ann, "k")).json == (await first).json


async def test_what_fails_before_its_end_leaves_nothing(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()

    def rename(column: str, name: str) -> None:
        with connected(database) as connection:
            connection.execute(sqlalchemy.text(f"ALTER TABLE kept_answers RENAME COLUMN {column} TO {name}"))
            connection.commit()

    await asyncio.to_thread(rename, "fingerprint", "mark")  # beside control, which may be writing just now
    assert (await create(ann, "k")).status >= 500
    await asyncio.to_thread(rename, "mark", "fingerprint")
    assert rows(database, MEETINGS) == []
    assert (await create(ann, "k")).status == 201
    assert len(rows(database, MEETINGS)) == 1
