"""Registering, signing in, staying signed in.

A refresh token is `<sign-in id>.<secret>`. Each use replaces it; using a replaced one again means that
two hold it, so the sign-in ends for both. For a short while after a replacement the old token gives the
same successor once more: two tabs may refresh at the same time, and an answer may be lost on its way.
That needs no copy of a secret: the successor is derived from the token it replaces.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store
from control.accounts.store import Account, SignIn
from control.clock import Clock
from control.database import after_commit
from control.refusals import Reason, Refused
from control.verification.service import Verification

REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{16,64})")
REPLAY_GRACE = timedelta(seconds=20)


@dataclass(frozen=True)
class Device:
    """An account on a device that stays signed in by `refresh_token`."""

    account: Account
    sign_in_id: str
    refresh_token: str


class Accounts:
    """The rules of accounts. `secret` derives refresh tokens; `ended` is told which sign-ins ended."""

    def __init__(
        self,
        clock: Clock,
        secret: bytes,
        verification: Verification,
        *,
        refresh_s: int,
        ended: Callable[[str], None],
    ) -> None:
        self.verification = verification
        self._clock = clock
        self._secret = secret
        self._ended = ended
        self.refresh_s = refresh_s
        self._lifetime = timedelta(seconds=refresh_s)

    async def register(
        self, session: AsyncSession, *, email: str, name: str, password_hash: str, base: str
    ) -> Account:
        """Return the new account, to be verified by a link to `base`. Raises `Refused` with EMAIL_TAKEN."""
        account = Account(
            id=uuid4().hex, email=email, name=name, password_hash=password_hash, created_at=self._clock()
        )
        if not await store.add_account(session, account):
            raise Refused(Reason.EMAIL_TAKEN)
        await self.verification.ask(session, account, base)
        return account

    async def sign_in(self, session: AsyncSession, account: Account) -> Device:
        """Return a new device of the account.

        Raises `Refused` with BAD_CREDENTIALS when its password is another by now: that ended all sign-ins.
        """
        if not await store.hold_password(session, account):
            raise Refused(Reason.BAD_CREDENTIALS)
        now = self._clock()
        sign_in = SignIn(
            id=uuid4().hex,
            account_id=account.id,
            created_at=now,
            rotated_at=now,
            expires_at=now + self._lifetime,
        )
        secret = secrets.token_urlsafe(32)
        sign_in.token_hash = _hash(secret)
        await store.add_sign_in(session, sign_in)
        return Device(account, sign_in.id, f"{sign_in.id}.{secret}")

    async def renew(self, session: AsyncSession, token: str) -> Device | None:
        """Return the device with its next token, or None when `token` gives none.

        None, not an exception: the end of a sign-in whose token was used twice must be committed.
        """
        sign_in, secret = await _held(session, token)
        if sign_in is None:
            return None
        now, used = self._clock(), _hash(secret)
        successor = self._successor(secret)
        if now >= sign_in.expires_at:
            await self._end(session, sign_in)
            return None
        if hmac.compare_digest(used, sign_in.token_hash):
            sign_in.previous_hash, sign_in.token_hash = used, _hash(successor)
            sign_in.rotated_at, sign_in.expires_at = now, now + self._lifetime
        elif not self._just_replaced(sign_in, used):
            await self._end(session, sign_in)
            return None
        account = await store.by_id(session, sign_in.account_id)
        return None if account is None else Device(account, sign_in.id, f"{sign_in.id}.{successor}")

    async def sign_out(self, session: AsyncSession, token: str) -> None:
        """End the sign-in that `token` belongs to, if there is one."""
        sign_in, _ = await _held(session, token)
        if sign_in is not None:
            await self._end(session, sign_in)

    async def _end(self, session: AsyncSession, sign_in: SignIn) -> None:
        await store.remove_sign_in(session, sign_in)
        after_commit(session, partial(self._ended, sign_in.id))

    def _just_replaced(self, sign_in: SignIn, used: str) -> bool:
        previous = sign_in.previous_hash or ""
        return hmac.compare_digest(used, previous) and self._clock() - sign_in.rotated_at <= REPLAY_GRACE

    def _successor(self, secret: str) -> str:
        return hmac.new(self._secret, b"refresh:" + secret.encode(), hashlib.sha256).hexdigest()


async def _held(session: AsyncSession, token: str) -> tuple[SignIn | None, str]:
    """Return the sign-in that a refresh token names, if there is one, and the token's secret."""
    parts = REFRESH_TOKEN.fullmatch(token)
    if parts is None:
        return None, ""
    return await store.hold_sign_in(session, parts[1]), parts[2]


def normalised(email: str) -> str:
    """Return the address as it is compared: without surrounding space, in lower case."""
    return email.strip().lower()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
