"""Backup and restore by their commands: of a running system, into either kind of database."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from control.database import database_url
from sfu.contract.operations import PeerEntered
from tests.integration.control.conftest import Start
from tests.integration.control.harness import PASSWORD, Client, Control, connected
from tests.integration.control.test_chat import say
from tests.integration.control.test_events import frames
from tests.integration.control.test_meetings import pages
from tests.integration.control.test_shards import meeting_on
from tests.support.postgres import Postgres

MakeDatabases = Callable[..., list[sqlalchemy.URL]]
KINDS = ("sqlite", "postgresql")


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeDatabases:
    """Makes empty databases of a kind."""
    numbers = count()

    def make_some(kind: str, how_many: int = 2) -> list[sqlalchemy.URL]:
        if kind == "sqlite":
            return [
                database_url(f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite'}") for _ in range(how_many)
            ]
        running: Postgres = request.getfixturevalue("server")
        return [database_url(running.make_database()) for _ in range(how_many)]

    return make_some


@pytest.fixture
def databases(database: sqlalchemy.URL, make: MakeDatabases) -> list[sqlalchemy.URL]:
    """Those of the system that is backed up."""
    return make(database.get_backend_name())


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


async def parley(*arguments: object, databases: list[sqlalchemy.URL] | None = None, data: Path) -> Ended:
    """Run the command as an operator does."""
    environment = {**os.environ, "PARLEY_DATA": str(data)}
    if databases:
        first, *others = [url.render_as_string(hide_password=False) for url in databases]
        environment |= {"PARLEY_DATABASE_URL": first, "PARLEY_SHARD_URLS": ",".join(others)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parley",
        *(str(each) for each in arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    ended = Ended(process.returncode or 0, out.decode(), err.decode())
    assert "Traceback" not in ended.err, ended.err
    return ended


async def back_up(tmp_path: Path, databases: list[sqlalchemy.URL], *more: object) -> Path:
    ended = await parley(
        "backup", "--to", tmp_path / "backups", *more, databases=databases, data=tmp_path / "data"
    )
    assert ended.code == 0, ended.err
    return Path(ended.out.strip())


async def restore(
    tmp_path: Path, backup: Path, databases: list[sqlalchemy.URL], *more: object, data: str = "anew"
) -> Ended:
    return await parley("restore", "--from", backup, *more, databases=databases, data=tmp_path / data)


async def start_on(start: Start, urls: list[sqlalchemy.URL], **settings: Any) -> Control:
    return await start(database_url=urls[0], shard_urls=tuple(urls[1:]), **settings)


async def sign_in(control: Control, person: Client) -> Client:
    """The same person, by the password."""
    body = {"email": person.user["email"], "password": PASSWORD}
    reply = await control.client().post("/api/session", body)
    assert reply.status == 200, reply.text
    return Client(control.http, control.base, reply.json["access_token"], reply.json["user"])


def contents(databases: list[sqlalchemy.URL]) -> list[dict[str, list[Any]]]:
    """All rows of all tables, as the models have them."""
    from control.tables import metadata

    found = []
    for url in databases:
        with connected(url) as connection:
            found.append(
                {
                    table.name: sorted(map(repr, connection.execute(sqlalchemy.select(table)).all()))
                    for table in metadata.sorted_tables
                }
            )
    return found


@pytest.mark.parametrize("target", KINDS)
async def test_a_restored_system_goes_on_where_it_was(
    start: Start, make: MakeDatabases, databases: list[sqlalchemy.URL], tmp_path: Path, target: str
) -> None:
    anew = make(target)
    control = await start_on(start, databases)
    await control.report()
    ann, bob = await control.person("Ann"), await control.person("Bob 👩‍💻")
    meetings = [await meeting_on(control, ann, shard) for shard in (0, 1)]
    for meeting in meetings:
        path = f"/api/meetings/{meeting['code']}"
        joined = (await bob.post(f"{path}/join")).json
        at = control.clock().timestamp()
        await control.report(PeerEntered(seq=1, at=at, room=meeting["id"], peer=joined["peer"], ticket="t"))
        for text in ("hello", 'line\nbreaks\t"quotes" \\ \u2028', "\U0001f600" * 4000):
            assert (await say(bob, meeting["code"], text)).status == 201
    seen = [await everything(ann, meeting["code"]) for meeting in meetings]

    backup = await back_up(tmp_path, databases)
    assert (await parley("backup", "--verify", backup, data=tmp_path / "data")).code == 0
    before = contents(databases)
    restored = await restore(tmp_path, backup, anew)
    assert restored.code == 0, restored.err
    assert "signs in anew" in restored.err
    assert contents(anew) == before

    control = await start_on(start, anew, data=tmp_path / "anew")
    assert (await control.client(ann.token).get("/api/meetings")).status == 401
    ann, bob = await sign_in(control, ann), await sign_in(control, bob)
    assert [await everything(ann, meeting["code"]) for meeting in meetings] == seen
    for meeting in meetings:
        assert (await say(bob, meeting["code"], "back")).status == 201
        async with await ann.listen(meeting["code"], after=0) as ear:
            heard = await frames(ear, 7)
        numbers = [frame["id"] for frame in heard[1:]]
        assert numbers == list(range(1, 7)), numbers
        assert heard[-1]["message"]["text"] == "back"


async def everything(person: Client, code: str) -> tuple[Any, ...]:
    path = f"/api/meetings/{code}"
    return (
        (await person.get(path)).json,
        await pages(person, f"{path}/messages", 3),
        (await person.get(f"{path}/people")).json,
    )
