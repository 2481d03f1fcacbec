"""Whose meetings anybody listens to: so that what happens in the others costs nothing.

Other processes learn of an account's first endpoint within `REFRESH_S`; what happened there before that is
not told to it.
"""

from control.database import Database
from control.webhooks import store

REFRESH_S = 5.0


class Subscribers:
    """The accounts that have endpoints, as far as this process knows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._accounts: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._accounts)

    def __contains__(self, account_id: str) -> bool:
        return account_id in self._accounts

    def add(self, account_id: str) -> None:
        """Note that the account has an endpoint."""
        self._accounts |= {account_id}

    async def refresh(self) -> None:
        """Look in the database."""
        async with self._database.read() as session:
            self._accounts = await store.accounts_with_webhooks(session)
