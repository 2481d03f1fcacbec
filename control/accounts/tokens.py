"""Access tokens: short-lived JWTs (RFC 7519) that say who calls, checked without the database.

HS256 under the session secret, the algorithm fixed and never read from the token. The audience tells an
account's token from a guest's; a guest's is good for one meeting.
"""

from dataclasses import dataclass
from datetime import timedelta

import jwt
import msgspec

from control.clock import Clock

ISSUER = "parley-control"
ACCOUNT = "parley-account"
GUEST = "parley-guest"


@dataclass(frozen=True)
class AccountIdentity:
    """Somebody who signed in."""

    account: str


@dataclass(frozen=True)
class GuestIdentity:
    """Somebody who joined `meeting` by name alone, as `peer`."""

    meeting: str
    peer: str
    name: str


Identity = AccountIdentity | GuestIdentity


@dataclass(frozen=True)
class Grant:
    """What a token says: who, until when (seconds since 1970)."""

    identity: Identity
    expires_s: int


class _Claims(msgspec.Struct, tag_field="aud"):
    exp: int
    sub: str


class _AccountClaims(_Claims, tag=ACCOUNT):
    pass


class _GuestClaims(_Claims, tag=GUEST):
    meeting: str
    name: str


class AccessTokens:
    """Signs and reads access tokens; lifetimes are in seconds."""

    def __init__(self, secret: bytes, clock: Clock, *, account_s: int, guest_s: int) -> None:
        self._secret = secret
        self._clock = clock
        self.account_s = account_s
        self.guest_s = guest_s

    def for_account(self, account_id: str) -> str:
        """Return a token that stands for the account."""
        return self._sign(ACCOUNT, self.account_s, {"sub": account_id})

    def for_guest(self, guest: GuestIdentity) -> str:
        """Return a token that stands for the guest, in that one meeting."""
        claims = {"sub": guest.peer, "meeting": guest.meeting, "name": guest.name}
        return self._sign(GUEST, self.guest_s, claims)

    def read(self, token: str) -> Identity | None:
        """Return whom the token stands for, or None when it is not ours or has expired."""
        grant = self.grant(token)
        return None if grant is None else grant.identity

    def grant(self, token: str) -> Grant | None:
        """Return what the token says, or None when it is not ours or has expired."""
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=ISSUER,
                audience=[ACCOUNT, GUEST],
                options={"require": ["exp", "sub", "aud"], "verify_exp": False, "verify_iat": False},
            )
            claims = msgspec.convert(payload, _AccountClaims | _GuestClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            return None
        if self._clock().timestamp() >= claims.exp:
            return None
        if isinstance(claims, _GuestClaims):
            return Grant(GuestIdentity(claims.meeting, claims.sub, claims.name), claims.exp)
        return Grant(AccountIdentity(claims.sub), claims.exp)

    def _sign(self, audience: str, lifetime_s: int, claims: dict[str, str]) -> str:
        now = self._clock()
        times = {"iat": int(now.timestamp()), "exp": int((now + timedelta(seconds=lifetime_s)).timestamp())}
        return jwt.encode({"iss": ISSUER, "aud": audience} | times | claims, self._secret, algorithm="HS256")
