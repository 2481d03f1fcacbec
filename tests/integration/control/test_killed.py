"""Control itself killed in mid-traffic: what it accepted is there once it is back, and nothing twice."""

import asyncio
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import sqlalchemy
from yarl import URL

from tests.integration.control.harness import PASSWORD, Client, Reply, rows
from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until

TALKERS = ("a", "b", "c")
KILLS = 3


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
