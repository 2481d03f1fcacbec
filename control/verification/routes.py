"""Verification over HTTP: asking for a letter, and the page that its link opens."""

from aiohttp import web

from control.accounts import store as accounts
from control.accounts.access import Access
from control.accounts.store import Account
from control.database import Database
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.edge.html import render
from control.rates.port import Buckets
from control.refusals import Reason, Refused
from control.verification.service import Verification


class VerificationRoutes:
    """The routes of verification. `letters` bounds what is sent to one account."""

    def __init__(
        self, database: Database, verification: Verification, access: Access, letters: Buckets
    ) -> None:
        self._database = database
        self._verification = verification
        self._access = access
        self._letters = letters

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", "/api/me/verification", self.ask, Who.ACCOUNT)
            .gives(None, 204)
            .refuses(Reason.RATE_LIMITED),
        ]

    async def ask(self, request: web.Request) -> web.Response:
        """Send another letter to verify the account's address by.

        None is sent if the address is verified already.
        """
        account_id = self._access.account(request)
        await self._letters.take(account_id)
        async with self._database.write() as session:
            account = await accounts.by_id(session, account_id)
            if account is None:
                raise Refused(Reason.UNAUTHENTICATED)
            await self._verification.ask(session, account, str(request[CALLER].base))
        return web.Response(status=204)


class VerificationPages:
    """The page that the link in a letter opens. To open it verifies nothing yet."""

    def __init__(self, database: Database, verification: Verification) -> None:
        self._database = database
        self._verification = verification

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get("/verify/{token}", self.look), web.post("/verify/{token}", self.confirm)]

    async def look(self, request: web.Request) -> web.Response:
        """Ask whether the address is the reader's."""
        async with self._database.read() as session:
            account = await self._verification.holder(session, request.match_info["token"])
        return _page(request, account)

    async def confirm(self, request: web.Request) -> web.Response:
        """Verify the address."""
        async with self._database.write() as session:
            account = await self._verification.confirm(session, request.match_info["token"])
        return _page(request, account)


def _page(request: web.Request, account: Account) -> web.Response:
    context = {
        "user": None,
        "address": account.email,
        "is_verified": account.email_verified_at is not None,
        "token": request.match_info["token"],
    }
    return render(request, "verify.html", context)
