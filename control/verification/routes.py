"""Verification, and new passwords, over HTTP: asking for letters, and what their links open."""

from aiohttp import web

from control.accounts import store as accounts
from control.accounts.access import Access
from control.accounts.passwords import Passwords
from control.accounts.service import normalised
from control.accounts.store import Account
from control.database import Database
from control.edge.body import read_json
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.edge.html import render
from control.rates.port import Buckets, MakeBuckets
from control.refusals import Reason, Refused
from control.settings import Rates
from control.verification.recovery import Recovery
from control.verification.schema import ForgottenPassword, PasswordReset
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


class RecoveryLimits:
    """How often new passwords may be asked for and set; `email` counts by address, an account's or not."""

    def __init__(self, rates: Rates, buckets: MakeBuckets) -> None:
        self.caller = buckets("reset", rates.reset_per_address)
        self.email = buckets("reset-email", rates.reset_per_email)


class RecoveryRoutes:
    """The routes of new passwords."""

    def __init__(
        self, database: Database, recovery: Recovery, passwords: Passwords, limits: RecoveryLimits
    ) -> None:
        self._database = database
        self._recovery = recovery
        self._passwords = passwords
        self._limits = limits

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", "/api/password/forgotten", self.forgotten, Who.PUBLIC)
            .takes(ForgottenPassword)
            .gives(None, 204)
            .refuses(Reason.RATE_LIMITED),
            Endpoint("POST", "/api/password", self.reset, Who.PUBLIC)
            .takes(PasswordReset)
            .gives(None, 204)
            .refuses(Reason.LINK_EXPIRED, Reason.RATE_LIMITED),
        ]

    async def forgotten(self, request: web.Request) -> web.Response:
        """Send a letter with a link to set a new password by.

        Whether there is an account with the address is told to nobody.
        """
        await self._limits.caller.take(request[CALLER].rate_key)
        email = normalised((await read_json(request, ForgottenPassword)).email)
        await self._limits.email.take(email)
        async with self._database.write() as session:
            await self._recovery.ask(session, email, str(request[CALLER].base))
        return web.Response(status=204)

    async def reset(self, request: web.Request) -> web.Response:
        """Set a new password by the link of a letter, which is good once.

        All sign-ins and API keys of the account end, and its address counts as verified.
        """
        await self._limits.caller.take(request[CALLER].rate_key)
        body = await read_json(request, PasswordReset)
        # First, so that only who has a link keeps the hashing busy; outside, since it takes long.
        async with self._database.read() as session:
            account = await self._recovery.holder(session, body.token)
        password_hash = await self._passwords.hash(body.password)
        async with self._database.write() as session:
            await self._recovery.reset(session, account, password_hash)
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
