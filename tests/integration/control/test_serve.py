"""The service as a process: started by its command, stopped by a signal."""

import asyncio
import os
import re
import signal
import stat
import sys
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType
from yarl import URL

from control.database import database_url
from tests.integration.control.harness import PASSWORD, Client, rows
from tests.support.ports import free_ports
from tests.support.postgres import Postgres
from tests.support.processes import Process
from tests.support.waiting import until

WAITING = "SELECT kind FROM jobs WHERE state = 'waiting'"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_starts_on_nothing_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    data, (port,) = tmp_path / "data", free_ports(1)
    environment = os.environ | {
        "PARLEY_DATA": str(data),
        "PARLEY_CONTROL_PORT": str(port),
        "PARLEY_BCRYPT_COST": "4",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "control.cli",
        "--host",
        "127.0.0.1",
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as http:

            async def ready() -> bool:
                try:
                    async with http.get(f"{base}/readyz") as response:
                        return response.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until("control is ready", ready)
            body = {"email": "ann@example.org", "name": "Ann", "password": "correct horse"}
            async with http.post(f"{base}/api/accounts", json=body) as response:
                token = (await response.json())["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            async with http.post(f"{base}/api/meetings", json={"title": "x"}, headers=bearer) as response:
                code = (await response.json())["code"]
            async with http.ws_connect(f"{base}/api/meetings/{code}/events", headers=bearer) as listener:
                assert (await listener.receive_json(timeout=20))["type"] == "ready"
                process.send_signal(number)
                goodbye = await listener.receive(timeout=20)
                assert (goodbye.type, goodbye.data) == (WSMsgType.CLOSE, 1001)
        _, log = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, log.decode()
    assert b"Traceback" not in log
    assert re.search(rb"POST /api/accounts 201", log)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for name in ("ticket-signing.pem", "ticket-verifying.pem", "cluster.secret", "session.secret"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600


async def test_without_its_database_it_says_so_and_ends(tmp_path: Path) -> None:
    """After a while: the two may have been started together. It tells no password."""
    (port,) = free_ports(1)
    environment = os.environ | {
        "PARLEY_DATA": str(tmp_path / "data"),
        "PARLEY_DATABASE_URL": f"postgresql://parley:hush@127.0.0.1:{port}/parley",
        "PARLEY_DATABASE_WAIT_S": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "control.cli", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    said = printed.decode()
    assert f"Error: postgresql+psycopg://parley:***@127.0.0.1:{port}/parley does not answer" in said
    assert "does not answer yet" in said
    assert "hush" not in said


async def test_a_worker_without_its_database_says_so_and_ends(tmp_path: Path) -> None:
    database, broker = free_ports(2)
    environment = os.environ | {
        "PARLEY_DATA": str(tmp_path / "data"),
        "PARLEY_DATABASE_URL": f"postgresql://parley:hush@127.0.0.1:{database}/parley",
        "PARLEY_DATABASE_WAIT_S": "1",
        "PARLEY_AMQP_URL": f"amqp://parley:hush@127.0.0.1:{broker}/",
        "PARLEY_WORKER_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "control.worker", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    said = printed.decode()
    assert f"Error: postgresql+psycopg://parley:***@127.0.0.1:{database}/parley does not answer" in said
    assert "hush" not in said


async def test_without_redis_rabbitmq_and_mail_it_starts_all_the_same(tmp_path: Path) -> None:
    """What only waits for them waits; everything else is done, and no password is told."""
    port, *dead = free_ports(4)
    environment = os.environ | {
        "PARLEY_DATA": str(tmp_path / "data"),
        "PARLEY_CONTROL_PORT": str(port),
        "PARLEY_BCRYPT_COST": "4",
        "PARLEY_REDIS_URL": f"redis://parley:hush@127.0.0.1:{dead[0]}/0",
        "PARLEY_AMQP_URL": f"amqp://parley:hush@127.0.0.1:{dead[1]}/",
        "PARLEY_SMTP_URL": f"smtps://parley:hush@127.0.0.1:{dead[2]}",
        "PARLEY_MAIL_FROM": "parley@example.org",
        "PARLEY_PUBLIC_URL": "https://meet.example.org",
    }
    log = tmp_path / "control.log"
    with Process([sys.executable, "-m", "control.cli"], log, env=environment) as process:
        async with aiohttp.ClientSession() as http:
            ann = Client(http, URL(f"http://127.0.0.1:{port}"))

            async def ready() -> bool:
                process.alive()
                try:
                    return (await ann.get("/readyz")).status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until("control is ready", ready)
            body = {"email": "ann@example.org", "name": "Ann", "password": PASSWORD}
            ann.token = (await ann.post("/api/accounts", body)).json["access_token"]
            meeting = f"/api/meetings/{(await ann.post('/api/meetings', {'title': 'x'})).json['code']}"
            invited = await ann.post(f"{meeting}/invitations", {"addresses": ["bo@example.org"]})
            said = await ann.post(f"{meeting}/messages", {"text": "x", "client_id": "x"})
            assert (invited.status, said.status) == (201, 201)
            jobs = rows(database_url(f"sqlite:///{tmp_path / 'data' / 'control.sqlite'}"), WAITING)
            assert ("invitations.notice.v1",) in jobs
    assert "Traceback" not in log.read_text()
    assert "hush" not in log.read_text()


async def test_several_started_together_share_one_empty_database(tmp_path: Path, server: Postgres) -> None:
    """One of them makes the tables and the secrets, the others find them."""
    database, ports = server.make_database(), free_ports(4)
    environment = {
        "PARLEY_DATA": str(tmp_path / "data"),
        "PARLEY_DATABASE_URL": database,
        "PARLEY_BCRYPT_COST": "4",
    }
    bases = [f"http://127.0.0.1:{port}" for port in ports]
    with ExitStack() as stopping:
        replicas = [
            stopping.enter_context(
                Process(
                    [sys.executable, "-m", "parley", "control", "--host", "127.0.0.1", "--port", str(port)],
                    tmp_path / f"{port}.log",
                    env=environment,
                )
            )
            for port in ports
        ]
        async with aiohttp.ClientSession() as http:

            async def ready() -> list[int]:
                assert all(replica.alive() for replica in replicas)
                return [await status(http, f"{base}/readyz") for base in bases]

            await until("all are ready", ready, accept=lambda found: found == [200] * 4, deadline_s=90)
            body = {"email": "ann@example.org", "name": "Ann", "password": "correct horse"}
            async with http.post(f"{bases[0]}/api/accounts", json=body) as response:
                token = (await response.json())["access_token"]
            bearer = {"Authorization": f"Bearer {token}"}
            for base in bases:
                async with http.post(f"{base}/api/meetings", json={"title": "x"}, headers=bearer) as response:
                    assert response.status == 201
    for port in ports:
        assert "Traceback" not in (tmp_path / f"{port}.log").read_text()
    assert len(rows(database_url(database), "SELECT version_num FROM alembic_version")) == 1
    assert rows(database_url(database), "SELECT number, count FROM place") == [(0, 1)]


async def status(http: aiohttp.ClientSession, url: str) -> int:
    try:
        async with http.get(url) as response:
            return response.status
    except aiohttp.ClientConnectionError:
        return 0
