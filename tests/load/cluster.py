"""Control and nodes as processes on loopback: each can be stopped, killed, and started again.

There are no limits on how fast one address may join and how busy a node may be.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from control.keys import ensure_secrets
from tests.load.process import Server
from tests.support.ports import free_ports

START_S = 90.0
STOP_S = 120.0
_MANY = "1000000/60"


class ClusterFailed(Exception):
    """A part does not do what it should; says which."""


@dataclass
class Part:
    """A process, and where it says whether it is ready."""

    name: str
    server: Server
    url: str


class Cluster:
    """`control`, and the nodes by their ids. `changed` settings are for all of them."""

    def __init__(
        self, folder: Path, http: aiohttp.ClientSession, nodes: int, changed: Mapping[str, str]
    ) -> None:
        self._http = http
        data = folder / "data"
        ensure_secrets(data)
        port, *ports = free_ports(1 + 2 * nodes)
        self.url = f"http://127.0.0.1:{port}"
        common = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")} | {
            "PARLEY_DATA": str(data),
            "PARLEY_CONTROL_HOST": "127.0.0.1",
            "PARLEY_CONTROL_PORT": str(port),
            "PARLEY_CONTROL_URL": self.url,
            "PARLEY_RATE_JOIN": _MANY,
            "PARLEY_RATE_CREATE": _MANY,
            "PARLEY_SFU_HOST": "127.0.0.1",
            "PARLEY_SFU_BIND_V4": "127.0.0.1",
            "PARLEY_SFU_BIND_V6": "",
            "PARLEY_SFU_ADVERTISE": "127.0.0.1",
            "PARLEY_SFU_MAX_CPU": "100",
            "PARLEY_SFU_MAX_LAG_S": "100",
            "PARLEY_LOG_LEVEL": "info",
            **changed,
        }
        self.control = self._part(folder, "control", "control.cli", self.url, common)
        self.nodes: dict[str, Part] = {}
        for number, (signal, media) in enumerate(zip(ports[::2], ports[1::2], strict=True), 1):
            node = self._node(folder, f"node-{number}", signal, media, common)
            self.nodes[node.name] = node

    def _node(self, folder: Path, name: str, port: int, media: int, common: dict[str, str]) -> Part:
        own = {
            "PARLEY_SFU_NODE_ID": name,
            "PARLEY_SFU_PORT": str(port),
            "PARLEY_SFU_MEDIA_PORT": str(media),
        } | common
        url = f"http://127.0.0.1:{own['PARLEY_SFU_PORT']}"
        return self._part(folder, name, "sfu.node.cli", url, own)

    def _part(self, folder: Path, name: str, module: str, url: str, environment: dict[str, str]) -> Part:
        command = [sys.executable, "-m", module]
        return Part(name, Server(command, folder / f"{name}.log", environment), url)

    async def start(self, part: Part) -> None:
        """Start a part, and wait until it is ready. Raises `ClusterFailed`."""
        await part.server.start()
        deadline = time.monotonic() + START_S
        while part.server.running and time.monotonic() < deadline:
            if await self.state(part) is not None:
                return
            await asyncio.sleep(0.1)
        raise ClusterFailed(f"{part.name} does not start:\n{part.server.last_words}")

    async def stop(self, part: Part) -> float:
        """Ask a part to end; return how long that took, in seconds. Raises `ClusterFailed`."""
        began = time.monotonic()
        await part.server.stop(STOP_S)
        took_s = time.monotonic() - began
        if took_s >= STOP_S:
            raise ClusterFailed(f"{part.name} does not end:\n{part.server.last_words}")
        return took_s

    async def state(self, part: Part) -> dict[str, int] | None:
        """Return what a part that is ready says of itself."""
        with contextlib.suppress(aiohttp.ClientError):
            async with self._http.get(f"{part.url}/readyz") as response:
                if response.status == 200:
                    state: dict[str, int] = await response.json(content_type=None)
                    return state
        return None

    async def busiest(self) -> Part:
        """Return the node with the most people."""
        peers = {name: (await self.state(part) or {}).get("peers", 0) for name, part in self.nodes.items()}
        return self.nodes[max(peers, key=lambda name: peers[name])]


@contextlib.asynccontextmanager
async def cluster(
    folder: Path, nodes: int = 1, changed: Mapping[str, str] | None = None
) -> AsyncIterator[Cluster]:
    """Run control and so many nodes, with settings `changed`. Raises `ClusterFailed`."""
    async with aiohttp.ClientSession() as http:
        running = Cluster(folder, http, nodes, changed or {})
        try:
            await running.start(running.control)
            await asyncio.gather(*(running.start(node) for node in running.nodes.values()))
            yield running
        finally:
            parts = (running.control, *running.nodes.values())
            await asyncio.gather(*(part.server.stop() for part in parts))
