"""Archives of chats: made when a meeting ends, however that is, whole and once, and for its host alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy
from sqlalchemy import text
from yarl import URL

from control.archives.service import BATCH
from control.settings import JobSettings
from tests.integration.control.backups import back_up, restore, sign_in
from tests.integration.control.conftest import MakeDatabases, Start
from tests.integration.control.harness import Client, Control, Reply, connected, rows
from tests.integration.control.planning import QUICK, at
from tests.integration.control.stores import Place, fetch
from tests.integration.control.test_attachments import post, uploaded
from tests.integration.control.test_chat import say
from tests.support.waiting import until

DAY_S = 24 * 3600
LINE = text(
    "INSERT INTO messages (meeting_id, number, kind, text, author_id, author_name, sent_at)"
    " VALUES (:meeting, :number, 'text', :text, 'a', 'Ann', '2031-05-04 12:00:00+00:00')"
)


@pytest.fixture
async def control(start: Start) -> Control:
    made = await start(jobs=QUICK)
    await made.report()
    return made


@pytest.fixture
async def ann(control: Control) -> Client:
    return await control.person("Ann")


async def listed(host: Client, code: str) -> list[dict[str, Any]]:
    reply = await host.get(f"/api/meetings/{code}/archives")
    assert reply.status == 200, reply.text
    items: list[dict[str, Any]] = reply.json["items"]
    return items


async def archived(host: Client, code: str) -> dict[str, Any]:
    """Wait for the archive of the chat."""
    (archive,) = await until("there is an archive", lambda: listed(host, code))
    return archive


async def download(host: Client, code: str, archive: dict[str, Any]) -> Reply:
    sent_on = await host.get(f"/api/meetings/{code}/archives/{archive['id']}")
    assert sent_on.status == 302, sent_on.text
    return await fetch(host.http, host.base.join(URL(sent_on.headers["Location"], encoded=True)))


async def content(host: Client, code: str, archive: dict[str, Any]) -> list[Any]:
    """The archive's lines."""
    got = await download(host, code, archive)
    assert len(got.text) == archive["size"]
    return [msgspec.json.decode(line) for line in got.text.encode("latin-1").splitlines()]


async def past_control(database: sqlalchemy.URL, change: Callable[[sqlalchemy.Connection], object]) -> None:
    """Change the database from another thread, since control may be writing."""

    def do() -> None:
        with connected(database) as connection:
            change(connection)
            connection.commit()

    await asyncio.to_thread(do)


async def execute(database: sqlalchemy.URL, *statements: str) -> None:
    await past_control(database, lambda connection: [connection.execute(text(each)) for each in statements])


async def done(database: sqlalchemy.URL) -> None:
    """Wait until no job is left that is due."""
    query = "SELECT count(*) FROM jobs WHERE kind = 'archives.archive_chat.v1' AND state <> 'done'"
    await until(
        "the archives' jobs are done",
        lambda: asyncio.to_thread(rows, database, query),
        accept=lambda found: found == [(0,)],
    )


async def test_what_was_written_is_archived_when_the_meeting_ends(start: Start, place: Place) -> None:
    control = await start(**place.settings)
    await control.report()
    ann = await control.person("Ann")
    meeting = await control.meeting(ann, title="Élan \U0001f600")
    code = meeting["code"]
    gus = await control.guest(code, "Gus")
    await say(ann, code, "line\nbreak \u2028 \U0001f600")
    await post(gus, code, await uploaded(gus, code), await uploaded(gus, code, name="b.png"), text="look")
    assert await listed(ann, code) == []
    control.clock.forward(60)
    ended = (await ann.post(f"/api/meetings/{code}/end")).json
    archive = await archived(ann, code)
    assert (archive["type"], archive["messages"]) == ("application/x-ndjson", 2)
    heading, *messages = await content(ann, code, archive)
    assert heading == {
        "format": "parley.chat.v1",
        "meeting": {
            "id": meeting["id"],
            "code": code,
            "title": "Élan \U0001f600",
            "host": "Ann",
            "created_at": meeting["created_at"],
            "ended_at": ended["ended_at"],
        },
    }
    assert messages == (await ann.get(f"/api/meetings/{code}/messages")).json["items"][::-1]
    assert [each["kind"] for each in messages] == ["system", "text", "text"]
    assert [each["name"] for each in messages[2]["attachments"]] == ["picture.png", "b.png"]
    got = await download(ann, code, archive)
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"].startswith('attachment; filename="chat-2031-05-04-1201.jsonl"')


