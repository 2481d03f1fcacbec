"""A database that dies and comes back: clear errors meanwhile, nothing lost, nothing to be restarted."""

import asyncio
from collections.abc import Iterator

import pytest

from control.database import database_url
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, rows
from tests.support.postgres import Postgres, postgres
from tests.support.waiting import until

OUTAGE_S = 3.0


@pytest.fixture
def mortal() -> Iterator[Postgres]:
    """A server that a test may kill."""
    with postgres() as running:
        yield running


async def test_chat_goes_on_where_it_was(start: Start, mortal: Postgres) -> None:
    """Each message is posted until it is accepted. What was accepted is there, and there is nothing twice."""
    database = database_url(mortal.make_database())
    control = await start(database_url=database)
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    refusals: list[tuple[int, str]] = []
    talking = [asyncio.create_task(talk(ann, code, name, refusals)) for name in ("a", "b", "c")]
    await asyncio.sleep(0.5)
    mortal.kill()
    await until("an outage is told", lambda: _refused(refusals))
    assert (await ann.get("/healthz")).status == 200
    assert (await ann.get("/readyz")).status == 503
    await asyncio.sleep(OUTAGE_S)
    await asyncio.to_thread(mortal.start)
    await until("ready again", lambda: _is_ready(control))
    await asyncio.sleep(0.5)
    for each in talking:
        each.cancel()
    said = [text for each in await asyncio.gather(*talking) for text in each]
    assert set(refusals) == {(503, "overloaded")}
    kept = [text for (text,) in rows(database, "SELECT text FROM messages WHERE kind = 'text'")]
    assert len(kept) == len(set(kept))
    assert set(said) <= set(kept)
    assert len(kept) <= len(said) + len(talking)  # of each one's last, the answer was not waited for


async def talk(person: Client, code: str, name: str, refusals: list[tuple[int, str]]) -> list[str]:
    """Say one thing after the other until cancelled; return what was accepted."""
    accepted: list[str] = []
    try:
        while True:
            text = f"{name} {len(accepted)}"
            body = {"text": text, "client_id": f"{name}{len(accepted)}"}
            reply = await person.post(f"/api/meetings/{code}/messages", body)
            if reply.status == 201:
                accepted.append(text)
            else:
                refusals.append((reply.status, reply.code))
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        return accepted


async def _refused(refusals: list[tuple[int, str]]) -> bool:
    return bool(refusals)


async def _is_ready(control: Control) -> bool:
    return (await control.client().get("/readyz")).status == 200
