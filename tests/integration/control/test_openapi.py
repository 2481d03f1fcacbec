"""The API's document: whole, valid, and true. That answers keep to it, `conftest` sees to in every test."""

from html.parser import HTMLParser
from typing import Any

import aiohttp
import pytest
import schemathesis
from aiohttp import web
from yarl import URL

from control.app import build
from control.edge.body import answer, read_json, read_query
from control.edge.endpoint import Endpoint, Who
from control.health import HealthRoutes
from control.meetings.schema import NewMeeting
from control.openapi.document import document
from control.paging import PageQuery
from control.settings import Settings
from tests.integration.control.harness import Control
from tests.support.openapi import OpenApi, Undocumented


async def served(control: Control) -> dict[str, Any]:
    api: dict[str, Any] = (await control.client().get("/api/openapi.json")).json
    return api


def operations_of(api: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in api["paths"].values() for operation in methods.values()]


async def test_every_route_of_the_api_is_in_it(control: Control, tmp_path) -> None:
    app = build(Settings(data=tmp_path, bcrypt_cost=4))
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    api = {(method, path) for method, path in routes if path.startswith("/api/") and method != "HEAD"}
    paths = (await served(control))["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == api


async def test_it_is_valid_openapi(control: Control) -> None:
    api = await served(control)
    assert api["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(api).validate()
    operations = operations_of(api)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"].endswith(".")
        schemes = {name for way in operation["security"] for name in way}
        assert schemes <= set(api["components"]["securitySchemes"])


async def test_every_shape_is_described(control: Control) -> None:
    for name, schema in (await served(control))["components"]["schemas"].items():
        assert schema.get("description", "").endswith("."), name


class Page(HTMLParser):
    """What a page links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values["id"] or ""} if "id" in values else set()
        if tag == "a":
            self.links.add(values["href"] or "")
        if tag == "script":
            self.scripts.append(values.get("src") or "inline")


async def test_people_read_it_as_a_page(control: Control) -> None:
    api = await served(control)
    reply = await control.client().get("/api/docs")
    page = Page(reply.text)
    operations = {operation["operationId"] for operation in operations_of(api)}
    assert operations | set(api["components"]["schemas"]) <= page.anchors
    assert {link[1:] for link in page.links if link.startswith("#") and link != "#main"} <= page.anchors
    assert all(source.startswith("/static/") for source in page.scripts)


async def read_a_body(request: web.Request) -> web.Response:
    """Read a body."""
    return answer(await read_json(request, NewMeeting))


async def admit_all(_request: web.Request) -> None:
    """Let everybody in."""


async def read_parameters(request: web.Request) -> web.Response:
    """Read parameters."""
    return answer(read_query(request, PageQuery))


@pytest.mark.parametrize("handler", [read_a_body, read_parameters])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_handler_reads_what_is_declared_or_is_a_bug(handler, declared: bool) -> None:
    endpoint = Endpoint("POST", "/", handler, Who.PUBLIC)
    if declared:
        endpoint = endpoint.asks(PageQuery).takes(NewMeeting)
    app = web.Application()
    app.router.add_routes([endpoint.route(admit_all)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        async with aiohttp.request("POST", url, json={"title": "x"}) as response:
            assert response.status == (200 if declared else 500)
    finally:
        await runner.cleanup()


JSON = {"Content-Type": "application/json", "X-Request-Id": "x"}
FAILURE = b'{"error": {"code": "%s", "message": "x", "request_id": "x"}}'


@pytest.mark.parametrize(
    ("status", "headers", "body", "is_fine"),
    [
        (200, JSON, b'{"title": "x"}', True),
        (200, JSON, b'{"title": "x", "more": 1}', False),
        (200, JSON, b'{"title": ""}', False),
        (200, JSON, b"{}", False),
        (200, {"Content-Type": "application/json"}, b'{"title": "x"}', False),
        (200, JSON | {"Retry-After": "1"}, b'{"title": "x"}', False),
        (200, JSON | {"Content-Type": "text/plain"}, b"x", False),
        (201, JSON, b'{"title": "x"}', False),
        (403, JSON, FAILURE % b"cross_site", True),
        (403, JSON, FAILURE % b"not_the_host", False),
        (403, JSON, b'{"code": "cross_site"}', False),
        (503, JSON | {"Retry-After": "1"}, FAILURE % b"overloaded", True),
    ],
)
def test_an_answer_that_is_not_in_it_fails_the_test(
    status: int, headers: dict[str, str], body: bytes, is_fine: bool
) -> None:
    endpoint = (
        Endpoint("POST", "/api/x/{code}", HealthRoutes.alive, Who.PUBLIC).takes(NewMeeting).gives(NewMeeting)
    )
    api = OpenApi(document([endpoint], "1"))
    operation = api.operation("POST", "/api/x/y")
    assert operation is not None
    if is_fine:
        api.check(operation, status, headers, body)
    else:
        with pytest.raises(Undocumented):
            api.check(operation, status, headers, body)
