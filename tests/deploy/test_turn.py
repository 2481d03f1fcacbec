"""coturn as configured relays to nodes for those whom control gave a password, and nothing else."""

import subprocess
from collections.abc import Iterator
from signal import SIGTERM

import pytest

from tests.deploy import DEPLOY
from tests.deploy.proxies import moved
from tests.support.certificate import write_certificate
from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

NODE, NEIGHBOUR = "127.0.0.1", "127.0.0.2"
SECRET = "of this test"
HERE = f"""
listening-ip=127.0.0.1
relay-ip=127.0.0.1
allow-loopback-peers
static-auth-secret={SECRET}
"""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """coturn's port, and that of somebody who says back what comes."""
    folder = tmp_path_factory.mktemp("turn")
    certificate, key = folder / "tls.crt", folder / "tls.key"
    write_certificate("localhost", certificate, key)
    port, tls, echo = free_ports(3)
    places = {
        "listening-port=3478": f"listening-port={port}",
        "listening-port=5349": f"listening-port={tls}",
        "/etc/parley/tls.pem": str(certificate),
        "/etc/parley/tls.key": str(key),
        "external-ip=203.0.113.40": HERE,
        "allowed-peer-ip=203.0.113.21": f"allowed-peer-ip={NODE}",
    }
    config = moved(DEPLOY / "coturn" / "turnserver.conf", folder, places)
    server = ["turnserver", "-c", str(config), f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}"]
    peer = ["turnutils_peer", "-p", str(echo), "-L", NODE]
    with Process(peer, folder / "peer.log", exits=-SIGTERM):
        with Process(server, folder / "turn.log", exits=-SIGTERM) as running:
            until_now("coturn answers", lambda: running.alive() and "admin thread" in running.output())
            yield port, echo


def call(port: int, echo: int, *, peer: str = NODE, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    """Send a few packets through the relay."""
    who = ["turnutils_uclient", "-u", "ann", "-W", secret, "-c", "-n", "1", "-m", "1"]
    command = [*who, "-e", peer, "-r", str(echo), "-p", str(port), "127.0.0.1"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_who_knows_the_secret_reaches_a_node(relay: tuple[int, int]) -> None:
    told = call(*relay)
    assert (told.returncode, "Total lost packets 0 " in told.stdout) == (0, True), told.stdout


def test_who_does_not_is_not_served(relay: tuple[int, int]) -> None:
    told = call(*relay, secret="another")
    assert told.returncode != 0
    assert "Cannot complete Allocation" in told.stdout


def test_nothing_but_nodes_is_reached(relay: tuple[int, int]) -> None:
    told = call(*relay, peer=NEIGHBOUR)
    assert told.returncode != 0
    assert "403 (Forbidden IP)" in told.stdout


def test_there_is_no_secret_in_the_file() -> None:
    lines = (DEPLOY / "coturn" / "turnserver.conf").read_text().splitlines()
    assert not [line for line in lines if line.startswith(("static-auth-secret", "user=", "cli-password"))]
