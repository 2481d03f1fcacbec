"""A whole system of real processes: the parts, two replicas of control, a worker, a node, and a balancer."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp
import sqlalchemy
from yarl import URL

from control.database import database_url
from control.keys import ensure_secrets
from tests.support.haproxy import haproxy
from tests.support.ports import free_ports
from tests.support.postgres import Postgres, postgres
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ, rabbitmq
from tests.support.radosgw import RadosGateway, radosgw
from tests.support.redis import RedisServer, redis
from tests.support.waiting import until

START_DEADLINE_S = 90.0
PLENTY = "100000/1"
LEASE_S = 10
"""So long it takes until what a killed worker did is done by another."""

Entered = TypeVar("Entered")


class Mortal(Protocol):
    """What can be killed, and started again on the same data."""

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """End it as a power cut would."""


class Part:
    """A process of the product, always at the same port; each start has a log of its own."""

    def __init__(self, name: str, module: str, port: int, folder: Path, settings: dict[str, str]) -> None:
        self.base = URL(f"http://127.0.0.1:{port}")
        self.logs: list[Path] = []
        self._name = name
        self._argv = [sys.executable, "-m", module]
        self._folder = folder
        self._settings = settings
        self._process: Process | None = None

    async def start(self, http: aiohttp.ClientSession) -> None:
        """Start it, and wait until it says that it is ready."""
        self.logs.append(self._folder / f"{self._name}-{len(self.logs) + 1}.log")
        process = self._process = Process(self._argv, self.logs[-1], env=self._settings)

        async def is_ready() -> bool:
            process.alive()
            try:
                async with http.get(self.base / "readyz") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        await until(f"{self._name} is ready", is_ready, deadline_s=START_DEADLINE_S)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()


@dataclass(frozen=True)
class System:
    """The parts, all running. `url` is the balancer's."""

    database: sqlalchemy.URL
    postgres: Postgres
    redis: RedisServer
    rabbitmq: RabbitMQ
    s3: RadosGateway
    replicas: tuple[Part, Part]
    worker: Part
    url: str
    http: aiohttp.ClientSession

    def bugs(self) -> list[str]:
        """Return what control and the worker call a bug of theirs."""
        logs = [log for part in (*self.replicas, self.worker) for log in part.logs]
        return [line for log in logs for line in log.read_text().splitlines() if " a bug" in line]


@asynccontextmanager
async def system(folder: Path, mail_port: int) -> AsyncIterator[System]:
    """Run all of it; control sends its mail to this port."""
    async with AsyncExitStack() as closing:

        async def entered(context: AbstractContextManager[Entered]) -> Entered:
            made = await asyncio.to_thread(context.__enter__)
            closing.callback(context.__exit__, None, None, None)
            return made

        database, hints, broker, s3 = await asyncio.gather(
            entered(postgres()), entered(redis()), entered(rabbitmq()), entered(radosgw())
        )
        url = database_url(database.make_database())
        one, other, worker, signal, media = free_ports(5)
        balancer = await entered(haproxy(folder, [one, other]))
        ensure_secrets(folder / "data")
        common = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
            "PARLEY_DATABASE_URL": url.set(drivername="postgresql").render_as_string(hide_password=False),
            "PARLEY_REDIS_URL": hints.url,
            "PARLEY_AMQP_URL": broker.url,
            "PARLEY_S3_URL": await s3.make_bucket(),
            "PARLEY_S3_KEY": s3.key,
            "PARLEY_S3_SECRET": s3.secret,
            "PARLEY_SMTP_URL": f"smtp://127.0.0.1:{mail_port}",
            **_settings(folder, balancer),
        }
        http = await closing.enter_async_context(
            aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=30),
            )
        )
        replicas = (
            Part("one", "control.cli", one, folder, common | {"PARLEY_CONTROL_PORT": str(one)}),
            Part("other", "control.cli", other, folder, common | {"PARLEY_CONTROL_PORT": str(other)}),
        )
        doer = Part("worker", "control.worker", worker, folder, common | {"PARLEY_WORKER_PORT": str(worker)})
        node = Part("node", "sfu.node.cli", signal, folder, common | _of_node(signal, media, balancer))
        for part in (*replicas, doer, node):
            closing.callback(part.kill)
            await part.start(http)
        yield System(url, database, hints, broker, s3, replicas, doer, balancer, http)


def _settings(folder: Path, balancer: str) -> dict[str, str]:
    """Return what control and the worker need besides the addresses of their parts."""
    rates = ("CHAT", "CREATE", "DOWNLOAD", "INVITE", "JOIN", "UPLOAD")
    return {
        "PARLEY_DATA": str(folder / "data"),
        "PARLEY_CONTROL_HOST": "127.0.0.1",
        "PARLEY_PUBLIC_URL": balancer,
        "PARLEY_MAIL_FROM": "parley@example.org",
        "PARLEY_SMTP_TIMEOUT_S": "5",
        "PARLEY_WEBHOOKS_PRIVATE": "true",
        "PARLEY_WEBHOOK_TIMEOUT_S": "5",
        "PARLEY_BCRYPT_COST": "4",
        "PARLEY_JOBS_POLL_S": "0.2",
        "PARLEY_JOBS_LEASE_S": str(LEASE_S),
        "PARLEY_JOBS_REPUBLISH_S": "30",
        "PARLEY_JOBS_BACKOFF_S": "0.5",
        "PARLEY_JOBS_BACKOFF_MAX_S": "2",
        "PARLEY_JOBS_ATTEMPTS": "1000",
        "PARLEY_EVENT_HISTORY": "100000",
        "PARLEY_MAX_INVITATIONS": "10000",
        **{f"PARLEY_RATE_{name}": PLENTY for name in rates},
    }


def _of_node(signal: int, media: int, balancer: str) -> dict[str, str]:
    return {
        "PARLEY_CONTROL_URL": balancer,
        "PARLEY_SFU_HOST": "127.0.0.1",
        "PARLEY_SFU_BIND_V4": "127.0.0.1",
        "PARLEY_SFU_BIND_V6": "",
        "PARLEY_SFU_ADVERTISE": "127.0.0.1",
        "PARLEY_SFU_NODE_ID": "node-1",
        "PARLEY_SFU_PORT": str(signal),
        "PARLEY_SFU_MEDIA_PORT": str(media),
        "PARLEY_SFU_MAX_CPU": "100",
        "PARLEY_SFU_MAX_LAG_S": "100",
    }
