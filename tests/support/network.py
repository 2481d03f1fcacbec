"""A small network for a test: one server namespace and clients, each on a link of its own.

The server has the same address on every link. A link's delay, loss and rate can be changed while it
runs (`linkem`). Clients have a default route to the server, since Firefox uses no interface without
one; it leads no further, and clients cannot reach each other.
"""

import itertools
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.linkem import Link
from tests.support.netns import Namespace, ip, namespace, sweep
from tests.support.processes import Process
from tests.support.waiting import until_now

SERVER_ADDRESS = "10.77.0.1"


@dataclass(frozen=True)
class Client:
    """A client's machine: its namespace, its address, its link to the server."""

    namespace: Namespace
    address: str
    link: Link


class Network:
    """The server's namespace, and a way to make clients."""

    address = SERVER_ADDRESS

    def __init__(self, server: Namespace, folder: Path, closing: ExitStack) -> None:
        self.server = server
        self._folder = folder
        self._closing = closing
        self._hosts = itertools.count(2)

    def client(self) -> Client:
        """Return a new client, whose link neither loses nor delays anything yet."""
        host = next(self._hosts)
        inside = self._closing.enter_context(namespace())
        address = f"10.77.0.{host}"
        link = self._closing.enter_context(self._link(inside, address, f"link{host}"))
        return Client(inside, address, link)

    @contextmanager
    def _link(self, client: Namespace, address: str, device: str) -> Iterator[Link]:
        control = self._folder / f"{device}.sock"
        module = [sys.executable, "-m", "tests.support.linkem"]
        argv = [*module, self.server.name, client.name, device, str(control)]
        with Process(argv, self._folder / f"{device}.log") as emulator:
            until_now("the link emulator is ready", lambda: emulator.alive() and control.exists())
            for inside, own, peer in (
                (self.server, self.address, address),
                (client, address, self.address),
            ):
                ip("-n", inside.name, "addr", "add", own, "peer", peer, "dev", device)
                ip("-n", inside.name, "link", "set", device, "up")
            ip("-n", client.name, "route", "add", "default", "via", self.address)
            yield Link(control)


@contextmanager
def network() -> Iterator[Network]:
    """Make a network; everything in it ends with the context, also after a failure."""
    sweep()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="parley-network-")))
        server = closing.enter_context(namespace())
        ip("-n", server.name, "addr", "add", SERVER_ADDRESS, "dev", "lo")  # before any client
        yield Network(server, folder, closing)
