import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy
from aiohttp import web, web_app
from yarl import URL

from control.app import build
from control.database import Database, database_url
from control.keys import load_secrets
from control.rates.port import Rate
from control.settings import Limits, Rates, Settings
from tests.integration.control.harness import Control, Hands
from tests.integration.control.stores import Place
from tests.support.openapi import OpenApi
from tests.support.postgres import Postgres, postgres
from tests.support.rabbitmq import RabbitMQ, rabbitmq
from tests.support.radosgw import RadosGateway, radosgw

PLENTY = Rates(**{field.name: Rate(10_000, 1) for field in dataclasses.fields(Rates)})

_DOCUMENTS: list[OpenApi] = []

Start = Callable[..., Awaitable[Control]]
MakeDatabases = Callable[..., list[sqlalchemy.URL]]


async def _document(base: URL) -> OpenApi:
    """Return the API's document, which no setting changes: the first service's is every other's."""
    if not _DOCUMENTS:
        async with aiohttp.request("GET", base / "api/openapi.json") as response:
            _DOCUMENTS.append(OpenApi(await response.json()))
    return _DOCUMENTS[0]


def only_documented(api: OpenApi) -> aiohttp.ClientMiddlewareType:
    """Whatever a test asks of the API, the answer must be one that the API's document describes."""

    async def check(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        operation = api.operation(request.method, request.url.raw_path)
        if operation is not None:
            body = b"" if response.status == 101 else await response.read()
            api.check(operation, response.status, response.headers, body)
        return response

    return check


@asynccontextmanager
async def running(settings: Settings, clock: Hands) -> AsyncIterator[Control]:
    runner = web.AppRunner(build(settings, clock), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = URL(f"http://127.0.0.1:{runner.addresses[0][1]}")
        jar = aiohttp.DummyCookieJar()
        document = await _document(base)
        async with aiohttp.ClientSession(cookie_jar=jar, middlewares=[only_documented(document)]) as http:
            yield Control(base, clock, load_secrets(settings.data), http)
    finally:
        await runner.cleanup()
        web_app._cached_build_middleware.cache_clear()  # or the last thousand services would be kept


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def broker() -> Iterator[RabbitMQ]:
    with rabbitmq() as running:
        yield running


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database whose tables are up to date: copying it is quicker than making them again."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite"
    _migrate(database_url(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def server_template(server: Postgres) -> sqlalchemy.URL:
    """The same on the PostgreSQL server."""
    url = database_url(server.make_database())
    _migrate(url)
    return url


def _migrate(url: sqlalchemy.URL) -> None:
    async def migrate() -> None:
        database = Database(url, readers=1, writers=1)
        await database.migrate()
        await database.close()

    with ThreadPoolExecutor(1) as aside:  # the event loop here is the tests'
        aside.submit(lambda: asyncio.run(migrate())).result()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlalchemy.URL]:
    """The address of a database without content, of each kind there is."""
    if request.param == "sqlite":
        path = tmp_path / "test.sqlite"
        shutil.copy(request.getfixturevalue("template"), path)
        yield database_url(f"sqlite:///{path}")
        return
    server: Postgres = request.getfixturevalue("server")
    template: sqlalchemy.URL = request.getfixturevalue("server_template")
    url = database_url(server.make_database(like=str(template.database)))
    yield url
    server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, make: MakeDatabases) -> sqlalchemy.URL:
    """The address of a database without even tables, of each kind there is."""
    (url,) = make(request.param, 1)
    return url


@pytest.fixture
async def start(tmp_path: Path, database: sqlalchemy.URL) -> AsyncIterator[Start]:
    """Starts a control service with these settings, on the test's database; more than once if asked."""
    clock = Hands()
    async with AsyncExitStack() as stack:

        async def start_one(
            *, rates: Rates = PLENTY, limits: Limits | None = None, **settings: Any
        ) -> Control:
            usual = {
                "data": tmp_path / "data",
                "database_url": database,
                "bcrypt_cost": 4,
                "rates": rates,
                "limits": limits or Limits(),
            }
            return await stack.enter_async_context(running(Settings(**usual | settings), clock))

        yield start_one


@pytest.fixture
async def control(start: Start) -> Control:
    return await start()


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDatabases]:
    """Makes empty databases of a kind."""
    numbers = count()
    on_server: list[sqlalchemy.URL] = []

    def make_some(kind: str, how_many: int = 2) -> list[sqlalchemy.URL]:
        if kind == "sqlite":
            return [
                database_url(f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite'}") for _ in range(how_many)
            ]
        server: Postgres = request.getfixturevalue("server")
        made = [database_url(server.make_database()) for _ in range(how_many)]
        on_server.extend(made)
        return made

    yield make_some
    for url in on_server:
        request.getfixturevalue("server").drop_database(url)


@pytest.fixture
def databases(database: sqlalchemy.URL, make: MakeDatabases) -> list[sqlalchemy.URL]:
    """Those of the system that is backed up."""
    return make(database.get_backend_name())


@pytest.fixture(scope="session")
def gateway() -> Iterator[RadosGateway]:
    with radosgw() as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, buckets: list[Place]) -> AsyncIterator[Place]:
    """An empty place for objects, of each kind there is; one bucket serves all tests."""
    folder = tmp_path / "data" / "objects"
    if request.param == "folder":
        yield Place(folder)
        return
    gateway: RadosGateway = request.getfixturevalue("gateway")
    if not buckets:
        buckets.append(await bucket_of(gateway, folder))
    place = dataclasses.replace(buckets[0], folder=folder)
    yield place
    await gateway.empty(place.settings["s3_url"].name)


@pytest.fixture(scope="session")
def buckets() -> list[Place]:
    return []


async def bucket_of(gateway: RadosGateway, folder: Path) -> Place:
    """Make an empty bucket."""
    url = URL(await gateway.make_bucket())
    return Place(folder, gateway, {"s3_url": url, "s3_key": gateway.key, "s3_secret": gateway.secret})
