"""Requests that show an API key, before their handler runs."""

from aiohttp import web

from control.accounts.access import KEY_HOLDER, bearer
from control.accounts.tokens import AccountIdentity
from control.api_keys.service import PREFIX, ApiKeys
from control.database import Database
from control.edge.endpoint import ENDPOINT
from control.refusals import Reason, Refused


class KeyAdmission:
    """Lets a key stand for its account where the endpoint's scope is among the key's."""

    def __init__(self, database: Database, keys: ApiKeys) -> None:
        self._database = database
        self._keys = keys

    async def admit(self, request: web.Request) -> None:
        """Put the account on the request if it shows a key.

        Raises `Refused` with UNAUTHENTICATED or INSUFFICIENT_SCOPE.
        """
        secret = bearer(request)
        if secret is None or not secret.startswith(PREFIX):
            return
        async with self._database.read() as session:
            holder = await self._keys.holder(session, secret)
        if holder is None:
            raise Refused(Reason.UNAUTHENTICATED)
        scope = request[ENDPOINT].scope
        if scope is None:
            raise Refused(Reason.INSUFFICIENT_SCOPE, fields={"scope": "No scope opens this to API keys."})
        if scope not in holder.scopes:
            raise Refused(Reason.INSUFFICIENT_SCOPE, fields={"scope": f"Needs {scope}."})
        if not holder.is_noted:
            async with self._database.write() as session:
                await self._keys.note_use(session, holder)
        request[KEY_HOLDER] = AccountIdentity(holder.account)