async def test_a_long_chat_is_archived_whole(control: Control, ann: Client, database: sqlalchemy.URL) -> None:
    meeting = await control.meeting(ann)
    count = 2 * BATCH + 1
    lines = [
        {"meeting": meeting["id"], "number": number, "text": f"line {number}"}
        for number in range(2, count + 2)
    ]
    await past_control(database, lambda connection: connection.execute(LINE, lines))
    await execute(database, f"UPDATE feeds SET last_number = {count + 1}")
    await ann.post(f"/api/meetings/{meeting['code']}/end")
    archive = await archived(ann, meeting["code"])
    _, _, *written = await content(ann, meeting["code"], archive)
    assert archive["messages"] == count
    assert [each["text"] for each in written] == [line["text"] for line in lines]


async def test_a_chat_in_which_nobody_wrote_has_no_archive(
    control: Control, ann: Client, database: sqlalchemy.URL
) -> None:
    code = (await control.meeting(ann))["code"]
    await ann.post(f"/api/meetings/{code}/end")
    await done(database)
    assert await listed(ann, code) == []


@pytest.mark.parametrize("how", ["cancelled", "over"])
async def test_a_meeting_that_is_cancelled_or_over_is_archived_too(
    control: Control, ann: Client, how: str
) -> None:
    code = (await control.meeting(ann, **at(control, 60, 60)))["code"]
    await say(ann, code, "hello")
    if how == "cancelled":
        await ann.post(f"/api/meetings/{code}/cancel")
    else:
        control.clock.forward(3 * 3600)
        ann = await sign_in(control, ann)
    archive = await archived(ann, code)
    assert (await content(ann, code, archive))[-1]["text"] == "hello"


async def test_the_host_alone_gets_the_archive(control: Control, ann: Client) -> None:
    meeting, other = await control.meeting(ann), await control.meeting(ann)
    code = meeting["code"]
    gus, bob = await control.guest(code), await control.person("Bob")
    assert (await bob.post(f"/api/meetings/{code}/join")).status == 200
    await say(ann, code, "hello")
    await ann.post(f"/api/meetings/{code}/end")
    archive = await archived(ann, code)
    path = f"/api/meetings/{code}/archives"
    for place in (path, f"{path}/{archive['id']}"):
        for who in (bob, await control.person("Eve")):
            refused = await who.get(place)
            assert (refused.status, refused.code) == (403, "not_the_host")
        assert (await gus.get(place)).status == (await control.client().get(place)).status == 401
        assert (await (await control.program(ann, "chat:write")).get(place)).code == "insufficient_scope"
    for wrong in (
        f"/api/meetings/{other['code']}/archives/{archive['id']}",
        f"{path}/{'0' * 32}",
        f"{path}/..%2f{archive['id']}",
    ):
        assert (await ann.get(wrong)).code == "not_found"
    reader = await control.program(ann, "chat:read")
    assert [each["id"] for each in await listed(reader, code)] == [archive["id"]]
    assert len(await content(reader, code, archive)) == 3


async def test_a_job_that_was_killed_before_it_could_tell_is_done_again_and_leaves_one_archive(
    control: Control, ann: Client, database: sqlalchemy.URL, tmp_path: Path
) -> None:
    code = (await control.meeting(ann))["code"]
    await say(ann, code, "hello")
    await ann.post(f"/api/meetings/{code}/end")
    first = await archived(ann, code)
    lines = await content(ann, code, first)
    # What a process leaves that is killed between storing the archive and its commit.
    await execute(
        database,
        "DELETE FROM chat_archives",
        "UPDATE jobs SET state = 'running', due_at = created_at, ended_at = NULL"
        " WHERE kind = 'archives.archive_chat.v1'",
    )
    again = await archived(ann, code)
    assert (again["id"], await content(ann, code, again)) == (first["id"], lines)
    assert len(await Place(tmp_path / "data" / "objects").keys()) == 1


