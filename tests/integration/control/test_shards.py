"""Several databases: a meeting is in one, with all that is its own; people see no difference."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from control.database import Unreachable, database_url
from control.shards.ids import shard_of
from control.shards.shards import WrongDatabase
from sfu.contract.operations import PeerEntered, PeerGone
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, connected, rows
from tests.integration.control.test_chat import say
from tests.integration.control.test_events import frames
from tests.support.postgres import Postgres, postgres
from tests.support.socket_io import talking

OF_A_MEETING = ("meetings", "feeds", "events", "messages", "attendances", "placements")

MakeDatabase = Callable[[], sqlalchemy.URL]


ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def another(request: pytest.FixtureRequest, database: sqlalchemy.URL, tmp_path: Path) -> MakeDatabase:
    """Makes an empty database, of the kind of the test's own."""
    numbers = count()

    def make() -> sqlalchemy.URL:
        if database.get_backend_name() == "sqlite":
            return database_url(f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite'}")
        running: Postgres = request.getfixturevalue("server")
        return database_url(running.make_database())

    return make


@pytest.fixture
def urls(another: MakeDatabase) -> list[sqlalchemy.URL]:
    return [another(), another(), another()]


async def start_on(start: Start, urls: list[sqlalchemy.URL], **settings: Any) -> Control:
    return await start(database_url=urls[0], shard_urls=tuple(urls[1:]), **settings)


async def meeting_on(control: Control, host: Client, shard: int) -> dict[str, Any]:
    """Make meetings until one is in the database with this number."""
    for _ in range(200):
        meeting = await control.meeting(host)
        if shard_of(meeting["id"]) == shard:
            return meeting
    raise AssertionError(f"no meeting was made in database {shard}")


def in_each(urls: list[sqlalchemy.URL], query: str) -> list[int]:
    return [rows(url, query)[0][0] for url in urls]


async def test_a_meeting_is_in_one_database_and_accounts_are_in_the_first(
    start: Start, urls: list[sqlalchemy.URL]
) -> None:
    control = await start_on(start, urls)
    await control.report()
    ann, bob = await control.person("Ann"), await control.person("Bob")
    meeting = await meeting_on(control, ann, 2)
    path = f"/api/meetings/{meeting['code']}"
    joined = (await bob.post(f"{path}/join")).json
    assert (await ann.post(f"{path}/join")).json["is_host"]
    guest = await control.guest(meeting["code"])
    for person in (ann, bob, guest):
        await say(person, meeting["code"], "hello")
    at = control.clock().timestamp()
    await control.report(PeerEntered(seq=1, at=at, room=meeting["id"], peer=joined["peer"], ticket="t"))
    async with await ann.listen(meeting["code"], after=0) as ear:
        heard = await frames(ear, 6)
    assert [frame["type"] for frame in heard] == ["ready", *["message"] * 4, "joined"]
    for table in OF_A_MEETING:
        theirs = "id" if table == "meetings" else "meeting_id"
        found = in_each(urls, f"SELECT count(*) FROM {table} WHERE {theirs} = '{meeting['id']}'")
        assert found[:2] == [0, 0], table
        assert found[2] > 0, table
    assert in_each(urls, "SELECT count(*) FROM accounts") == [2, 0, 0]
    assert (await ann.post(f"{path}/end")).json["ended_at"] is not None
    assert in_each(urls, "SELECT count(*) FROM node_commands") == [0, 0, 1]
    assert (await bob.post(f"{path}/messages", {"text": "late", "client_id": "x"})).code == "meeting_ended"


async def test_lists_are_of_all_databases_in_order(start: Start, urls: list[sqlalchemy.URL]) -> None:
    control = await start_on(start, urls)
    ann = await control.person()
    made = []
    for _ in range(24):
        control.clock.forward(1)
        made.append((await control.meeting(ann))["id"])
    assert len({shard_of(each) for each in made}) == 3  # missed by chance once in 5000 runs
    listed: list[str] = []
    path = "/api/meetings?limit=7"
    while True:
        page = (await ann.get(path)).json
        listed += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        path = f"/api/meetings?limit=7&cursor={page['next_cursor']}"
    assert listed == made[::-1]


async def test_a_node_reports_of_meetings_in_several_databases(
    start: Start, urls: list[sqlalchemy.URL]
) -> None:
    control = await start_on(start, urls)
    await control.report()
    ann = await control.person()
    meetings = [await meeting_on(control, ann, shard) for shard in (0, 1, 2)]
    peers = [(await ann.post(f"/api/meetings/{each['code']}/join")).json["peer"] for each in meetings]

    async def people() -> list[tuple[bool, bool]]:
        """Of each meeting, whether somebody came, and left."""
        lists = [(await ann.get(f"/api/meetings/{each['code']}/people")).json["items"] for each in meetings]
        return [(bool(items), bool(items) and items[0]["left_at"] is not None) for items in lists]

    def events(kind: type[PeerEntered | PeerGone], first: int, **fields: str) -> list[Any]:
        at = control.clock().timestamp()
        return [
            kind(seq=first + number, at=at, room=meeting["id"], peer=peer, **fields)
            for number, (meeting, peer) in enumerate(zip(meetings, peers, strict=True))
        ]

    entered, gone = events(PeerEntered, 1, ticket="t"), events(PeerGone, 4, code="left")
    for _ in range(2):
        assert (await control.report(*entered)).json == {"acknowledged": 3}
        assert await people() == [(True, False)] * 3
    assert (await control.report(*entered, gone[1])).json == {"acknowledged": 5}
    assert await people() == [(True, False), (True, True), (True, False)]
    control.clock.forward(5)
    assert (await control.report(boot="boot-2")).json == {"acknowledged": 0}
    assert await people() == [(True, True)] * 3


async def test_a_silent_nodes_people_have_left_all_databases(
    start: Start, urls: list[sqlalchemy.URL]
) -> None:
    control = await start_on(start, urls, node_lease_s=0.3)
    await control.report()
    ann = await control.person()
    meeting = await meeting_on(control, ann, 1)
    peer = (await ann.post(f"/api/meetings/{meeting['code']}/join")).json["peer"]
    at = control.clock().timestamp()
    await control.report(PeerEntered(seq=1, at=at, room=meeting["id"], peer=peer, ticket="t"))
    async with await ann.listen(meeting["code"]) as ear:
        await frames(ear, 1)
        control.clock.forward(1)
        assert [frame["type"] for frame in await frames(ear, 1)] == ["left"]


async def test_a_database_more_is_for_new_meetings(start: Start, another: MakeDatabase) -> None:
    urls = [another()]
    before = await start_on(start, urls)
    ann = await before.person()
    old = [(await before.meeting(ann))["code"] for _ in range(40)]
    urls.append(another())
    after = await start_on(start, urls)
    there = Client(after.http, after.base, ann.token, ann.user)
    await meeting_on(after, there, 1)
    for code in old:  # some begin with the symbol that now tells the new database
        assert (await there.get(f"/api/meetings/{code}")).status == 200
        await say(there, code, "still here")
    assert in_each(urls[:1], "SELECT count(*) FROM meetings")[0] >= 40


async def test_addresses_in_another_order_are_refused(start: Start, urls: list[sqlalchemy.URL]) -> None:
    await start_on(start, urls)
    for wrong, why in (
        (urls[::-1], "is number 2 of the databases, not 0"),
        ([urls[0], urls[2], urls[1]], "is number 2 of the databases, not 1"),
        (urls[:2], "is one of 3 databases, not of 2"),
        ([urls[0], urls[0], urls[2]], "is number 0 of the databases, not 1"),
    ):
        with pytest.raises(WrongDatabase, match=why):
            await start_on(start, wrong)


async def test_anothers_database_is_refused(start: Start, another: MakeDatabase) -> None:
    theirs = [another(), another()]
    await start_on(start, theirs)
    ours = [another()]
    await start_on(start, ours)
    with pytest.raises(WrongDatabase, match="belongs to another system"):
        await start_on(start, [*ours, theirs[1]])


@ON_POSTGRESQL
async def test_a_database_that_is_not_there_is_named_without_its_password(
    start: Start, server: Postgres
) -> None:
    there = database_url(server.make_database())
    missing = there.set(password="hush", database="nowhere")
    with pytest.raises(Unreachable, match="nowhere does not answer") as caught:
        await start_on(start, [there, missing], database_wait_s=0.1)
    assert "hush" not in str(caught.value)


@pytest.fixture
def mortal() -> Iterator[Postgres]:
    """A server that a test may kill."""
    with postgres() as running:
        yield running


@ON_POSTGRESQL
async def test_a_lost_database_takes_its_meetings_along_and_no_others(
    start: Start, server: Postgres, mortal: Postgres
) -> None:
    urls = [database_url(server.make_database()), database_url(mortal.make_database())]
    control = await start_on(start, urls)
    await control.report()
    ann = await control.person()
    here, there = await meeting_on(control, ann, 0), await meeting_on(control, ann, 1)
    with connected(urls[0]) as past_us:  # a code of the first database may begin as those of another do
        alike = there["code"][0] + here["code"][1:]
        past_us.execute(sqlalchemy.text(f"UPDATE meetings SET code = '{alike}' WHERE id = '{here['id']}'"))
        past_us.commit()
    here["code"] = alike
    mortal.kill()
    assert (await ann.get(f"/api/meetings/{there['code']}")).code == "overloaded"
    assert (await ann.post(f"/api/meetings/{here['code']}/join")).status == 200
    await say(ann, here["code"], "we go on")
    assert (await control.report()).status == 200
    assert (await ann.get("/readyz")).status == 200
    mortal.start()
    assert (await ann.get(f"/api/meetings/{there['code']}")).status == 200


@ON_POSTGRESQL
async def test_history_comes_from_a_replica_that_reaches_so_far(start: Start, mortal: Postgres) -> None:
    url = database_url(mortal.make_database())
    with mortal.standby() as standby:
        control = await start(database_url=url, replica_urls=(database_url(standby.url_like(url)),))
        ann = await control.person()
        code = (await control.meeting(ann))["code"]
        for number in range(6):
            await say(ann, code, f"old {number}")
        standby.catch_up_with(mortal)
        standby.stand_still()
        for number in range(3):
            await say(ann, code, f"new {number}")
        with connected(url) as past_us:
            past_us.execute(sqlalchemy.text("UPDATE messages SET text = 'changed' WHERE text = 'old 1'"))
            past_us.commit()

        async def page(cursor: str | None) -> tuple[list[str], str | None]:
            query = "" if cursor is None else f"&cursor={cursor}"
            found = (await ann.get(f"/api/meetings/{code}/messages?limit=2{query}")).json
            return [item["text"] for item in found["items"]], found["next_cursor"]

        newest, cursor = await page(None)
        assert newest == ["new 2", "new 1"]
        beyond, cursor = await page(cursor)  # from where the replica has not got to
        assert beyond == ["new 0", "old 5"]
        assert (await page(cursor))[0] == ["old 4", "old 3"]
        _, cursor = await page(cursor)
        assert (await page(cursor))[0] == ["old 2", "old 1"]  # as the replica has it
        standby.kill()
        assert (await page(cursor))[0] == ["old 2", "changed"]


async def test_over_socket_io_people_see_no_difference(start: Start, urls: list[sqlalchemy.URL]) -> None:
    control = await start_on(start, urls)
    ann = await control.person("Ann")
    codes = [(await meeting_on(control, ann, shard))["code"] for shard in range(3)]
    async with talking(control.base, ann.token) as talker:
        for code in codes:
            assert (await talker.call("join", {"meeting": code}))["id"] == 1
            draft = {"meeting": code, "text": "hello", "client_id": "c1"}
            posted = (await talker.call("send-message", draft))["message"]
            assert await talker.event("receive-message") == {"meeting": code, "id": 2, "message": posted}
    async with talking(control.base, ann.token) as talker:
        for code in codes:
            await talker.call("join", {"meeting": code, "after": 1})
            assert (await talker.event("receive-message"))["meeting"] == code
