"""Several nodes on one host: a process for each core, since one node uses one.

They share the port for signalling: the kernel hands a connection to any of them, and it is passed on to the
node it is for (`sfu.node.passing`). Media and commands come to each at ports of its own. A process that
crashes is started again; its rooms are opened anew by the clients, who come back.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yarl import URL

from sfu.node.settings import Settings
from sfu.node.stopping import stop_asked

_log = logging.getLogger(__name__)

INTERNAL_PORTS = 100
"""How far above the port for signalling the internal ports begin, unless one is set."""
BACKOFF_S = 0.5
BACKOFF_MAX_S = 10.0
FAILURES_MAX = 10
"""So many in a row wait for the longest time; counting on would overflow it."""
STEADY_S = 30.0
"""A worker that ran for so long is started again at once."""


@dataclass(frozen=True)
class Worker:
    """What sets one node of a host apart from the others."""

    node_id: str
    media_port: int
    media_tcp_port: int
    internal_port: int
    internal_url: str

    @property
    def options(self) -> list[str]:
        """The command line's options that say so."""
        return [
            "--workers=1",
            f"--node-id={self.node_id}",
            f"--media-port={self.media_port}",
            f"--media-tcp-port={self.media_tcp_port}",
            f"--internal-port={self.internal_port}",
            f"--internal-url={self.internal_url}",
        ]


def workers_of(settings: Settings, count: int) -> Iterator[Worker]:
    """Yield the workers of a host: numbered from 1, their ports one after the other."""
    internal = settings.internal_port or settings.port + INTERNAL_PORTS
    udp, tcp = settings.network.port, settings.network.tcp_port
    tcp = udp if tcp is None else tcp
    for number in range(count):
        port = internal + number
        url = str(URL(settings.internal_url or "http://127.0.0.1").with_port(port))
        tcp_port = tcp + number if tcp else 0
        yield Worker(f"{settings.node_id}-{number + 1}", udp + number, tcp_port, port, url)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


async def supervise(workers: Sequence[Worker], options: Sequence[str]) -> int:
    """Keep the workers running until SIGINT or SIGTERM; return the exit code.

    One that cannot even start once ends them all: its settings are wrong.
    """
    stop = asyncio.create_task(stop_asked())
    keeping = [asyncio.create_task(_keep(worker, options, stop)) for worker in workers]
    await asyncio.wait([stop, *keeping], return_when=asyncio.FIRST_COMPLETED)
    failed = any(task.done() for task in keeping)
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    stop.cancel()
    return int(failed)


async def _keep(worker: Worker, options: Sequence[str], stop: asyncio.Task[signal.Signals]) -> None:
    """Run a worker again and again; return if it could not start. Cancelled, end it as we were asked to."""
    loop = asyncio.get_running_loop()
    failures = 0
    has_run = False
    while True:
        began = loop.time()
        command = [sys.executable, "-m", "sfu.node.cli", *options, *worker.options]
        process = await asyncio.create_subprocess_exec(*command, process_group=0)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.send_signal(stop.result() if stop.done() else signal.SIGTERM)
                await process.wait()
        was_steady = loop.time() - began > STEADY_S
        if code == 1 and not (has_run or was_steady):
            return
        has_run = True
        failures = 0 if was_steady else min(failures + 1, FAILURES_MAX)
        _log.error("node %s ended with code %d; starting it again", worker.node_id, code)
        await asyncio.sleep(min(BACKOFF_MAX_S, BACKOFF_S * 2**failures) if failures else 0)
