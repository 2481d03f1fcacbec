"""A Redis server of the tests' own, which they may kill and start again; it ends with its context."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now


class RedisServer:
    """The server, which keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._port,) = free_ports(1)
        self._process: Process | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = {"port": str(self._port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        argv = ["redis-server", *options, "--dir", str(self._folder)]
        process = self._process = Process(argv, self._folder / "redis.log")
        until_now("Redis answers", lambda: process.alive() and self._answers())

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def kill(self) -> None:
        """End the server as a power cut would."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> None:
        """End the server."""
        assert self._process is not None
        self._process.stop()


@contextmanager
def redis() -> Iterator[RedisServer]:
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="parley-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.stop()
