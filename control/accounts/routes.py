"""Accounts over HTTP: register, sign in, refresh, sign out, and who am I."""

from aiohttp import web
from yarl import URL

from control.accounts import store
from control.accounts.access import ACCESS_COOKIE, REFRESH_COOKIE, Access
from control.accounts.passwords import Passwords
from control.accounts.schema import Credentials, Registration, Renewal, ResumeQuery, SignedIn, User
from control.accounts.service import Accounts, Device, normalised
from control.accounts.tokens import AccessTokens
from control.database import Database
from control.edge.answers import refusal
from control.edge.body import answer, one_line, read_json, read_query
from control.edge.caller import CALLER
from control.edge.endpoint import Endpoint, Who
from control.rates.port import MakeBuckets
from control.refusals import Reason, Refused
from control.scopes import Scope
from control.settings import Rates

SESSION_PATH = "/api/session"


class AccountLimits:
    """How often accounts may be made, signed in to and refreshed.

    The limit by e-mail address holds whoever asks: it slows guesses that come from many places, at the
    price that someone else's guesses can make the owner wait for seconds.
    """

    def __init__(self, rates: Rates, buckets: MakeBuckets) -> None:
        self.register = buckets("register", rates.register_per_address)
        self.sign_in = buckets("sign-in", rates.sign_in_per_address)
        self.sign_in_email = buckets("sign-in-email", rates.sign_in_per_email)
        self.refresh = buckets("refresh", rates.refresh_per_address)


