"""Nodes of one host share a port: a connection comes to the right one, and what crashes comes back."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from control.keys import ensure_secrets, load_secrets
from sfu.contract import signals
from sfu.contract.ticket import LIFETIME_S, Ticket, sign
from sfu.node import workers
from sfu.node.settings import Settings
from sfu.node.workers import workers_of
from sfu.transport.settings import NetworkSettings
from tests.integration.node.client import Client
from tests.support.ports import free_ports, free_run
from tests.support.processes import Process
from tests.support.waiting import until


def test_workers_have_ports_and_names_of_their_own() -> None:
    first, second = workers_of(Settings(node_id="a", port=80, internal_url="http://10.0.0.7"), 2)
    assert (first.node_id, first.media_port, first.internal_port) == ("a-1", 8082, 180)
    assert (second.node_id, second.media_port, second.internal_port) == ("a-2", 8083, 181)
    assert second.internal_url == "http://10.0.0.7:181"


@pytest.mark.parametrize(("setting", "ports"), [(None, [8082, 8083]), (443, [443, 444]), (0, [0, 0])])
def test_workers_take_media_over_tcp_at_ports_of_their_own(setting: int | None, ports: list[int]) -> None:
    settings = Settings(network=NetworkSettings(tcp_port=setting))
    assert [worker.media_tcp_port for worker in workers_of(settings, 2)] == ports


@dataclass
class Host:
    """A supervisor with two workers."""

    process: Process
    port: int
    internal: int
    data: Path
    http: aiohttp.ClientSession

    async def health(self, port: int) -> dict[str, Any]:
        """Return what a node says of itself; raise `AssertionError` if it says nothing."""
        try:
            async with self.http.get(f"http://127.0.0.1:{port}/healthz") as response:
                answer: dict[str, Any] = await response.json()
                return answer
        except aiohttp.ClientConnectionError:
            return {}

    async def is_up(self, number: int) -> str:
        """Wait until a worker answers at its own port, and return its name."""
        said = await until("a worker answers", lambda: self.health(self.internal + number - 1))
        return str(said["node"])

    def ticket(self, number: int) -> str:
        """Return a ticket for a room on one of the workers."""
        now = int(time.time())
        ticket = Ticket(
            id=uuid.uuid4().hex,
            room=f"room-{number}",
            peer=uuid.uuid4().hex[:12],
            node=f"h-{number}",
            address=f"http://127.0.0.1:{self.internal + number - 1}",
            name="Someone",
            expires_at=now + LIFETIME_S,
        )
        return sign(ticket, load_secrets(self.data).ticket_key)


def options(data: Path, port: int, internal: int, media: int) -> list[str]:
    """Return the command line of two workers, begun with few open files."""
    return [
        *("sh", "-c", 'ulimit -Sn 1024 && exec "$0" "$@"'),
        *(sys.executable, "-m", "sfu.node.cli", "--workers=2", "--node-id=h", f"--data={data}"),
        *(f"--port={port}", f"--internal-port={internal}", f"--media-port={media}", "--host=127.0.0.1"),
        *("--bind-v4=127.0.0.1", "--bind-v6=", "--advertise=127.0.0.1"),
    ]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder with keys."""
    folder = tmp_path / "data"
    ensure_secrets(folder)
    yield folder


@pytest.fixture
async def host(tmp_path: Path, data: Path) -> AsyncIterator[Host]:
    """Run two workers."""
    (port,) = free_ports(1)
    internal, media = free_run(2), free_run(2)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        with Process(options(data, port, internal, media), tmp_path / "workers.log") as process:
            host = Host(process, port, internal, data, http)
            assert [await host.is_up(number) for number in (1, 2)] == ["h-1", "h-2"]
            yield host


async def test_one_port_leads_to_the_node_that_the_ticket_names(host: Host) -> None:
    async def answering() -> set[str]:
        return {(await host.health(host.port))["node"] for _ in range(20)}

    await until("both workers take connections", answering, accept=lambda nodes: nodes == {"h-1", "h-2"})
    for number in (1, 2) * 4:
        client = Client(host.http, f"http://127.0.0.1:{host.port}")
        client.add_slots(audio=1, video=0)
        welcome = await client.join(host.ticket(number))
        assert welcome.node == f"h-{number}"
        await until("media can flow", connected(client))
        await client.send(signals.Leave())
        await client.close()


def connected(client: Client) -> Callable[[], Any]:
    async def check() -> bool:
        return client.pc.connectionState == "connected"

    return check


def children(pid: int) -> dict[str, int]:
    """Return the workers' process ids, by what sets them apart on their command lines."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            arguments = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            found |= {each: int(child) for each in arguments if each.startswith("--node-id=")}
    return found


async def test_nodes_have_as_many_files_open_as_they_may(host: Host) -> None:
    for pid in children(host.process.pid).values():
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == hard


async def test_a_worker_that_crashes_is_started_again(host: Host) -> None:
    before = children(host.process.pid)
    os.kill(before["--node-id=h-2"], signal.SIGKILL)

    async def again() -> bool:
        now = children(host.process.pid)
        return now.get("--node-id=h-2", 0) not in (0, before["--node-id=h-2"])

    await until("the worker is started again", again)
    assert await host.is_up(2) == "h-2"
    assert children(host.process.pid)["--node-id=h-1"] == before["--node-id=h-1"]


async def test_a_worker_that_ran_for_long_is_started_again_whatever_ended_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workers, "STEADY_S", 0)
    (worker,) = workers_of(Settings(node_id="h"), 1)
    keeping = asyncio.create_task(workers.supervise([worker], [f"--data={data / 'none'}"]))

    async def is_restarted() -> bool:
        assert not keeping.done()
        return "node h-1 ended with code 1; starting it again" in caplog.text

    await until("the worker is started again", is_restarted)
    signal.raise_signal(signal.SIGTERM)
    assert await keeping == 0


async def test_workers_that_cannot_start_end_with_the_reason(data: Path) -> None:
    port, taken = free_ports(2)
    internal = free_run(2)
    held = await asyncio.start_server(lambda *_: None, "127.0.0.1", internal)
    ended = await asyncio.to_thread(
        lambda: subprocess.run(
            options(data, port, internal, taken), capture_output=True, text=True, timeout=60, check=False
        )
    )
    held.close()
    assert ended.returncode == 1
    assert "address already in use" in ended.stderr
