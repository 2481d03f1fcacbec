"""API keys over HTTP: make, list, revoke. Not by a key itself: a leaked one must not make another."""

from aiohttp import web

from control.accounts.access import Access
from control.api_keys import store
from control.api_keys.schema import KeyView, MadeKey, NewKey, view_of
from control.api_keys.service import ApiKeys
from control.database import Database
from control.edge.body import answer, one_line, read_json, read_query
from control.edge.endpoint import Endpoint, Who
from control.paging import Id, Page, PageQuery, page, window
from control.rates.port import Buckets
from control.refusals import Reason


class ApiKeyRoutes:
    """The routes of API keys."""

    def __init__(self, database: Database, keys: ApiKeys, access: Access, creations: Buckets) -> None:
        self._database = database
        self._keys = keys
        self._access = access
        self._creations = creations

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", "/api/keys", self.make, Who.ACCOUNT)
            .takes(NewKey)
            .gives(MadeKey, 201)
            .refuses(Reason.TOO_MANY_KEYS, Reason.RATE_LIMITED),
            Endpoint("GET", "/api/keys", self.list, Who.ACCOUNT).asks(PageQuery).gives(Page[KeyView]),
            Endpoint("DELETE", "/api/keys/{key}", self.revoke, Who.ACCOUNT)
            .gives(None, 204)
            .refuses(Reason.NOT_FOUND),
        ]

    async def make(self, request: web.Request) -> web.Response:
        """Make a key for programs of the caller's; its secret is shown this once."""
        account_id = self._access.account(request)
        await self._creations.take(account_id)
        body = await read_json(request, NewKey)
        name = one_line(body.name, "name")
        async with self._database.write() as session:
            secret, key = await self._keys.make(session, account_id, name, body)
        return answer(MadeKey(secret, view_of(key)), status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List the caller's keys, the newest first."""
        account_id = self._access.account(request)
        wanted = window(read_query(request, PageQuery), Id)
        async with self._database.read() as session:
            rows = await store.of_account(session, account_id, wanted.after, wanted.limit + 1)
        return answer(page(rows, wanted.limit, key=lambda row: row.id, item=view_of))

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a key, at once."""
        account_id = self._access.account(request)
        async with self._database.write() as session:
            await self._keys.revoke(session, account_id, request.match_info["key"])
        return web.Response(status=204)
