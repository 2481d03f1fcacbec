"""Pages of metrics of servers that answer, that answer nonsense, and that are not there."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tests.load.scraping import Target, scrape
from tests.support.ports import free_ports


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        (web.Response(text="parley_node_peers 7.0\nother 1.0\n"), {"parley_node_peers": 7.0}),
        (web.Response(text="<html>Bad Gateway</html>"), None),
        (web.Response(text="parley_node_peers 7.0\n", status=503), None),
        (web.Response(body=b"\xff\xfe"), None),
    ],
    ids=["metrics", "nonsense", "unavailable", "no text"],
)
async def test_a_page_is_read_or_is_none(answer: web.Response, values: dict[str, float] | None) -> None:
    async def page(_request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get("/metrics", page)
    async with TestServer(app) as server, ClientSession() as http:
        told = await scrape(http, Target.of(str(server.make_url("/metrics"))))
    assert (None if told is None else told.values) == values


async def test_a_server_that_is_not_there_tells_nothing() -> None:
    (port,) = free_ports(1)
    async with ClientSession() as http:
        assert await scrape(http, Target.of(f"http://127.0.0.1:{port}")) is None
