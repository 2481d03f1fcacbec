"""The floor as a subject: `tests.bench.floor` sends to as many sockets as the room has receivers."""

import os
import socket
import sys
from pathlib import Path

from tests.bench.namespace import ADDRESS
from tests.bench.scenario import Scenario
from tests.bench.subject import Population
from tests.load.light.pump import Pump
from tests.load.process import Server

_TAG_BYTES = 16
"""What SRTP adds to a packet under AES-128-GCM (RFC 7714)."""


class Receiver:
    """A bare socket that counts."""

    def __init__(self) -> None:
        self.packets = 0
        self.harmed = 0
        self.gone = 0

    def received(self, _datagram: memoryview, _arrived: float) -> None:
        """Count a packet."""
        self.packets += 1


class Floor:
    """One run of the kernel alone. `loop` is a name in `tests.bench.floor.LOOPS`."""

    def __init__(self, loop: str = "sendto") -> None:
        self.name = f"kernel, {loop}"
        self._loop = loop

    async def start(self, folder: Path) -> None:
        """Nothing runs until it is known where to send."""
        self._folder = folder

    async def populate(self, scenario: Scenario, pump: Pump) -> Population:
        """Open the sockets and start to send."""
        receivers = [Receiver() for _ in range(scenario.receivers)]
        addresses = []
        for receiver in receivers:
            sock = pump.open(receiver, socket.AF_INET)
            sock.bind((ADDRESS, 0))
            addresses.append(f"{ADDRESS}:{sock.getsockname()[1]}")
        copies = scenario.deliveries // len(receivers)
        size = scenario.packet_bytes + _TAG_BYTES
        command = [sys.executable, "-m", "tests.bench.floor", self._loop, str(1 / scenario.packets_per_s)]
        self.server = Server(
            [*command, str(size), str(copies), *addresses], self._folder / "output", os.environ
        )
        await self.server.start()
        return Population((), receivers)

    async def stop(self) -> None:
        """Stop sending."""
        await self.server.stop()
