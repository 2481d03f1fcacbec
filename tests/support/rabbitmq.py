"""A RabbitMQ server of the tests' own, which they may kill and start again; it ends with its context.

Erlang's nodes find each other through a daemon that the first of them leaves running, so it is started here.
"""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the one in the PATH is for Debian's service
START_DEADLINE_S = 60.0
HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitMQ:
    """The server. What is durable outlives its being killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._distribution_port, self._names_port = free_ports(3)
        self._process: Process | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        names = ["epmd", "-port", str(self._names_port), "-address", "127.0.0.1"]
        self._names = Process(names, folder / "epmd.log")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        configuration = self._folder / "rabbitmq.conf"
        configuration.write_text(f"listeners.tcp.default = 127.0.0.1:{self._port}\n")
        plugins = self._folder / "plugins"
        plugins.write_text("[].\n")
        environment = {
            "HOME": str(self._folder),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_NODENAME": "parley@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "NOTIFY_SOCKET": str(self._folder / "nobody"),  # so that the process is the server, not a shell
        }
        process = self._process = Process([PROGRAM], self._folder / "rabbitmq.log", env=environment)
        until_now(
            "RabbitMQ answers",
            lambda: process.alive() and self._answers(),
            deadline_s=START_DEADLINE_S,
            every_s=0.1,
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                connection.sendall(HEADER)
                return connection.recv(1) == b"\x01"  # a frame of a method: connection.start
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
        self._names.kill()


@contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="parley-rabbitmq-") as folder:
        server = RabbitMQ(Path(folder))
        server.start()
        yield server
        server.stop()
