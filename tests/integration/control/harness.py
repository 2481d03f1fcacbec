"""A running control service, its clock in the test's hand, and clients that speak HTTP to it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import sqlalchemy
from yarl import URL

from control.keys import Secrets
from sfu.contract.operations import CONTROL_AUDIENCE, Load, NodeEvent, Report, sign_token

PASSWORD = "correct horse battery"


SYNCHRONOUS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


@contextmanager
def connected(database: sqlalchemy.URL) -> Iterator[sqlalchemy.Connection]:
    """Reach a database past the service."""
    engine = sqlalchemy.create_engine(database.set(drivername=SYNCHRONOUS[database.get_backend_name()]))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def rows(database: sqlalchemy.URL, query: str) -> list[tuple[Any, ...]]:
    """Return what the database itself answers."""
    with connected(database) as connection:
        return [tuple(row) for row in connection.execute(sqlalchemy.text(query))]


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    cookies: SimpleCookie
    text: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.text)

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


@dataclass
class Client:
    """One API client; `token` goes along as bearer."""

    http: aiohttp.ClientSession
    base: URL
    token: str | None = None
    user: dict[str, Any] = field(default_factory=dict)

    async def send(self, method: str, path: str, json: Any = None, **options: Any) -> Reply:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        url = URL(f"{self.base.origin()}{path}", encoded=True)
        options = {"allow_redirects": False} | options
        async with self.http.request(method, url, json=json, headers=headers, **options) as response:
            return Reply(response.status, response.headers, response.cookies, await response.text())

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.send("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Reply:
        return await self.send("POST", path, {} if json is None else json, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.send("DELETE", path, **options)

    async def listen(self, code: str, after: int | None = None) -> aiohttp.ClientWebSocketResponse:
        url = self.base / "api/meetings" / code / "events"
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        query = {} if after is None else {"after": after}
        return await self.http.ws_connect(url.with_query(query), headers=headers)


@dataclass
class Control:
    """The running service."""

    base: URL
    clock: Hands
    secrets: Secrets
    http: aiohttp.ClientSession

    def client(self, token: str | None = None) -> Client:
        return Client(self.http, self.base, token)

    async def person(self, name: str = "Ann") -> Client:
        """Somebody with a new account."""
        body = {"email": f"{uuid4().hex}@example.org", "name": name, "password": PASSWORD}
        reply = await self.client().post("/api/accounts", body)
        assert reply.status == 201, reply.text
        return Client(self.http, self.base, reply.json["access_token"], reply.json["user"])

    async def program(self, owner: Client, *scopes: str) -> Client:
        """A program that acts for the owner by an API key."""
        reply = await owner.post("/api/keys", {"name": "Robot", "scopes": scopes})
        assert reply.status == 201, reply.text
        return Client(self.http, self.base, reply.json["secret"], reply.json["key"])

    async def guest(self, code: str, name: str = "Gus") -> Client:
        """Somebody who joined the meeting by name alone."""
        reply = await self.client().post(f"/api/meetings/{code}/join", {"name": name})
        assert reply.status == 200, reply.text
        return Client(self.http, self.base, reply.json["access_token"], reply.json)

    async def meeting(self, host: Client, **fields: Any) -> dict[str, Any]:
        reply = await host.post("/api/meetings", {"title": "Weekly"} | fields)
        assert reply.status == 201, reply.text
        meeting: dict[str, Any] = reply.json
        return meeting

    async def report(self, *events: NodeEvent, token: str | None = None, **fields: Any) -> Reply:
        """Report as a node does; by default as the one node, alive and well."""
        usual = {
            "node": "node-1",
            "boot": "boot-1",
            "signal_port": 8081,
            "internal_url": "http://127.0.0.1:9",
            "version": "1.0",
            "load": Load(),
        }
        report = Report(**usual | fields, events=events)
        if token is None:
            now = self.clock().timestamp()
            token = sign_token(self.secrets.cluster, audience=CONTROL_AUDIENCE, now=now)
        return await self.client(token).post("/internal/nodes/report", msgspec.to_builtins(report))
