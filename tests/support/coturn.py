"""A TURN server, coturn, with a certificate of its own; it ends with its context."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificate import write_certificate
from tests.support.netns import Namespace
from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

SECRET = "known to control and coturn"


@dataclass(frozen=True)
class TurnServer:
    """A server that runs at `host`; `key` is the SHA-256 of its public key, in base64."""

    host: str
    port: int
    tls_port: int
    key: str
    process: Process

    def url(self, transport: str) -> str:
        """Return its address over `udp`, `tcp` or `tls`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if transport == "tls":
            return f"turns:{host}:{self.tls_port}?transport=tcp"
        return f"turn:{host}:{self.port}?transport={transport}"


@contextmanager
def coturn(folder: Path, host: str = "127.0.0.1", namespace: Namespace | None = None) -> Iterator[TurnServer]:
    """Run a server here or in the namespace, on an address of it."""
    certificate, private = folder / "turn.pem", folder / "turn.key"
    key = write_certificate(host, certificate, private)
    port, tls_port = free_ports(2)
    options = {
        "listening-ip": host,
        "relay-ip": host,
        "listening-port": port,
        "tls-listening-port": tls_port,
        "static-auth-secret": SECRET,
        "realm": "parley.test",
        "cert": certificate,
        "pkey": private,
        "userdb": folder / "turn.sqlite",
        "pidfile": folder / "turn.pid",
        "log-file": "stdout",
        "min-port": 50_000,
        "max-port": 50_999,
    }
    flags = ("-n", "-v", "--use-auth-secret", "--no-cli", "--simple-log", "--allow-loopback-peers")
    argv = ["turnserver", *flags, *(f"--{name}={value}" for name, value in options.items())]
    with ExitStack() as closing:
        if namespace is not None:
            argv = namespace.command(*argv)
        process = closing.enter_context(Process(argv, folder / "coturn.log", exits=-signal.SIGTERM))
        until_now("coturn answers", lambda: process.alive() and _answers(host, tls_port, namespace))
        yield TurnServer(host, port, tls_port, key, process)


def _answers(host: str, port: int, namespace: Namespace | None) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with namespace.socket(family) if namespace else socket.socket(family) as connection:
        return connection.connect_ex((host, port)) == 0
