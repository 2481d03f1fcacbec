"""Who may pass before a handler runs: by an API key, within its scopes, or by an access token."""

from aiohttp import web

from control.accounts.access import GRANT, Access, bearer
from control.accounts.tokens import Grant
from control.api_keys.service import PREFIX, ApiKeys
from control.database import Database
from control.edge.endpoint import ENDPOINT
from control.refusals import Reason, Refused
from control.scopes import Scope


class Admission:
    """Learns for whom requests and connections are."""

    def __init__(self, database: Database, keys: ApiKeys, access: Access) -> None:
        self._database = database
        self._keys = keys
        self._access = access

    async def admit(self, request: web.Request) -> None:
        """Put on the request what it is granted. A key needs the scope of the endpoint.

        Raises `Refused` with UNAUTHENTICATED or INSUFFICIENT_SCOPE.
        """
        secret = bearer(request)
        if secret is not None and secret.startswith(PREFIX):
            request[GRANT] = await self._by_key(secret, request[ENDPOINT].scope)
        elif (grant := await self._access.learn(request)) is not None:
            request[GRANT] = grant

    async def grant(self, token: str, scope: Scope) -> Grant:
        """Return what a token, or a key with this scope, grants. Raises as `admit` does."""
        if token.startswith(PREFIX):
            return await self._by_key(token, scope)
        grant = await self._access.grant(token)
        if grant is None:
            raise Refused(Reason.UNAUTHENTICATED)
        return grant

    async def _by_key(self, secret: str, scope: Scope | None) -> Grant:
        async with self._database.read() as session:
            holder = await self._keys.holder(session, secret)
        if holder is None:
            raise Refused(Reason.UNAUTHENTICATED)
        if scope is None:
            raise Refused(Reason.INSUFFICIENT_SCOPE, fields={"scope": "No scope opens this to API keys."})
        holder.grant.require(scope)
        if not holder.is_noted:
            async with self._database.write() as session:
                await self._keys.note_use(session, holder)
        return holder.grant
