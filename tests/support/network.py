"""A small network for a test: one server namespace and clients, each on a link of its own.

The server has the same addresses on every link. A link's delay, loss and rate can be changed while it
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

from tests.support.firewall import symmetric_nat
from tests.support.linkem import Link
from tests.support.netns import Namespace, ip, namespace, sweep
from tests.support.processes import Process
from tests.support.waiting import until_now

SERVER_ADDRESS, SERVER_ADDRESS_V6 = "10.77.0.1", "fd77::1"


HOME_ROUTER, HOME_CLIENT = "192.168.77.1", "192.168.77.2"
"""Addresses behind a NAT, of which nobody else hears."""


@dataclass(frozen=True)
class Client:
    """A client's machine: its namespace, its address as the server sees it, its link to the server."""

    namespace: Namespace
    address: str
    link: Link


class Network:
    """The server's namespace, and a way to make clients."""

    address, address_v6 = SERVER_ADDRESS, SERVER_ADDRESS_V6

    def __init__(self, server: Namespace, folder: Path, closing: ExitStack) -> None:
        self.server = server
        self._folder = folder
        self._closing = closing
        self._hosts = itertools.count(2)

    def client(self) -> Client:
        """Return a new client, whose link neither loses nor delays anything yet."""
        inside, device, host = self._machine()
        link = self._closing.enter_context(self._link(inside, device))
        return Client(inside, self._over_v4(inside, device, host), link)

    def client_over_v6(self) -> Client:
        """Return a new client that has no IPv4."""
        inside, device, host = self._machine()
        link = self._closing.enter_context(self._link(inside, device))
        address = f"fd77::{host}"
        ip("-n", self.server.name, "route", "add", address, "dev", device)
        ip("-n", inside.name, "addr", "add", f"{address}/128", "dev", device)
        ip("-n", inside.name, "-6", "route", "add", "default", "dev", device)
        return Client(inside, address, link)

    def client_behind_nat(self) -> Client:
        """Return a new client behind a router that gives each of its flows another port (symmetric NAT)."""
        router, device, host = self._machine()
        link = self._closing.enter_context(self._link(router, device))
        address = self._over_v4(router, device, host)
        inside = self._closing.enter_context(namespace())
        veth = ("inside", "type", "veth", "peer", "name", "home", "netns", inside.name)
        ip("-n", router.name, "link", "add", *veth)
        for machine, end, own in ((router, "inside", HOME_ROUTER), (inside, "home", HOME_CLIENT)):
            ip("-n", machine.name, "addr", "add", f"{own}/24", "dev", end)
            ip("-n", machine.name, "link", "set", end, "up")
        ip("-n", inside.name, "route", "add", "default", "via", HOME_ROUTER)
        with router.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        symmetric_nat(router, device)
        return Client(inside, address, link)

    def _machine(self) -> tuple[Namespace, str, int]:
        """Return a new namespace, a name for its link's device, and its number in the network."""
        host = next(self._hosts)
        return self._closing.enter_context(namespace()), f"link{host}", host

    def _over_v4(self, inside: Namespace, device: str, host: int) -> str:
        """Give both ends of a link their IPv4 addresses; return the client's."""
        address = f"10.77.0.{host}"
        ip("-n", self.server.name, "addr", "add", self.address, "peer", address, "dev", device)
        ip("-n", inside.name, "addr", "add", address, "peer", self.address, "dev", device)
        ip("-n", inside.name, "route", "add", "default", "via", self.address)
        return address

    @contextmanager
    def _link(self, client: Namespace, device: str) -> Iterator[Link]:
        """Connect the client's namespace and the server's by a device, which is up, without addresses."""
        control = self._folder / f"{device}.sock"
        module = [sys.executable, "-m", "tests.support.linkem"]
        argv = [*module, self.server.name, client.name, device, str(control)]
        with Process(argv, self._folder / f"{device}.log") as emulator:
            until_now("the link emulator is ready", lambda: emulator.alive() and control.exists())
            for inside in (self.server, client):
                ip("-n", inside.name, "link", "set", device, "up")
            yield Link(control)


@contextmanager
def network() -> Iterator[Network]:
    """Make a network; everything in it ends with the context, also after a failure."""
    sweep()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="parley-network-")))
        server = closing.enter_context(namespace())
        for address in (SERVER_ADDRESS, SERVER_ADDRESS_V6):
            ip("-n", server.name, "addr", "add", address, "dev", "lo")  # before any client
        yield Network(server, folder, closing)
