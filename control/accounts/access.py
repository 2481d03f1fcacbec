"""Who a request is from: a bearer's token or API key, else the cookies of the browser."""

from aiohttp import hdrs, web

from control.accounts.tokens import AccessTokens, AccountIdentity, Identity
from control.refusals import Reason, Refused

ACCESS_COOKIE = "parley_access"
REFRESH_COOKIE = "parley_refresh"
GUEST_COOKIE = "parley_guest"
KEY_HOLDER: web.RequestKey[AccountIdentity] = web.RequestKey("key_holder", AccountIdentity)
"""The account that a request acts for by an API key, put there before the handler runs."""

COOKIES = (ACCESS_COOKIE, REFRESH_COOKIE, GUEST_COOKIE)


class Access:
    """Reads identities from requests."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    def identity(self, request: web.Request) -> Identity | None:
        """Return whom the request is from, or None when it shows nothing.

        Raises `Refused` with UNAUTHENTICATED when it shows an account's token that is not valid (any
        more): the caller believes to be somebody, and must not be taken for a stranger. A guest is
        nobody without a valid token, and joins again by name.
        """
        if KEY_HOLDER in request:
            return request[KEY_HOLDER]
        token = bearer(request) or request.cookies.get(ACCESS_COOKIE)
        if token is None:
            return self._tokens.read(request.cookies.get(GUEST_COOKIE, ""))
        identity = self._tokens.read(token)
        if identity is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return identity

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
