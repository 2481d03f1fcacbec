"""Our node, alone or as several workers: the benchmark signs its own tickets, so no control is needed."""

import asyncio
import os
import random
import secrets
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sfu.contract import ticket
from tests.bench.namespace import ADDRESS
from tests.bench.scenario import AUDIO_PACKET_BYTES, LOUDEST, VIDEO, Scenario
from tests.bench.subject import Population, SampledReception, SubjectFailed, level_of
from tests.load.light.bot import LightBot, ReceptionOf, Shape
from tests.load.light.dtls import Identity, Profile
from tests.load.light.pump import Pump
from tests.load.light.traffic import Traffic
from tests.load.process import Server, cpu_s

_NODE = "bench"
_APART = 100
"""From the port that workers share to the first one's own."""
_ROOM = "bench"
_AT_ONCE = 10
_MAX_PEERS = 500
_START_S = 20.0
_POLL_S = 0.05
_STAGGER_S = 0.02


class Parley:
    """One run of a node, or of several `workers`. `reception_of` makes what counts the packets of each slot.

    `congestion_control`: all offer transport-cc, and RTX, in which the node probes for bandwidth.
    """

    def __init__(
        self,
        profile: Profile,
        name: str = "parley",
        *,
        loudest: int = LOUDEST,
        congestion_control: bool = False,
        workers: int = 1,
        reception_of: ReceptionOf | None = None,
    ) -> None:
        self.name = name
        self.bots: list[LightBot] = []
        self._samples: list[SampledReception] = []
        self._identity = Identity(profile)
        self._loudest = loudest
        self._congestion_control = congestion_control
        self._workers = workers
        self._reception_of = reception_of or self._sample
        self._key = Ed25519PrivateKey.generate()

    async def start(self, folder: Path) -> None:
        """Start the node and wait until it is ready."""
        public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / "ticket-verifying.pem").write_bytes(public)
        (folder / "cluster.secret").write_text(secrets.token_hex(32))
        port, media_port = free_ports()
        own = port if self._workers == 1 else port + _APART
        urls = [f"http://{ADDRESS}:{own + number}" for number in range(self._workers)]
        self._url = f"http://{ADDRESS}:{port}"
        self._nodes = dict(zip(self._names, urls, strict=True))
        settings = {
            "PARLEY_DATA": str(folder),
            "PARLEY_CONTROL_URL": "",
            "PARLEY_SFU_NODE_ID": _NODE,
            "PARLEY_SFU_HOST": ADDRESS,
            "PARLEY_SFU_PORT": str(port),
            "PARLEY_SFU_WORKERS": str(self._workers),
            "PARLEY_SFU_INTERNAL_PORT": str(own if self._workers > 1 else 0),
            "PARLEY_SFU_INTERNAL_URL": urls[0],
            "PARLEY_SFU_MEDIA_PORT": str(media_port),
            "PARLEY_SFU_ADVERTISE": ADDRESS,
            "PARLEY_SFU_LOUDEST": str(self._loudest),
            "PARLEY_SFU_MAX_ROOM_PEERS": str(_MAX_PEERS),
            "PARLEY_SFU_MAX_CPU": "100",
            "PARLEY_SFU_MAX_LAG_S": "100",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        self.server = Server([sys.executable, "-m", "sfu.node.cli"], folder / "output", inherited | settings)
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await self.server.start()
        for url in urls:
            await self._ready(url)

    @property
    def _names(self) -> list[str]:
        """The ids of the nodes, which workers get from their host's."""
        return [_NODE] if self._workers == 1 else [f"{_NODE}-{n + 1}" for n in range(self._workers)]

    def worker_of(self, room: int) -> int:
        """Return the number of the worker that has a room."""
        return room % self._workers

    def cpu_s(self) -> list[float]:
        """Return the processor time of each worker, in seconds."""
        if self._workers == 1:
            return [self.server.cpu_s()]
        return [cpu_s(pid) for pid in sorted(self.server.children())]

    async def populate(self, scenario: Scenario, pump: Pump, room: int = 0) -> Population:
        """Let participants and viewers into a room, several at a time."""
        bots, samples = len(self.bots), len(self._samples)
        shapes = [_participant(scenario, index) for index in range(scenario.participants)]
        shapes += [_viewer(scenario)] * scenario.viewers
        controlled = self._congestion_control
        shapes = [replace(shape, transport_cc=controlled, rtx=controlled) for shape in shapes]
        limit = asyncio.Semaphore(_AT_ONCE)

        async def enter(shape: Shape) -> None:
            async with limit:
                await self.enter(shape, pump, random.random() * _STAGGER_S, room)

        await asyncio.gather(*(enter(shape) for shape in shapes))
        streams = [stream for bot in self.bots[bots:] for stream in bot.traffic.streams]
        return Population(streams, self._samples[samples:])

    async def enter(self, shape: Shape, pump: Pump, send_after_s: float = 0.0, room: int = 0) -> LightBot:
        """Let one bot in. What it sends begins `send_after_s` later; never, if that is infinite."""
        bot = LightBot(pump, self._identity, shape, self._reception_of)
        self.bots.append(bot)
        url = self._url.replace("http", "ws", 1) + "/signal"
        await bot.join(self._http, url, self._ticket(room), send_after_s)
        return bot

    async def stop(self) -> None:
        """Let everybody out and stop the node."""
        for bot in self.bots:
            await bot.leave()
        await self._http.close()
        await self.server.stop()

    def _sample(self, _kind: str, ssrc: int, traffic: Traffic) -> SampledReception:
        sampled = SampledReception(ssrc, traffic)
        self._samples.append(sampled)
        return sampled

    def _ticket(self, room: int) -> str:
        name = secrets.token_hex(8)
        node = self._names[self.worker_of(room)]
        claims = ticket.Ticket(
            id=name,
            room=f"{_ROOM}-{room}",
            peer=name,
            node=node,
            address=self._nodes[node],
            name=name,
            expires_at=int(time.time()) + ticket.LIFETIME_S,
        )
        return ticket.sign(claims, self._key)

    async def _ready(self, url: str) -> None:
        deadline = time.monotonic() + _START_S
        while self.server.running and time.monotonic() < deadline:
            try:
                async with self._http.get(f"{url}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(_POLL_S)
        raise SubjectFailed(f"the node does not start: {self.server.last_words}")


def free_ports() -> tuple[int, int]:
    """Return a TCP and a UDP port that were free a moment ago."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind((ADDRESS, 0))
        udp.bind((ADDRESS, 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


def _participant(scenario: Scenario, index: int) -> Shape:
    slots = scenario.streams_per_participant
    if scenario.kind == "audio":
        return Shape(
            camera=(),
            microphone=lambda _now: level_of(index),
            microphone_bytes=AUDIO_PACKET_BYTES,
            audio_slots=slots,
            video_slots=0,
        )
    drawn = (VIDEO.width, VIDEO.height)
    return Shape(camera=(VIDEO,), audio_slots=0, video_slots=slots, drawn=drawn)


def _viewer(scenario: Scenario) -> Shape:
    drawn = (VIDEO.width, VIDEO.height)
    return Shape(camera=(), audio_slots=0, video_slots=scenario.participants, drawn=drawn)
