"""Control itself killed in mid-traffic: what it accepted is there once it is back, and nothing twice."""

import asyncio
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import sqlalchemy
from yarl import URL

from tests.integration.control.harness import PASSWORD, Client, Reply, connected, rows
from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until

TALKERS = ("a", "b", "c")
KILLS = 3
WRITTEN = 20_000


class Mortal:
    """Control as a process, always at the same address."""

    def __init__(self, folder: Path, database: sqlalchemy.URL) -> None:
        (self._port,) = free_ports(1)
        self.base = URL(f"http://127.0.0.1:{self._port}")
        self._log = folder / "control.log"
        self._settings = {
            "PARLEY_DATA": str(folder / "data"),
            "PARLEY_DATABASE_URL": database.render_as_string(hide_password=False),
            "PARLEY_CONTROL_PORT": str(self._port),
            "PARLEY_BCRYPT_COST": "4",
            "PARLEY_RATE_CHAT": "100000/1",
            "PARLEY_RATE_CREATE": "100000/1",
        }

    def start(self) -> Process:
        return Process([sys.executable, "-m", "control.cli"], self._log, env=self._settings)


class Insisting(Client):
    """A client that asks again until it is answered."""

    async def send(self, method: str, path: str, json: Any = None, **options: Any) -> Reply:
        while True:
            try:
                return await super().send(method, path, json, **options)
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def talk(ann: Client, code: str, name: str, stop: asyncio.Event) -> list[str]:
    """Say one thing after the other, each until it is accepted; return them."""
    said: list[str] = []
    while not stop.is_set():
        text = f"{name}{len(said)}"
        body = {"text": text, "client_id": text}
        if (await ann.post(f"/api/meetings/{code}/messages", body)).status == 201:
            said.append(text)
    return said


async def plan(ann: Client, stop: asyncio.Event) -> list[str]:
    """Make one meeting after the other; return their titles."""
    made: list[str] = []
    while not stop.is_set():
        title = f"plan {len(made)}"
        reply = await ann.post("/api/meetings", {"title": title}, headers={"Idempotency-Key": title})
        if reply.status == 201:
            made.append(title)
    return made


async def test_what_was_accepted_is_there_once(tmp_path: Path, database: sqlalchemy.URL) -> None:
    control, stop = Mortal(tmp_path, database), asyncio.Event()
    process = control.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            ann = Insisting(http, control.base)
            body = {"email": f"{uuid4().hex}@example.org", "name": "Ann", "password": PASSWORD}
            ann.token = (await ann.post("/api/accounts", body)).json["access_token"]
            code = (await ann.post("/api/meetings", {"title": "Talk"})).json["code"]
            talking = [asyncio.create_task(talk(ann, code, name, stop)) for name in TALKERS]
            planning = asyncio.create_task(plan(ann, stop))
            count = "SELECT count(*) FROM messages"
            for _ in range(KILLS):
                before = rows(database, count)[0][0]
                await until(
                    "more is said",
                    lambda: asyncio.to_thread(rows, database, count),
                    accept=lambda found, before=before: found[0][0] >= before + 20,
                )
                process.kill()
                process = control.start()
            stop.set()
            said = [text for each in await asyncio.gather(*talking) for text in each]
            made = await planning
        process.stop()
    finally:
        process.kill()
    kept = [text for (text,) in rows(database, "SELECT text FROM messages WHERE kind = 'text'")]
    assert sorted(kept) == sorted(said)
    titles = [title for (title,) in rows(database, "SELECT title FROM meetings WHERE title <> 'Talk'")]
    assert sorted(titles) == sorted(made)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_an_archive_that_was_cut_short_is_made_whole_and_once(
    tmp_path: Path, database: sqlalchemy.URL
) -> None:
    objects = tmp_path / "data" / "objects"
    control = Mortal(tmp_path, database)
    process = control.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            ann = Insisting(http, control.base)
            body = {"email": f"{uuid4().hex}@example.org", "name": "Ann", "password": PASSWORD}
            ann.token = (await ann.post("/api/accounts", body)).json["access_token"]
            meeting = (await ann.post("/api/meetings", {"title": "Talk"})).json
            await asyncio.to_thread(write_much, database, meeting["id"])
            path = f"/api/meetings/{meeting['code']}"
            await ann.post(f"{path}/end")

            async def is_begun() -> bool:
                return bool(await asyncio.to_thread(lambda: [*objects.glob("*/*")]))

            await until("the archive is begun", is_begun, every_s=0.005)
            process.kill()
            await asyncio.to_thread(end_leases, database)
            process = control.start()

            async def listed() -> list[Any]:
                items: list[Any] = (await ann.get(f"{path}/archives")).json["items"]
                return items

            (archive,) = await until("the archive is made", listed)
        process.stop()
    finally:
        process.kill()
    (content,) = objects.glob(f"{meeting['id']}/*/content")
    lines = content.read_bytes().splitlines()
    assert (len(lines), archive["messages"]) == (2 + WRITTEN, WRITTEN)


def end_leases(database: sqlalchemy.URL) -> None:
    """Have the jobs that were being done count as lost, which else takes a minute."""
    with connected(database) as connection:
        connection.execute(sqlalchemy.text("UPDATE jobs SET due_at = created_at WHERE state = 'running'"))
        connection.commit()


def write_much(database: sqlalchemy.URL, meeting: str) -> None:
    """Fill a chat past control."""
    line = sqlalchemy.text(
        "INSERT INTO messages (meeting_id, number, kind, text, author_id, author_name, sent_at)"
        " VALUES (:meeting, :number, 'text', :text, 'a', 'Ann', '2031-05-04 12:00:00+00:00')"
    )
    lines = [
        {"meeting": meeting, "number": number, "text": f"line {number} " * 20}
        for number in range(2, WRITTEN + 2)
    ]
    with connected(database) as connection:
        connection.execute(line, lines)
        connection.execute(sqlalchemy.text(f"UPDATE feeds SET last_number = {WRITTEN + 1}"))
        connection.commit()
