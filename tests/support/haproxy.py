"""HAProxy before several replicas of control; it ends with its context."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGUSR1

from tests.support.ports import free_ports
from tests.support.processes import Process

SETTINGS = """
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    option forwardfor
    option redispatch
    retries 2
frontend people
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    default_backend control
backend control
    balance leastconn
    option httpchk GET /readyz
    default-server check inter 500ms fall 2 rise 1
{servers}
"""


@contextmanager
def haproxy(folder: Path, ports: Sequence[int]) -> Iterator[str]:
    """Share requests out among the local `ports`; yields the address that clients use."""
    (port,) = free_ports(1)
    servers = "\n".join(f"    server control{number} 127.0.0.1:{to}" for number, to in enumerate(ports))
    file = folder / "haproxy.cfg"
    file.write_text(SETTINGS.format(port=port, servers=servers))
    with Process(["haproxy", "-db", "-f", str(file)], folder / "haproxy.log", by=SIGUSR1):
        yield f"http://127.0.0.1:{port}"
