"""Control as operators run it: alone, on PostgreSQL and Redis, and as two replicas behind HAProxy."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from control.keys import ensure_secrets, load_secrets
from sfu.contract.operations import CONTROL_AUDIENCE, Load, Report, sign_token
from tests.support.haproxy import haproxy
from tests.support.ports import free_ports
from tests.support.postgres import postgres
from tests.support.processes import Process
from tests.support.redis import redis
from tests.support.waiting import until

PLENTY = "1000000/1"
LIMITLESS = {
    f"PARLEY_RATE_{name}": PLENTY for name in ("REGISTER", "SIGN_IN", "JOIN", "GUESS", "CREATE", "CHAT")
}
REPORT_EVERY_S = 2.0


@dataclass(frozen=True)
class System:
    """A running system: where clients reach it, and where each replica is reached past the balancer."""

    origin: str
    replicas: tuple[str, ...]
    processes: tuple[Process, ...]


Running = Callable[[Path], Iterator[System]]


def embedded(folder: Path) -> Iterator[System]:
    """One process, with SQLite and a fan-out of its own."""
    with _replicas(folder, 1, {}) as (ports, processes):
        yield System(_at(ports[0]), (_at(ports[0]),), processes)


def one_replica(folder: Path) -> Iterator[System]:
    """One process on PostgreSQL and Redis."""
    with postgres() as database, redis() as cache:
        env = {"PARLEY_DATABASE_URL": database.make_database(), "PARLEY_REDIS_URL": cache.url}
        with _replicas(folder, 1, env) as (ports, processes):
            yield System(_at(ports[0]), (_at(ports[0]),), processes)


def two_replicas(folder: Path) -> Iterator[System]:
    """Two processes on PostgreSQL and Redis, behind HAProxy."""
    with postgres() as database, redis() as cache:
        env = {"PARLEY_DATABASE_URL": database.make_database(), "PARLEY_REDIS_URL": cache.url}
        with _replicas(folder, 2, env) as (ports, processes), haproxy(folder, ports) as origin:
            yield System(origin, tuple(map(_at, ports)), processes)


SYSTEMS: dict[str, Running] = {
    "SQLite, embedded": embedded,
    "PostgreSQL + Redis": one_replica,
    "two replicas, HAProxy": two_replicas,
}


@asynccontextmanager
async def running(system: Running, folder: Path) -> AsyncIterator[System]:
    """Run a system, with a node that reports that it lives and is never called."""
    with contextmanager(system)(folder) as made:
        async with aiohttp.ClientSession() as http:
            for replica in (*made.replicas, made.origin):
                await until(f"{replica} is ready", lambda replica=replica: _is_ready(http, replica))
            await _report(http, made.replicas[0], folder)
            reporting = asyncio.create_task(_go_on_reporting(http, made.replicas[0], folder))
            try:
                yield made
            finally:
                reporting.cancel()


@contextmanager
def _replicas(
    folder: Path, count: int, env: dict[str, str]
) -> Iterator[tuple[list[int], tuple[Process, ...]]]:
    ensure_secrets(folder)
    ports = free_ports(count)
    with ExitStack() as running:
        processes = []
        for port in ports:
            theirs = {
                "PARLEY_DATA": str(folder),
                "PARLEY_CONTROL_PORT": str(port),
                "PARLEY_TRUSTED_PROXIES": "127.0.0.1/32",
                "PARLEY_LOG_LEVEL": "WARNING",
                **LIMITLESS,
                **env,
            }
            argv = [sys.executable, "-m", "control.cli"]
            processes.append(running.enter_context(Process(argv, folder / f"{port}.log", env=theirs)))
        yield ports, tuple(processes)


async def _go_on_reporting(http: aiohttp.ClientSession, origin: str, folder: Path) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        await _report(http, origin, folder)


async def _report(http: aiohttp.ClientSession, origin: str, folder: Path) -> None:
    """Say as a node does that it lives."""
    token = sign_token(load_secrets(folder).cluster, audience=CONTROL_AUDIENCE, now=time.time())
    report = Report(
        node="node-1",
        boot="boot-1",
        signal_port=8081,
        internal_url="http://127.0.0.1:9",
        version="1.0",
        load=Load(),
        events=(),
    )
    headers = {"Authorization": f"Bearer {token}"}
    body = msgspec.to_builtins(report)
    async with http.post(f"{origin}/internal/nodes/report", json=body, headers=headers) as response:
        assert response.ok, await response.text()


async def _is_ready(http: aiohttp.ClientSession, origin: str) -> bool:
    try:
        async with http.get(f"{origin}/readyz") as response:
            return response.ok
    except aiohttp.ClientConnectionError:
        return False


def _at(port: int) -> str:
    return f"http://127.0.0.1:{port}"
