"""Pages over HTTP, with who is signed in. All else on a page comes from the REST API."""

from typing import Any, get_args

from aiohttp import web
from yarl import URL

from control.accounts import store as accounts
from control.accounts.access import ACCESS_COOKIE, Access
from control.accounts.schema import User
from control.accounts.tokens import AccountIdentity
from control.edge.html import WEB, render
from control.meetings.lookup import Lookup
from control.scopes import Scope
from control.shards.shards import Shards
from control.verification.service import Verification
from control.webhooks.schema import Kind


class PageRoutes:
    """The routes of pages and of the files they load."""

    def __init__(self, shards: Shards, access: Access, lookup: Lookup, verification: Verification) -> None:
        self._shards = shards
        self._verification = verification
        self._access = access
        self._lookup = lookup

    def table(self) -> list[web.AbstractRouteDef]:
        """Return the routes."""
        return [
            web.get("/", self.landing),
            web.get("/sign-up", self.sign_up),
            web.get("/sign-in", self.sign_in),
            web.get("/forgot-password", self.forgot_password),
            web.get("/new-password", self.new_password),
            web.get("/meetings", self.meetings),
            web.get("/settings", self.settings),
            web.get("/m/{code}", self.meeting),
            web.static("/static", WEB / "static"),
        ]

    async def landing(self, request: web.Request) -> web.Response:
        """What this is, and where to begin."""
        return await self._page(request, "landing.html")

    async def sign_up(self, request: web.Request) -> web.Response:
        """Make an account."""
        return await self._page(request, "sign_up.html")

    async def sign_in(self, request: web.Request) -> web.Response:
        """Sign in."""
        return await self._page(request, "sign_in.html")

    async def forgot_password(self, request: web.Request) -> web.Response:
        """Ask for a letter to set a new password by."""
        return await self._page(request, "forgot_password.html")

    async def new_password(self, request: web.Request) -> web.Response:
        """Set a new password, by the token after the `#`."""
        return await self._page(request, "new_password.html")

    async def meetings(self, request: web.Request) -> web.Response:
        """One's own meetings; strangers are sent to sign in."""
        return await self._own_page(request, "meetings.html")

    async def settings(self, request: web.Request) -> web.Response:
        """One's own API keys and webhooks; strangers are sent to sign in."""
        return await self._own_page(request, "settings.html", scopes=list(Scope), kinds=get_args(Kind))

    async def meeting(self, request: web.Request) -> web.Response:
        """One meeting, from the camera check to its end, under the code's one spelling."""
        code = (await self._lookup.find(request)).code
        if request.match_info["code"] != code:
            return see_other(URL("/m") / code)
        return await self._page(request, "meeting.html", code=code)

    async def _own_page(self, request: web.Request, template: str, **context: Any) -> web.Response:
        """Return the page to those signed in."""
        if ACCESS_COOKIE not in request.cookies:
            return see_other(URL("/sign-in").with_query(next=request.path_qs))
        return await self._page(request, template, **context)

    async def _page(self, request: web.Request, template: str, **context: Any) -> web.Response:
        """Return the page, once a browser whose access has expired has been to get it renewed."""
        user = None
        token = request.cookies.get(ACCESS_COOKIE)
        if token is not None:
            user = await self._user(token)
            if user is None:
                return see_other(URL("/api/session/resume").with_query(next=request.path_qs))
        return render(request, template, {"user": user, **context})

    async def _user(self, token: str) -> User | None:
        grant = await self._access.grant(token)
        if grant is None or not isinstance(grant.identity, AccountIdentity):
            return None
        async with self._shards.first.read() as session:
            account = await accounts.by_id(session, grant.identity.account)
        return None if account is None else User.of(account, self._verification)


def see_other(target: URL) -> web.Response:
    """Return a redirect to another page."""
    return web.Response(status=303, headers={"Location": str(target)})
