"""A whole site on this machine: two replicas of control on PostgreSQL and Redis, and two nodes.

Where a balancer stands before it is decided here, which one that is by the tests.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from control.keys import ensure_secrets
from tests.deploy.certificate import write_certificate
from tests.support.ports import free_ports
from tests.support.postgres import postgres
from tests.support.processes import Process
from tests.support.redis import redis


class Part:
    """One process of the site, which a test may kill and start again."""

    def __init__(self, module: str, port: int, log: Path, env: dict[str, str]) -> None:
        self.port = port
        self._argv = [sys.executable, "-m", module]
        self._log = log
        self._env = env
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """Where the process is reached past the balancer."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process."""
        self._process = Process(self._argv, self._log, env=self._env)

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> None:
        """Ask the process to end."""
        assert self._process is not None
        self._process.stop()


@dataclass(frozen=True)
class Balancer:
    """Where a balancer is to be: for people over TLS and without, for nodes' reports, for operators."""

    https: int
    http: int
    reports: int
    operators: int

    @property
    def origin(self) -> str:
        """What people open."""
        return f"https://localhost:{self.https}"


@dataclass(frozen=True)
class Site:
    """The site. `certificate`, `key` and `both` are files."""

    folder: Path
    balancer: Balancer
    controls: dict[str, Part]
    nodes: dict[str, Part]
    certificate: Path
    key: Path
    both: Path


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """Start a site without its balancer; nodes are not ready before there is one."""
    ensure_secrets(folder / "data")
    files = certificate, key, both = [folder / name for name in ("tls.crt", "tls.key", "tls.pem")]
    write_certificate(*files)
    balancer = Balancer(*free_ports(4))
    with ExitStack() as stack:
        database, hints = stack.enter_context(postgres()), stack.enter_context(redis())
        parts = {"PARLEY_DATABASE_URL": database.make_database(), "PARLEY_REDIS_URL": hints.url}
        controls = {f"control-{n}": _control(folder, n, balancer, parts) for n in (1, 2)}
        nodes = {f"node-{n}": _node(folder, n, balancer) for n in (1, 2)}
        for part in (*controls.values(), *nodes.values()):
            part.start()
            stack.callback(part.stop)
        yield Site(folder, balancer, controls, nodes, certificate, key, both)


def _control(folder: Path, number: int, balancer: Balancer, parts: dict[str, str]) -> Part:
    (port,) = free_ports(1)
    env = {
        "PARLEY_DATA": str(folder / "data"),
        "PARLEY_CONTROL_HOST": "127.0.0.1",
        "PARLEY_CONTROL_PORT": str(port),
        "PARLEY_PUBLIC_URL": balancer.origin,
        "PARLEY_TRUSTED_PROXIES": "127.0.0.1/32",
        "PARLEY_RATE_GUESS": "3/600",
    }
    return Part("control.cli", port, folder / f"control-{number}.log", env | parts)


def _node(folder: Path, number: int, balancer: Balancer) -> Part:
    port, media = free_ports(2)
    name = f"node-{number}"
    env = {
        "PARLEY_DATA": str(folder / "data"),
        "PARLEY_CONTROL_URL": f"http://127.0.0.1:{balancer.reports}",
        "PARLEY_SFU_NODE_ID": name,
        "PARLEY_SFU_HOST": "127.0.0.1",
        "PARLEY_SFU_PORT": str(port),
        "PARLEY_SFU_INTERNAL_URL": f"http://127.0.0.1:{port}",
        "PARLEY_SFU_SIGNAL_URL": f"wss://localhost:{balancer.https}/signal/{name}",
        "PARLEY_SFU_MEDIA_PORT": str(media),
        "PARLEY_SFU_BIND_V4": "127.0.0.1",
        "PARLEY_SFU_BIND_V6": "",
        "PARLEY_SFU_ADVERTISE": "127.0.0.1",
        "PARLEY_SFU_REPORT_INTERVAL_S": "0.5",
    }
    return Part("sfu.node.cli", port, folder / f"{name}.log", env)
