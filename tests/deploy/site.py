"""A whole site on this machine: two replicas of control on PostgreSQL and Redis, and nodes.

Where a balancer stands before it is decided here, which one that is by the tests.
"""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from control.keys import ensure_secrets
from tests.deploy import REPOSITORY
from tests.support.certificate import Certified, certify
from tests.support.ports import free_ports
from tests.support.postgres import postgres
from tests.support.processes import Process
from tests.support.redis import redis
from tests.support.servers import UNMEASURED
from tests.support.waiting import until_now

START_DEADLINE_S = 90.0
UNWRITABLE = Path(__file__).with_name("unwritable.py")


class Part:
    """One process of the site, which a test may kill and start again."""

    def __init__(self, argv: list[str], port: int, log: Path, env: dict[str, str]) -> None:
        self.port = port
        self._argv = argv
        self._log = log
        self._env = env
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """Where the process is reached past the balancer."""
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> Process:
        """The process, once it was started."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start the process."""
        self._process = Process(self._argv, self._log, env=self._env)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()

    def stop(self) -> None:
        """Ask the process to end."""
        self.process.stop()


@dataclass(frozen=True)
class Balancer:
    """Where a balancer is to be: for people over TLS and without, for nodes' reports, for operators.

    People open `host`, which is at `address`.
    """

    host: str
    address: str
    https: int
    http: int
    reports: int
    operators: int

    @property
    def origin(self) -> str:
        """What people open."""
        return f"https://{self.host}:{self.https}"


@dataclass(frozen=True)
class Site:
    """The site. `settings` are those of control."""

    folder: Path
    settings: dict[str, str]
    balancer: Balancer
    controls: dict[str, Part]
    nodes: dict[str, Part]
    certified: Certified

    def wait_until_ready(self) -> None:
        """Wait until all answer, and control knows the nodes by what they reported through the balancer."""
        parts = [*self.controls.values(), *self.nodes.values()]
        for origin in [self.balancer.origin, *(f"http://{part.address}" for part in parts)]:
            self.wait_until_answered(f"{origin}/readyz")

    def wait_until_answered(self, url: str) -> None:
        """Wait until an address answers well."""
        trust = ssl.create_default_context(cafile=str(self.certified.certificate))
        until_now(f"{url} answers", lambda: _answers(url, trust), deadline_s=START_DEADLINE_S)

    def drain(self, node: str) -> None:
        """Have a node emptied, as an operator does."""
        command = [sys.executable, "-m", "parley", "nodes", "drain", node]
        env = {**os.environ, **self.settings}
        subprocess.run(command, cwd=REPOSITORY, env=env, check=True, capture_output=True)

    def visit(self, *, seconds: int) -> str:
        """Send bots in, who come, see and go as people do; return what they say of it."""
        command = [sys.executable, "-m", "parley", "bots", "--control", self.balancer.origin]
        asked = ["--rooms", "2", "--bots", "3", "--seconds", str(seconds)]
        env = {**os.environ, "SSL_CERT_FILE": str(self.certified.certificate)}
        visit = subprocess.run(
            [*command, *asked], cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
        )
        assert visit.returncode == 0, visit.stdout + visit.stderr
        return visit.stdout


def _answers(url: str, trust: ssl.SSLContext) -> bool:
    try:
        with urlopen(url, timeout=10, context=trust) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@contextmanager
def running(
    folder: Path, *, host: str = "localhost", address: str = "127.0.0.1", nodes: int = 2
) -> Iterator[Site]:
    """Start a site without its balancer; its nodes are not ready before there is one.

    People open `host`; that, and the nodes' media, are at `address`.
    """
    ensure_secrets(folder / "data")
    certified = certify(folder, host)
    balancer = Balancer(host, address, *free_ports(4))
    with ExitStack() as stack:
        database, hints = stack.enter_context(postgres()), stack.enter_context(redis())
        settings = _of_control(folder, balancer) | {
            "PARLEY_DATABASE_URL": database.make_database(),
            "PARLEY_REDIS_URL": hints.url,
        }
        controls = {f"control-{n}": _control(folder, n, settings) for n in (1, 2)}
        all_nodes = {f"node-{n + 1}": _node(folder, n + 1, balancer) for n in range(nodes)}
        for part in (*controls.values(), *all_nodes.values()):
            part.start()
            stack.callback(part.stop)
        yield Site(folder, settings, balancer, controls, all_nodes, certified)


def _of_control(folder: Path, balancer: Balancer) -> dict[str, str]:
    return {
        "PARLEY_DATA": str(folder / "data"),
        "PARLEY_CONTROL_HOST": "127.0.0.1",
        "PARLEY_PUBLIC_URL": balancer.origin,
        "PARLEY_TRUSTED_PROXIES": "127.0.0.1/32",
        "PARLEY_RATE_GUESS": "3/600",
    }


def _control(folder: Path, number: int, settings: dict[str, str]) -> Part:
    (port,) = free_ports(1)
    argv = [sys.executable, str(UNWRITABLE), "control.cli"]
    env = settings | {"PARLEY_CONTROL_PORT": str(port)}
    return Part(argv, port, folder / f"control-{number}.log", env)


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
        "PARLEY_SFU_SIGNAL_URL": f"wss://{balancer.host}:{balancer.https}/signal/{name}",
        "PARLEY_SFU_MEDIA_PORT": str(media),
        "PARLEY_SFU_BIND_V4": balancer.address,
        "PARLEY_SFU_BIND_V6": "",
        "PARLEY_SFU_ADVERTISE": balancer.address,
        "PARLEY_SFU_REPORT_INTERVAL_S": "0.5",
        **UNMEASURED,
    }
    return Part([sys.executable, "-m", "sfu.node.cli"], port, folder / f"{name}.log", env)
