"""HAProxy and nginx as `deploy` configures them, before two replicas of control and two nodes, over TLS."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.deploy import proxies
from tests.deploy.site import Part, Site
from tests.integration.control.harness import Client, Control
from tests.integration.control.stores import send_form
from tests.integration.control.test_chat import say
from tests.integration.control.test_events import frames
from tests.integration.control.test_socket_io import join, send
from tests.support.socket_io import talking
from tests.support.waiting import until

FILE = b"\x00\xff" * 1024 * 1024
SETTLED_S = 90.0

Proxy = Callable[[Site], AbstractContextManager[None]]


@pytest.fixture(scope="module", params=["haproxy", "nginx"])
def balanced(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    """Stands the balancer before the site; the same ports are first the one's, then the other's."""
    proxy: Proxy = getattr(proxies, request.param)
    with proxy(site):
        yield request.param


@pytest.fixture(autouse=True)
def _ready(balanced: str, site: Site) -> None:
    site.wait_until_ready()


async def status_of(http: aiohttp.ClientSession, url: str, **options: Any) -> int:
    async with http.get(URL(url, encoded=True), allow_redirects=False, **options) as response:
        return response.status


async def connections(http: aiohttp.ClientSession, node: Part) -> float:
    """Return how many WebSockets the node has taken."""
    async with http.get(f"http://{node.address}/metrics") as response:
        lines = (await response.text()).splitlines()
    return float(next(line for line in lines if line.startswith("parley_node_connections_total")).split()[1])


async def test_what_is_asked_in_the_clear_is_sent_to_tls(site: Site, http: aiohttp.ClientSession) -> None:
    at = site.balancer
    async with http.get(f"http://localhost:{at.http}/m/x?y=1", allow_redirects=False) as response:
        assert response.status == 308
        assert response.headers["Location"].startswith("https://localhost")
        assert response.headers["Location"].endswith("/m/x?y=1")
    async with http.get(at.origin) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "path", ["/metrics", "/%6detrics", "/internal/nodes/report", "/%69nternal/nodes/report"]
)
async def test_what_operators_and_nodes_ask_is_not_public(
    site: Site, http: aiohttp.ClientSession, path: str
) -> None:
    assert await status_of(http, f"{site.balancer.origin}{path}") == 404


async def test_nodes_alone_have_something_to_report(site: Site, http: aiohttp.ClientSession) -> None:
    reports = f"http://127.0.0.1:{site.balancer.reports}"
    async with http.post(f"{reports}/internal/nodes/report", json={}) as response:
        assert response.status == 401
    assert await status_of(http, f"{reports}/api/session") == 404


async def test_limits_count_by_who_asks_whatever_they_claim(control: Control) -> None:
    async def guess(client: Client, number: int) -> int:
        path = f"/api/meetings/aaaa-bbbb-ccc{'defghjk'[number]}"
        answer = await client.send("GET", path, headers={"X-Forwarded-For": f"198.51.100.{number}"})
        return answer.status

    trust = control.http.connector._ssl  # type: ignore[union-attr]
    elsewhere = aiohttp.TCPConnector(ssl=trust, local_addr=("127.0.0.9", 0))
    async with aiohttp.ClientSession(connector=elsewhere) as http:
        statuses = [await guess(Client(http, control.base), number) for number in range(7)]
    assert statuses[-1] == 429, statuses
    assert await guess(control.client(), 0) == 404


async def test_people_talk_whichever_replica_each_is_at(control: Control) -> None:
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    gus = await control.guest(code)
    ears = [await ann.listen(code) for _ in range(4)]
    for ear in ears:
        await frames(ear, 1)
    said = await say(gus, code, "Hello")
    assert said.status == 201, said.text
    for ear in ears:
        assert (await frames(ear, 1))[0]["message"]["text"] == "Hello"
        await ear.close()


async def test_socket_io_polls_one_replica(control: Control) -> None:
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    async with talking(control.base, ann.token, ["polling"], http=control.http) as talker:
        await join(talker, code)
        for number in range(5):
            await send(talker, code, f"m{number}")
            assert (await talker.event("receive-message"))["message"]["text"] == f"m{number}"


async def test_files_pass_and_larger_bodies_are_refused_by_control(control: Control) -> None:
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    body = {"name": "f.bin", "type": "application/octet-stream", "size": len(FILE)}
    announced = await ann.post(f"/api/meetings/{code}/attachments", body)
    assert announced.status == 201, announced.text
    assert await send_form(control.http, control.base, announced.json, FILE) == 204
    refused = await ann.post("/api/meetings", {"title": "x" * 100_000})
    assert (refused.status, refused.code) == (413, "too_large")


async def test_signalling_reaches_the_node_it_names(site: Site, http: aiohttp.ClientSession) -> None:
    async def taken_by(path: str) -> list[str]:
        before = {name: await connections(http, node) for name, node in site.nodes.items()}
        url = f"wss://localhost:{site.balancer.https}{path}"
        async with http.ws_connect(url) as socket:
            await socket.send_str("hello?")
            assert (await socket.receive_json(timeout=20))["type"] == "closed"
        return [name for name, node in site.nodes.items() if await connections(http, node) > before[name]]

    for name in site.nodes:
        assert await taken_by(f"/signal/{name}") == [name]
    assert len(await taken_by("/signal")) == 1
    assert len(await taken_by("/signal/unheard-of")) == 1


def test_bots_call_through_it(site: Site) -> None:
    """The bots verify the certificate, join by the API and signal over TLS; their media goes past."""
    assert "6 of 6 connected" in site.visit(seconds=2)


async def test_a_dead_replica_is_missed_by_nobody(
    balanced: str, site: Site, http: aiohttp.ClientSession
) -> None:
    dead = site.controls["control-2"]
    dead.kill()
    try:
        asked = [await status_of(http, f"{site.balancer.origin}/api/docs") for _ in range(20)]
        assert asked == [200] * 20
        if balanced == "haproxy":
            await until("it is out", lambda: _is_told(http, site, "DOWN"), deadline_s=SETTLED_S)
    finally:
        dead.start()
        await asyncio.to_thread(site.wait_until_answered, f"http://{dead.address}/readyz")
    if balanced == "haproxy":
        await until("it is back", lambda: _is_told(http, site, "UP"), deadline_s=SETTLED_S)


async def _is_told(http: aiohttp.ClientSession, site: Site, state: str) -> bool:
    """Tell whether HAProxy's metrics say that of the second replica."""
    async with http.get(f"http://127.0.0.1:{site.balancer.operators}/metrics") as response:
        lines = (await response.text()).splitlines()
    wanted = f'haproxy_server_status{{proxy="control",server="control-2",state="{state}"}} 1'
    return wanted in lines