class AccountRoutes:
    """The routes of accounts."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        passwords: Passwords,
        tokens: AccessTokens,
        access: Access,
        limits: AccountLimits,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords
        self._tokens = tokens
        self._access = access
        self._limits = limits

    def table(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint("POST", "/api/accounts", self.register, Who.PUBLIC)
            .takes(Registration)
            .gives(SignedIn, 201)
            .refuses(Reason.EMAIL_TAKEN, Reason.RATE_LIMITED),
            Endpoint("POST", SESSION_PATH, self.sign_in, Who.PUBLIC)
            .takes(Credentials)
            .gives(SignedIn)
            .refuses(Reason.BAD_CREDENTIALS, Reason.RATE_LIMITED),
            Endpoint("DELETE", SESSION_PATH, self.sign_out, Who.DEVICE)
            .takes(Renewal, required=False)
            .gives(None, 204),
            Endpoint("POST", f"{SESSION_PATH}/refresh", self.refresh, Who.DEVICE)
            .takes(Renewal, required=False)
            .gives(SignedIn)
            .refuses(Reason.UNAUTHENTICATED, Reason.RATE_LIMITED),
            Endpoint("GET", f"{SESSION_PATH}/resume", self.resume, Who.DEVICE)
            .asks(ResumeQuery)
            .gives(None, 303)
            .refuses(Reason.RATE_LIMITED),
            Endpoint("GET", "/api/me", self.me, Who.ACCOUNT, Scope.ACCOUNT_READ).gives(User),
        ]

    async def register(self, request: web.Request) -> web.Response:
        """Make an account and sign in.

        Where addresses must be verified, a letter with a link for that is sent. Until then the account is not
        shown what its address is invited to.
        """
        await self._limits.register.take(request[CALLER].rate_key)
        body = await read_json(request, Registration)
        name = one_line(body.name, "name")
        password_hash = await self._passwords.hash(body.password)
        async with self._database.write() as session:
            account = await self._accounts.register(
                session,
                email=normalised(body.email),
                name=name,
                password_hash=password_hash,
                base=str(request[CALLER].base),
            )
            device = await self._accounts.sign_in(session, account)
        return self._signed_in(request, device, status=201)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Sign in by e-mail address and password."""
        await self._limits.sign_in.take(request[CALLER].rate_key)
        body = await read_json(request, Credentials)
        email = normalised(body.email)
        await self._limits.sign_in_email.take(email)
        async with self._database.read() as session:
            account = await store.by_email(session, email)
        # Between two transactions, not inside one: a hash takes long, and writers wait for each other.
        known = await self._passwords.match(body.password, None if account is None else account.password_hash)
        if account is None or not known:
            raise Refused(Reason.BAD_CREDENTIALS)
        async with self._database.write() as session:
            device = await self._accounts.sign_in(session, account)
        return self._signed_in(request, device)

    async def refresh(self, request: web.Request) -> web.Response:
        """Give new tokens for a refresh token, from the body or the cookie."""
        await self._limits.refresh.take(request[CALLER].rate_key)
        device = await self._renew(await _shown(request))
        if device is None:
            response = refusal(request, Refused(Reason.UNAUTHENTICATED))
            _forget(response)
            return response
        return self._signed_in(request, device)

    async def resume(self, request: web.Request) -> web.Response:
        """Take a browser whose access has expired back to its page, with new tokens or signed out.

        Pages come here because the refresh cookie is sent to this path alone.
        """
        await self._limits.refresh.take(request[CALLER].rate_key)
        response = web.Response(
            status=303, headers={"Location": local_path(read_query(request, ResumeQuery).next)}
        )
        device = await self._renew(request.cookies.get(REFRESH_COOKIE))
        if device is None:
            _forget(response)
        else:
            self._remember(request, response, device.refresh_token, self._access_token(device))
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """Sign this device out, with the access tokens it holds and the connections made by them."""
        token = await _shown(request)
        if token is not None:
            async with self._database.write() as session:
                await self._accounts.sign_out(session, token)
        response = web.Response(status=204)
        _forget(response)
        return response

    async def me(self, request: web.Request) -> web.Response:
        """Tell who is signed in."""
        account_id = self._access.account(request)
        async with self._database.read() as session:
            account = await store.by_id(session, account_id)
        if account is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return answer(User.of(account, self._accounts.verification))

    async def _renew(self, token: str | None) -> Device | None:
        if token is None:
            return None
        async with self._database.write() as session:
            return await self._accounts.renew(session, token)

    def _access_token(self, device: Device) -> str:
        return self._tokens.for_account(device.account.id, device.sign_in_id)

    def _signed_in(self, request: web.Request, device: Device, status: int = 200) -> web.Response:
        access_token = self._access_token(device)
        user = User.of(device.account, self._accounts.verification)
        body = SignedIn(user, access_token, device.refresh_token, self._tokens.account_s)
        response = answer(body, status)
        self._remember(request, response, device.refresh_token, access_token)
        return response

    def _remember(self, request: web.Request, response: web.Response, refresh: str, access: str) -> None:
        """Set the cookies. The access cookie outlives its token: it shows that a refresh is worth trying."""
        secure, life_s = request[CALLER].secure, self._accounts.refresh_s
        response.set_cookie(
            ACCESS_COOKIE, access, max_age=life_s, httponly=True, samesite="Lax", secure=secure
        )
        response.set_cookie(
            REFRESH_COOKIE,
            refresh,
            max_age=life_s,
            httponly=True,
            samesite="Lax",
            secure=secure,
            path=SESSION_PATH,
        )


def local_path(target: str) -> str:
    """Return `target` if it is a path on this server, else the root: nobody is sent to another site."""
    try:
        url = URL(target)
    except ValueError:
        return "/"
    local = target.startswith("/") and not target.startswith(("//", "/\\")) and not url.absolute
    return str(url) if local else "/"


async def _shown(request: web.Request) -> str | None:
    """Return the refresh token that the request shows, in its body or as a cookie."""
    body = await read_json(request, Renewal) if request.can_read_body else Renewal()
    return body.refresh_token or request.cookies.get(REFRESH_COOKIE)


def _forget(response: web.Response) -> None:
    response.del_cookie(ACCESS_COOKIE)
    response.del_cookie(REFRESH_COOKIE, path=SESSION_PATH)
