"""Access tokens: short-lived JWTs (RFC 7519) that say who calls, and by which sign-in (`sid`).

HS256 under the session secret, the algorithm fixed and never read from the token. The audience tells an
account's token from a guest's; a guest's is good for one meeting.
"""

from dataclasses import dataclass
from datetime import timedelta

import jwt
import msgspec

from control.clock import Clock
from control.refusals import Reason, Refused
from control.scopes import Scope

ISSUER = "parley-control"
ACCOUNT = "parley-account"
GUEST = "parley-guest"


@dataclass(frozen=True)
class AccountIdentity:
    """Somebody who signed in, or whose API key acts for them: `credential` is the sign-in's or key's id."""

    account: str
    credential: str


@dataclass(frozen=True)
class GuestIdentity:
    """Somebody who joined `meeting` by name alone, as `peer`."""

    meeting: str
    peer: str
    name: str

    @property
    def credential(self) -> None:
        """What their token ends with before it expires: nothing."""


Identity = AccountIdentity | GuestIdentity


@dataclass(frozen=True)
class Grant:
    """What a token or key says: who, until when (seconds since 1970), and within which scopes if not all."""

    identity: Identity
    expires_s: float
    scopes: frozenset[Scope] | None = None

    def require(self, scope: Scope) -> None:
        """Raise `Refused` with INSUFFICIENT_SCOPE unless this is within the scopes."""
        if self.scopes is not None and scope not in self.scopes:
            raise Refused(Reason.INSUFFICIENT_SCOPE, fields={"scope": f"Needs {scope}."})


class _Claims(msgspec.Struct, tag_field="aud"):
    exp: int
    sub: str


class _AccountClaims(_Claims, tag=ACCOUNT):
    sid: str


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

    def for_account(self, account_id: str, sign_in_id: str) -> str:
        """Return a token that stands for the account, as long as the sign-in does."""
        return self._sign(ACCOUNT, self.account_s, {"sub": account_id, "sid": sign_in_id})

    def for_guest(self, guest: GuestIdentity) -> str:
        """Return a token that stands for the guest, in that one meeting."""
        claims = {"sub": guest.peer, "meeting": guest.meeting, "name": guest.name}
        return self._sign(GUEST, self.guest_s, claims)

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
        return Grant(AccountIdentity(claims.sub, claims.sid), claims.exp)

    def _sign(self, audience: str, lifetime_s: int, claims: dict[str, str]) -> str:
        now = self._clock()
        times = {"iat": int(now.timestamp()), "exp": int((now + timedelta(seconds=lifetime_s)).timestamp())}
        return jwt.encode({"iss": ISSUER, "aud": audience} | times | claims, self._secret, algorithm="HS256")
