"""What the links in letters to accounts show: whose account, and for what.

JWTs (RFC 7519) under the session secret. Each is bound to what it is about to change, of which it holds a
digest: it is good no more once the address, or for a new password the password, is another.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import jwt
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.accounts import store as accounts
from control.accounts.store import Account
from control.clock import Clock
from control.refusals import Reason, Refused

ISSUER = "parley-control"


class Purpose(StrEnum):
    """What a link is for: the audience of its token."""

    VERIFY = "parley-verify"
    RESET = "parley-reset"


@dataclass(frozen=True)
class Link:
    """A token for a link, and until when it is good."""

    token: str
    expires_at: datetime


class _Claims(msgspec.Struct):
    sub: str
    exp: int
    state: str


class Links:
    """Signs and reads the tokens; `lives_s` says how long those of each purpose are good."""

    def __init__(self, secret: bytes, clock: Clock, lives_s: Mapping[Purpose, int]) -> None:
        self._secret = secret
        self._clock = clock
        self._lives_s = lives_s

    def make(self, purpose: Purpose, account: Account) -> Link:
        """Return a token for whoever reads the mail to the account's address."""
        expires_at = self._clock() + timedelta(seconds=self._lives_s[purpose])
        claims = {
            "iss": ISSUER,
            "aud": purpose.value,
            "sub": account.id,
            "exp": int(expires_at.timestamp()),
            "state": self._state(purpose, account),
        }
        return Link(jwt.encode(claims, self._secret, algorithm="HS256"), expires_at)

    async def holder(self, session: AsyncSession, purpose: Purpose, token: str) -> Account:
        """Return whose account the token is for. Raises `Refused` with LINK_EXPIRED when it is not good."""
        claims = self._read(purpose, token)
        account = None if claims is None else await accounts.by_id(session, claims.sub)
        if claims is None or account is None:
            raise Refused(Reason.LINK_EXPIRED)
        if not hmac.compare_digest(claims.state.encode(), self._state(purpose, account).encode()):
            raise Refused(Reason.LINK_EXPIRED)
        return account

    def _read(self, purpose: Purpose, token: str) -> _Claims | None:
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=ISSUER,
                audience=purpose.value,
                options={"require": ["exp", "sub", "aud"], "verify_exp": False},
            )
            claims = msgspec.convert(payload, _Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            return None
        return claims if self._clock().timestamp() < claims.exp else None

    def _state(self, purpose: Purpose, account: Account) -> str:
        parts = [purpose.value, account.email]
        if purpose is Purpose.RESET:
            parts.append(account.password_hash)
        return hmac.new(self._secret, "\0".join(parts).encode(), hashlib.sha256).hexdigest()
