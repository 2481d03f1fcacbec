"""The product's two services as real processes in a network namespace, with data folders of their own."""

import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from control.keys import ensure_secrets
from tests.support.http import http
from tests.support.network import Network
from tests.support.processes import Process
from tests.support.waiting import until

CONTROL_PORT, NODE_PORT, MEDIA_PORT = 8080, 8081, 8082
START_DEADLINE_S = 120.0
PORTS_APART = 100
"""From the ports of one node to those of the next."""
UNMEASURED = {"PARLEY_SFU_MAX_CPU": "100", "PARLEY_SFU_MAX_LAG_S": "100"}
"""The browsers share the machine: that they keep it busy is no reason to turn them away."""
PASSWORD = "correct horse battery staple"
NOT_HTTP = "aiohttp.http_exceptions."
"""What the library's trace says of a client that speaks something else: browsers try TLS now and then."""


@dataclass(frozen=True)
class Account:
    """Somebody who has signed up, with `PASSWORD`, and an access token of theirs."""

    name: str
    email: str
    token: str


@dataclass(frozen=True)
class Meeting:
    """A meeting that was made."""

    code: str
    url: str
    title: str
    host: Account


class Service:
    """Control and its nodes, running; and the REST API as a client uses it.

    The parts are called "control", "node-1" and so on.
    """

    def __init__(self, origin: str, data: Path, client: aiohttp.ClientSession) -> None:
        self.origin = origin
        self.data = data
        self.client = client
        self.parts: dict[str, Process] = {}
        self._accounts: dict[str, Account] = {}

    @property
    def logs(self) -> list[Path]:
        """Where the parts print to."""
        return [part.log for part in self.parts.values()]

    async def busy_nodes(self) -> list[str]:
        """Return the nodes that have people on them."""
        busy = []
        for number, name in enumerate(name for name in self.parts if name != "control"):
            url = URL(self.origin).with_port(NODE_PORT + number * PORTS_APART) / "readyz"
            async with self.client.get(url) as response:
                if (await response.json())["peers"]:
                    busy.append(name)
        return busy

    async def account(self, name: str) -> Account:
        """Return the account of this name; at its first mention it is made."""
        if name not in self._accounts:
            email = f"{name.lower()}@example.org"
            body = {"email": email, "name": name, "password": PASSWORD}
            made = await self.call("POST", "/api/accounts", body)
            self._accounts[name] = Account(name, email, made["access_token"])
        return self._accounts[name]

    async def meeting(
        self, host: Account, title: str = "Planning", *, guests_allowed: bool = True
    ) -> Meeting:
        """Make a meeting."""
        body = {"title": title, "guests_allowed": guests_allowed}
        made = await self.call("POST", "/api/meetings", body, token=host.token)
        return Meeting(made["code"], f"{self.origin}/m/{made['code']}", title, host)

    async def end(self, meeting: Meeting) -> None:
        """End the meeting, as its host."""
        await self.call("POST", f"/api/meetings/{meeting.code}/end", token=meeting.host.token)

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Call the API; raise `AssertionError` with its complaint."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.origin}{path}"
        async with self.client.request(method, url, json=body, headers=headers) as response:
            answer = await response.json()
        assert response.ok, f"{method} {path}: {response.status} {answer}"
        return answer


@asynccontextmanager
async def service(
    network: Network, folder: Path, *, nodes: int = 1, **settings: str
) -> AsyncIterator[Service]:
    """Run control and nodes in the network's server namespace; their data and logs go to the folder.

    `settings` are environment variables that they get besides those they need.
    """
    data = folder / "data"
    ensure_secrets(data)
    env = {
        "PARLEY_DATA": str(data),
        "PARLEY_CONTROL_PORT": str(CONTROL_PORT),
        "PARLEY_CONTROL_URL": f"http://127.0.0.1:{CONTROL_PORT}",
        "PARLEY_SFU_ADVERTISE": network.address,
        **UNMEASURED,
        **settings,
    }
    origin = f"http://{network.address}:{CONTROL_PORT}"
    with ExitStack() as closing:
        async with http(network.server) as client:
            running = Service(origin, data, client)

            async def start(name: str, module: str, port: int, own: dict[str, str]) -> None:
                argv = network.server.command(sys.executable, "-m", module)
                process = Process(argv, folder / f"{name}.log", env=env | own)
                running.parts[name] = closing.enter_context(process)
                await _ready(process, client, f"http://{network.address}:{port}/readyz")

            await start("control", "control.cli", CONTROL_PORT, {})
            for number in range(nodes):
                name, port = f"node-{number + 1}", NODE_PORT + number * PORTS_APART
                own = {
                    "PARLEY_SFU_NODE_ID": name,
                    "PARLEY_SFU_PORT": str(port),
                    "PARLEY_SFU_MEDIA_PORT": str(MEDIA_PORT + number * PORTS_APART),
                }
                await start(name, "sfu.node.cli", port, own)
            yield running
    for log in running.logs:
        _, *traces = log.read_text().split("Traceback")
        bugs = [trace for trace in traces if NOT_HTTP not in trace[:2048]]
        assert not bugs, f"{log}: Traceback{bugs[0][:4096]}"


async def _ready(process: Process, client: aiohttp.ClientSession, url: str) -> None:
    """Wait until the address answers well; in `TimeoutError` stands what it last answered."""

    async def answer() -> str:
        try:
            async with client.get(url) as response:
                return f"{response.status} {await response.text()}"
        except aiohttp.ClientConnectionError as error:
            return f"{error}, alive: {process.alive()}"

    answered = f"{url} answers"
    await until(answered, answer, accept=lambda said: said.startswith("200 "), deadline_s=START_DEADLINE_S)
