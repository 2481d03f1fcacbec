"""Webhooks over HTTP: an account's endpoints, what they were told, and telling it again."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts.access import Access
from control.database import Database
from control.edge.body import answer, read_json, read_query
from control.edge.endpoint import Endpoint, Who
from control.paging import Page
from control.rates.port import Buckets
from control.refusals import Reason, Refused, invalid
from control.scopes import Scope
from control.webhooks import store
from control.webhooks.schema import (
    Deliveries,
    DeliveriesQuery,
    Delivery,
    MadeWebhook,
    NewWebhook,
    Replay,
    Replayed,
    WebhookView,
)
from control.webhooks.service import Webhooks
from control.webhooks.signature import secret_of
from control.webhooks.store import StoredDelivery, Webhook
from control.webhooks.targets import BadTarget, Targets

PATH = "/api/webhooks"
READ, WRITE = Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE


class WebhookRoutes:
    """The routes of webhooks. `secret` is the house's own, `changes` limits what costs us something."""

    def __init__(
        self,
        database: Database,
        webhooks: Webhooks,
        targets: Targets,
        access: Access,
        secret: bytes,
        changes: Buckets,
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._targets = targets
        self._access = access
        self._secret = secret
        self._changes = changes

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        one = f"{PATH}/{{webhook}}"
        unknown = Reason.NOT_FOUND
        return [
            Endpoint("POST", PATH, self.add, Who.ACCOUNT, WRITE)
            .takes(NewWebhook)
            .gives(MadeWebhook, 201)
            .refuses(Reason.TOO_MANY_WEBHOOKS, Reason.RATE_LIMITED),
            Endpoint("GET", PATH, self.list, Who.ACCOUNT, READ).gives(Page[WebhookView]),
            Endpoint("DELETE", one, self.remove, Who.ACCOUNT, WRITE).gives(None, 204).refuses(unknown),
            Endpoint("POST", f"{one}/enable", self.enable, Who.ACCOUNT, WRITE)
            .gives(WebhookView)
            .refuses(unknown),
            Endpoint("GET", f"{one}/deliveries", self.deliveries, Who.ACCOUNT, READ)
            .asks(DeliveriesQuery)
            .gives(Deliveries)
            .refuses(unknown),
            Endpoint("POST", f"{one}/replay", self.replay, Who.ACCOUNT, WRITE)
            .takes(Replay)
            .gives(Replayed)
            .refuses(unknown, Reason.RATE_LIMITED),
        ]

    async def add(self, request: web.Request) -> web.Response:
        """Make an endpoint; the secret in the answer is shown this once."""
        account_id = self._access.account(request)
        await self._changes.take(account_id)
        wanted = await read_json(request, NewWebhook)
        try:
            await self._targets.check(wanted.url)
        except BadTarget as error:
            raise invalid(url=str(error)) from error
        async with self._database.write() as session:
            webhook = await self._webhooks.add(session, account_id, wanted)
        made = MadeWebhook(webhook=_view(webhook), secret=secret_of(self._secret, webhook.id))
        return answer(made, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List the account's endpoints, the oldest first: all on one page."""
        account_id = self._access.account(request)
        async with self._database.read() as session:
            found = await store.of_account(session, account_id)
        return answer(Page([_view(webhook) for webhook in found], None))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove an endpoint, and what it was told."""
        async with self._database.write() as session:
            await store.remove(session, await self._own(session, request))
        return web.Response(status=204)

    async def enable(self, request: web.Request) -> web.Response:
        """Tell an endpoint again that was disabled."""
        async with self._database.write() as session:
            webhook = await self._own(session, request)
            await self._webhooks.enable(session, webhook)
        return answer(_view(webhook))

    async def deliveries(self, request: web.Request) -> web.Response:
        """List what an endpoint was told, in order."""
        wanted = read_query(request, DeliveriesQuery)
        async with self._database.read() as session:
            webhook = await self._own(session, request)
            found = await store.deliveries(session, webhook.id, wanted.after, wanted.limit)
        return answer(Deliveries([_delivery(each) for each in found]))

    async def replay(self, request: web.Request) -> web.Response:
        """Tell an endpoint again what it was told after a delivery."""
        await self._changes.take(self._access.account(request))
        wanted = await read_json(request, Replay)
        async with self._database.write() as session:
            webhook = await self._own(session, request)
            replayed = await self._webhooks.replay(session, webhook, wanted.after)
        return answer(replayed)

    async def _own(self, session: AsyncSession, request: web.Request) -> Webhook:
        """Return the endpoint of the path, which must be the caller's. Raises `Refused`."""
        account_id = self._access.account(request)
        webhook = await store.one(session, account_id, request.match_info["webhook"])
        if webhook is None:
            raise Refused(Reason.NOT_FOUND)
        return webhook


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        kinds=webhook.kinds.split(),  # type: ignore[arg-type]  # what is stored was checked
        description=webhook.description,
        created_at=webhook.created_at,
        last_number=webhook.last_number,
        failing_since=webhook.failing_since,
        disabled_at=webhook.disabled_at,
        disabled_because=webhook.disabled_because,
    )


def _delivery(stored: StoredDelivery) -> Delivery:
    return Delivery(
        number=stored.number,
        id=stored.event_id,
        kind=stored.kind,  # type: ignore[arg-type]  # what is stored was checked
        state=stored.state,  # type: ignore[arg-type]
        attempts=stored.attempts,
        status=stored.status,
        error=stored.error,
        created_at=stored.created_at,
        tried_at=stored.tried_at,
    )
