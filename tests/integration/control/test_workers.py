"""Jobs by way of RabbitMQ: workers, brokers and databases that die, messages that come twice."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import aiohttp
import pytest
import sqlalchemy
from click.testing import CliRunner, Result
from sqlalchemy.exc import SQLAlchemyError

from control.database import database_url
from control.jobs import broker as queues
from control.jobs.broker import DEAD_QUEUE, QUEUE, Notice, message_of
from control.jobs.cli import command
from control.mail.schema import SendMail
from control.settings import JobSettings, Settings
from tests.integration.control.harness import Hands, rows
from tests.integration.control.jobbing import QUICK, Linger, Note, Stumble, Ticking, Works, going, works
from tests.support.ports import free_ports
from tests.support.postgres import Postgres, postgres
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ, rabbitmq
from tests.support.waiting import until

HASTY = JobSettings(
    jobs_poll_s=0.1,
    jobs_lease_s=3,
    jobs_republish_s=3,
    jobs_attempts=50,
    jobs_backoff_s=0.1,
    jobs_backoff_max_s=0.5,
)
OUTAGE_S = 2.0


@pytest.fixture
def mortal_broker() -> Iterator[RabbitMQ]:
    """A server that a test may kill."""
    with rabbitmq() as running:
        yield running


@pytest.fixture
def mortal_database() -> Iterator[Postgres]:
    """A server that a test may kill."""
    with postgres() as running:
        yield running


@pytest.fixture
async def at(database: sqlalchemy.URL) -> AsyncIterator[Works]:
    async with works(database, Hands()) as made:
        yield made


@asynccontextmanager
async def channel_to(broker: RabbitMQ) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    async with await aio_pika.connect(broker.url) as connection:
        yield await connection.channel()


async def length(channel: aio_pika.abc.AbstractChannel, queue: str) -> int:
    found = await channel.declare_queue(queue, passive=True)
    return found.declaration_result.message_count or 0


async def counted(at: Works, outcome: str, count: int) -> None:
    """Wait until so many notices had this outcome."""

    async def value() -> float:
        labels = {"outcome": outcome}
        return at.metrics.registry.get_sample_value("parley_control_job_notices_total", labels) or 0

    await until(f"notices are {outcome}", value, accept=lambda seen: seen == count)


async def test_a_message_that_comes_again_changes_nothing(at: Works, broker: RabbitMQ) -> None:
    async with going(at.loops(Settings(jobs=QUICK, amqp_url=broker.url))), channel_to(broker) as channel:
        await at.add(Note("a"))
        await at.until_effects("a")
        ((job_id,),) = rows(at.url, "SELECT id FROM jobs")
        for _ in range(3):
            await channel.default_exchange.publish(message_of(Notice(0, job_id)), QUEUE)
        await counted(at, "stale", 3)
        assert await length(channel, QUEUE) == 0
    assert at.effects() == ["a"]


async def test_a_message_for_a_job_not_due_does_not_hurry_it(at: Works, broker: RabbitMQ) -> None:
    async with going(at.loops(Settings(jobs=QUICK, amqp_url=broker.url))), channel_to(broker) as channel:
        await at.add(Note("a"), due_at=at.clock.now.replace(hour=18))
        ((job_id,),) = rows(at.url, "SELECT id FROM jobs")
        await channel.default_exchange.publish(message_of(Notice(0, job_id)), QUEUE)
        await counted(at, "stale", 1)
    assert at.states() == {"waiting": 1}


POISON = [
    b"",
    b"\xff",
    b"{}",
    b"[]",
    b'{"database":7,"job":"a"}',
    b'{"database":-1,"job":"a"}',
    b"x" * 100_000,
]


async def test_messages_that_are_none_of_ours_are_put_aside_once(at: Works, broker: RabbitMQ) -> None:
    async with going(at.loops(Settings(jobs=QUICK, amqp_url=broker.url))), channel_to(broker) as channel:
        await counted(at, "refused", 0)
        await at.add(Note("before"))
        await at.until_effects("before")
        dead_before = await length(channel, DEAD_QUEUE)
        for body in POISON:
            await channel.default_exchange.publish(aio_pika.Message(body), QUEUE)
        await counted(at, "refused", len(POISON))
        await at.add(Note("after"))
        await at.until_effects("after", "before")
        assert await length(channel, QUEUE) == 0
        assert await length(channel, DEAD_QUEUE) == dead_before + len(POISON)
    assert at.count("unknown", "dead") == 0


async def test_a_dead_job_leaves_its_notice_in_the_dead_letter_queue(at: Works, broker: RabbitMQ) -> None:
    async with going(at.loops(Settings(jobs=QUICK, amqp_url=broker.url))), channel_to(broker) as channel:
        await at.add(Stumble("a", times=1, permanently=True))
        await at.until_states(dead=1)
        await counted(at, "dead", 1)
        queue = await channel.declare_queue(DEAD_QUEUE, passive=True)
        ((job_id,),) = rows(at.url, "SELECT id FROM jobs")
        found = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(message.body)
        assert message_of(Notice(0, job_id)).body in found


async def test_a_queue_that_is_full_makes_jobs_wait_in_the_table(
    at: Works, broker: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "NOTICES_MAX", 3)
    for module in ("broker", "publisher"):
        monkeypatch.setattr(f"control.jobs.{module}.QUEUE", "parley.jobs.small")
    monkeypatch.setattr(queues, "DEAD_QUEUE", "parley.jobs.small.dead")
    settings = Settings(jobs=QUICK, amqp_url=broker.url)
    names = [str(number) for number in range(8)]
    for name in names:
        await at.add(Note(name))
    control, worker = at.work(settings).in_control(), at.work(settings).in_worker(broker.url)
    async with going(control):
        await at.until_states(published=3, waiting=5)
        async with going(worker):
            await at.until_effects(*names)
    async with channel_to(broker) as channel:
        for queue in ("parley.jobs.small", "parley.jobs.small.dead"):
            await channel.queue_delete(queue)


async def test_without_a_broker_jobs_wait_and_stopping_is_quick(at: Works) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{free_ports(1)[0]}/"
    await at.add(Note("a"))
    async with asyncio.timeout(5), going(at.loops(Settings(jobs=QUICK, amqp_url=url))):
        await until("it is noticed", lambda: connected(at), accept=lambda seen: seen == [0, 0])
    assert at.states() == {"waiting": 1}


async def connected(at: Works) -> list[float | None]:
    """Whether RabbitMQ answers, to those who publish and to those who consume."""
    value = at.metrics.registry.get_sample_value
    purposes = ("publish", "consume")
    return [value("parley_control_broker_connected", {"purpose": purpose}) for purpose in purposes]


async def add_many(at: Works, until_stopped: asyncio.Event) -> list[str]:
    """Add one job after the other; return the names of those whose transaction was committed."""
    added: list[str] = []
    number = 0
    while not until_stopped.is_set():
        number += 1
        job = Stumble(f"{number:05}", times=int(number % 5 == 0))
        try:
            await at.add(job)
        except (SQLAlchemyError, OSError):
            await asyncio.sleep(0.1)
        else:
            added.append(job.name)
        await asyncio.sleep(0.01)
    return added


async def all_done(at: Works, added: list[str]) -> None:
    """Wait until all jobs are done; what was added must be there, and nothing twice."""

    async def states() -> dict[str, int]:
        return at.states()

    done = await until("all jobs are done", states, accept=lambda seen: set(seen) == {"done"}, deadline_s=60)
    effects = at.effects()
    assert len(effects) == len(set(effects)) == done["done"]
    assert set(added) <= set(effects)


@pytest.mark.timeout(300)
async def test_a_broker_that_dies_in_traffic_loses_and_doubles_nothing(
    mortal_broker: RabbitMQ, server: Postgres
) -> None:
    stop = asyncio.Event()
    async with works(database_url(server.make_database()), Ticking()) as at:
        settings = Settings(jobs=HASTY, amqp_url=mortal_broker.url)
        async with going(at.loops(settings)):
            adding = asyncio.create_task(add_many(at, stop))
            await until("there are effects", lambda: effects(at, 50))
            for _ in range(2):
                mortal_broker.kill()
                await until("it is noticed", lambda: connected(at), accept=lambda seen: seen == [0, 0])
                await asyncio.sleep(OUTAGE_S)
                await asyncio.to_thread(mortal_broker.start)
                before = len(at.effects())
                await until("it goes on", lambda least=before + 20: effects(at, least))
                assert await connected(at) == [1, 1]
            stop.set()
            await all_done(at, await adding)


@pytest.mark.timeout(300)
async def test_a_database_that_dies_in_traffic_loses_and_doubles_nothing(
    broker: RabbitMQ, mortal_database: Postgres
) -> None:
    stop = asyncio.Event()
    async with works(database_url(mortal_database.make_database()), Ticking()) as at:
        async with going(at.loops(Settings(jobs=HASTY, amqp_url=broker.url))):
            adding = asyncio.create_task(add_many(at, stop))
            await until("there are effects", lambda: effects(at, 50))
            before = len(at.effects())
            mortal_database.kill()
            await asyncio.sleep(OUTAGE_S)
            await asyncio.to_thread(mortal_database.start)
            await until("it goes on", lambda: effects(at, before + 50))
            stop.set()
            await all_done(at, await adding)


async def effects(at: Works, least: int) -> bool:
    return len(at.effects()) >= least


def worker_process(folder: Path, name: str, url: sqlalchemy.URL, broker: RabbitMQ) -> Process:
    """Start a worker; it ends by SIGTERM, with 0."""
    environment = {
        "PARLEY_DATA": str(folder / "data"),
        "PARLEY_DATABASE_URL": plain(url),
        "PARLEY_AMQP_URL": broker.url,
        "PARLEY_WORKER_PORT": "0",
        "PARLEY_JOBS_CONCURRENCY": "4",
        **{f"PARLEY_{name.upper()}": str(value) for name, value in vars(HASTY).items() if value < 60},
    }
    return Process(
        [sys.executable, "-m", "tests.integration.control.jobworker"], folder / f"{name}.log", env=environment
    )


def plain(url: sqlalchemy.URL) -> str:
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)


async def test_a_worker_killed_in_mid_job_loses_and_doubles_nothing(
    database: sqlalchemy.URL, broker: RabbitMQ, tmp_path: Path
) -> None:
    async with works(database, Ticking()) as at:
        names = [f"{number:02}" for number in range(24)]
        for name in names:
            await at.add(Linger(name, seconds=0.3))
        victim = worker_process(tmp_path, "victim", database, broker)
        await until("it has begun and done some", lambda: in_mid_job(at))
        victim.kill()
        left = at.states()
        assert left["running"] >= 1
        with worker_process(tmp_path, "heir", database, broker):
            await all_done(at, names)
        assert rows(at.url, "SELECT count(*) FROM jobs WHERE attempts > 1") >= [(1,)]


async def in_mid_job(at: Works) -> bool:
    states = at.states()
    return states.get("running", 0) >= 2 and states.get("done", 0) >= 2


async def test_a_worker_that_is_told_to_stop_ends_what_it_does(
    database: sqlalchemy.URL, broker: RabbitMQ, tmp_path: Path
) -> None:
    async with works(database, Ticking()) as at:
        names = [f"{number:02}" for number in range(40)]
        for name in names:
            await at.add(Linger(name, seconds=0.3))
        with worker_process(tmp_path, "first", database, broker):
            await until("it is in the middle", lambda: in_mid_job(at))
        assert "running" not in at.states()
        assert "Traceback" not in (tmp_path / "first.log").read_text()
        with worker_process(tmp_path, "second", database, broker):
            await all_done(at, names)
        assert rows(at.url, "SELECT DISTINCT attempts FROM jobs") == [(1,)]


async def test_the_command_does_the_jobs_of_the_house_and_tells_operators(
    database: sqlalchemy.URL, broker: RabbitMQ, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    environment = {
        "PARLEY_DATA": str(tmp_path / "data"),
        "PARLEY_DATABASE_URL": plain(database),
        "PARLEY_AMQP_URL": broker.url,
        "PARLEY_WORKER_PORT": str(port),
    }
    argv = [sys.executable, "-m", "parley", "worker", "--host", "127.0.0.1"]
    async with works(database, Ticking()) as at, aiohttp.ClientSession() as http:
        await at.add(SendMail(to="bo@example.org", subject="Hello", text="Hello"))
        with Process(argv, tmp_path / "worker.log", env=environment):
            await at.until_states(done=1)
            async with http.get(f"http://127.0.0.1:{port}/readyz") as ready:
                assert ready.status == 200
            async with http.get(f"http://127.0.0.1:{port}/metrics") as metrics:
                text = await metrics.text()
        assert 'parley_control_jobs_total{kind="mail.send.v1",outcome="done"} 1.0' in text
        assert 'parley_control_broker_connected{purpose="consume"} 1.0' in text
        assert len(list((tmp_path / "data" / "mail").glob("*.eml"))) == 1


def test_without_a_broker_the_command_says_who_does_the_jobs(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "parley", "worker", "--data", str(tmp_path)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "control does all jobs by itself" in ended.stderr


def jobs_command(url: sqlalchemy.URL, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--database-url", plain(url)])


async def test_dead_jobs_are_listed_and_tried_again_by_command(at: Works) -> None:
    async with going(at.loops(Settings(jobs=QUICK))):
        for name in ("a", "b", "c"):
            await at.add(Stumble(name, times=1, permanently=True))
        await at.until_states(dead=3)

    def run(*arguments: str) -> Result:
        return jobs_command(at.url, *arguments)

    listed = (await asyncio.to_thread(run, "list")).output.splitlines()
    assert len(listed) == 3
    job_id, kind, attempts, _ended, error = listed[0].split("\t")
    assert (kind, attempts, error) == ("test.stumble.v1", "1", "it was not to be")
    assert len((await asyncio.to_thread(run, "list", "--limit", "1")).output.splitlines()) == 1
    assert (await asyncio.to_thread(run, "retry", job_id)).output == "1 to be tried again\n"
    again = await asyncio.to_thread(run, "retry", job_id)
    assert (again.exit_code, again.output.splitlines()[0]) == (1, "0 to be tried again")
    assert at.states() == {"dead": 2, "waiting": 1}
    assert (await asyncio.to_thread(run, "retry", "--all")).output == "2 to be tried again\n"
    assert (await asyncio.to_thread(run, "retry")).exit_code == 2
