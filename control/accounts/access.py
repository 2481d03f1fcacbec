"""Who a request is from: a bearer's token or API key, else the cookies of the browser."""

from aiohttp import hdrs, web

from control.accounts.tokens import AccessTokens, AccountIdentity, Grant, Identity
from control.credentials.service import Credentials
from control.refusals import Reason, Refused

ACCESS_COOKIE = "parley_access"
REFRESH_COOKIE = "parley_refresh"
GUEST_COOKIE = "parley_guest"
GRANT: web.RequestKey[Grant] = web.RequestKey("grant", Grant)
"""What a request is granted by what it shows, put there before the handler runs."""

COOKIES = (ACCESS_COOKIE, REFRESH_COOKIE, GUEST_COOKIE)


class Access:
    """Reads identities from requests."""

    def __init__(self, tokens: AccessTokens, credentials: Credentials) -> None:
        self._tokens = tokens
        self._credentials = credentials

    async def grant(self, token: str) -> Grant | None:
        """Return what the token says; None when it is not ours, has expired, or its sign-in has ended."""
        grant = self._tokens.grant(token)
        if grant is None or grant.identity.credential is None:
            return grant
        return grant if await self._credentials.stands(grant.identity.credential) else None

    async def learn(self, request: web.Request) -> Grant | None:
        """Return what the request is granted by its token, or None when it shows none.

        Raises `Refused` with UNAUTHENTICATED when it shows an account's token that is not valid (any
        more): the caller believes to be somebody, and must not be taken for a stranger. A guest is
        nobody without a valid token, and joins again by name.
        """
        token = bearer(request) or request.cookies.get(ACCESS_COOKIE)
        if token is None:
            return await self.grant(request.cookies.get(GUEST_COOKIE, ""))
        grant = await self.grant(token)
        if grant is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return grant

    def identity(self, request: web.Request) -> Identity | None:
        """Return whom the request is from, or None when it shows nothing."""
        grant = request.get(GRANT)
        return None if grant is None else grant.identity

    def account(self, request: web.Request) -> str:
        """Return the id of the account the request is from. Raises `Refused` with UNAUTHENTICATED."""
        identity = self.identity(request)
        if not isinstance(identity, AccountIdentity):
            raise Refused(Reason.UNAUTHENTICATED)
        return identity.account


def bearer(request: web.Request) -> str | None:
    """Return the token of the request's `Authorization`. Raises `Refused` with UNAUTHENTICATED."""
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(Reason.UNAUTHENTICATED)
    return token