async def test_a_meeting_that_goes_on_and_ends_again_has_one_archive_of_all(
    start: Start, database: sqlalchemy.URL, tmp_path: Path
) -> None:
    control = await start(jobs=QUICK, sweep_s=0.2)
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    await say(ann, code, "hello")
    await ann.post(f"/api/meetings/{code}/end")
    first = await archived(ann, code)
    await execute(database, "UPDATE meetings SET ended_at = NULL")
    await say(ann, code, "one more thing")
    await ann.post(f"/api/meetings/{code}/end")
    (second,) = await until(
        "it covers all", lambda: listed(ann, code), accept=lambda found: found[0]["messages"] == 2
    )
    assert [line["text"] for line in (await content(ann, code, second))[2:]] == ["hello", "one more thing"]
    assert (await ann.get(f"/api/meetings/{code}/archives/{first['id']}")).status == 404
    place = Place(tmp_path / "data" / "objects")
    (key,) = await until("the first is gone", place.keys, accept=lambda keys: len(keys) == 1)
    assert key.endswith(second["id"])
    # The first job, found late by somebody who took it for lost, takes nothing away.
    await execute(
        database,
        f"UPDATE jobs SET state = 'running', due_at = created_at, ended_at = NULL WHERE id = '{first['id']}'",
    )
    await done(database)
    assert await listed(ann, code) == [second]
    await until("nothing else is left", place.keys, accept=lambda keys: keys == [key])


async def test_while_files_cannot_be_kept_the_archive_waits(start: Start, tmp_path: Path) -> None:
    control = await start(jobs=JobSettings(jobs_poll_s=0.1, jobs_backoff_s=60))
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    await say(ann, code, "hello")
    drafts = tmp_path / "data" / "objects" / ".drafts"
    drafts.rmdir()
    drafts.write_bytes(b"no folder")
    assert (await ann.post(f"/api/meetings/{code}/end")).status == 200

    async def retried() -> bool:
        metrics = (await control.client().get("/metrics")).text
        return 'jobs_total{kind="archives.archive_chat.v1",outcome="retried"} 1.0' in metrics

    await until("it is put off", retried)
    assert await listed(ann, code) == []
    drafts.unlink()
    drafts.mkdir()
    control.clock.forward(60)
    assert (await archived(ann, code))["messages"] == 1


async def test_archives_go_when_their_meeting_is_long_over(
    start: Start, database: sqlalchemy.URL, tmp_path: Path
) -> None:
    control = await start(sweep_s=0.2, retention_days=30)
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    await say(ann, code, "hello")
    await ann.post(f"/api/meetings/{code}/end")
    await archived(ann, code)
    control.clock.forward(30 * DAY_S - 1)
    assert await listed(await sign_in(control, ann), code) != []
    control.clock.forward(2)
    await until("the object is gone", Place(tmp_path / "data" / "objects").keys, accept=lambda keys: not keys)
    assert rows(database, "SELECT id FROM chat_archives") == []
    assert rows(database, "SELECT count(*) FROM messages WHERE kind = 'text'") == [(1,)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_archives_are_in_backups(
    control: Control,
    ann: Client,
    start: Start,
    make: MakeDatabases,
    database: sqlalchemy.URL,
    tmp_path: Path,
) -> None:
    code = (await control.meeting(ann))["code"]
    await say(ann, code, "hello")
    await ann.post(f"/api/meetings/{code}/end")
    archive = await archived(ann, code)
    lines = await content(ann, code, archive)
    backup = await back_up(tmp_path, [database])
    (anew,) = make("postgresql", 1)
    ended = await restore(tmp_path, backup, [anew])
    assert ended.code == 0, ended.err
    restored = await start(database_url=anew, data=tmp_path / "anew")
    ann = await sign_in(restored, ann)
    assert await listed(ann, code) == [archive]
    assert await content(ann, code, archive) == lines
