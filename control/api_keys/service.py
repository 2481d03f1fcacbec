"""Making, checking and revoking API keys.

A key is `parley_` and 48 random hex digits: so long that a plain hash of it is safe to keep, and known by
its beginning to programs that look for leaked secrets.
"""

import hashlib
import math
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.tokens import AccountIdentity, Grant
from control.api_keys import store
from control.api_keys.schema import NewKey, scopes_of
from control.api_keys.store import ApiKey
from control.clock import Clock
from control.database import after_commit
from control.refusals import Reason, Refused

PREFIX = "parley_"
SECRET = re.compile(PREFIX + "[0-9a-f]{48}")
SHOWN = len(PREFIX) + 6
USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Holder:
    """Who acts by a key, and what it grants. `is_noted` tells that its use need not be."""

    key_id: str
    grant: Grant
    is_noted: bool


class ApiKeys:
    """The rules of API keys. An account has at most `each`; `ended` is told of those that are revoked."""

    def __init__(self, clock: Clock, each: int, ended: Callable[[str], None]) -> None:
        self._clock = clock
        self._ended = ended
        self._each = each

    async def make(
        self, session: AsyncSession, account_id: str, name: str, wanted: NewKey
    ) -> tuple[str, ApiKey]:
        """Return a new key's secret, and what is kept of it. Raises `Refused` with TOO_MANY_KEYS."""
        now = self._clock()
        if not await accounts.hold(session, account_id):
            raise Refused(Reason.UNAUTHENTICATED)
        await store.remove_expired(session, account_id, now)
        if await store.count(session, account_id) >= self._each:
            raise Refused(Reason.TOO_MANY_KEYS)
        secret = PREFIX + secrets.token_hex(24)
        life_s = wanted.expires_in
        key = ApiKey(
            id=uuid4().hex,
            account_id=account_id,
            name=name,
            prefix=secret[:SHOWN],
            key_hash=_hash(secret),
            scopes=" ".join(wanted.scopes),
            created_at=now,
            expires_at=None if life_s is None else now + timedelta(seconds=life_s),
        )
        await store.add(session, key)
        return secret, key

    async def holder(self, session: AsyncSession, secret: str) -> Holder | None:
        """Return who acts by the key, or None when it is not one of ours, or no more."""
        if not SECRET.fullmatch(secret):
            return None
        key = await store.by_hash(session, _hash(secret))
        now = self._clock()
        if key is None or (key.expires_at is not None and key.expires_at <= now):
            return None
        is_noted = key.used_at is not None and now - key.used_at < USE_NOTED_EVERY
        expires_s = math.inf if key.expires_at is None else key.expires_at.timestamp()
        grant = Grant(AccountIdentity(key.account_id, key.id), expires_s, frozenset(scopes_of(key)))
        return Holder(key.id, grant, is_noted)

    async def note_use(self, session: AsyncSession, holder: Holder) -> None:
        """Note that the key is in use."""
        now = self._clock()
        await store.note_use(session, holder.key_id, now, now - USE_NOTED_EVERY)

    async def revoke(self, session: AsyncSession, account_id: str, key_id: str) -> None:
        """End the account's key. Raises `Refused` with NOT_FOUND."""
        if not await store.remove(session, account_id, key_id):
            raise Refused(Reason.NOT_FOUND)
        after_commit(session, partial(self._ended, key_id))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
