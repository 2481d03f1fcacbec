"""Permission to upload or download one object of the folder, in an address: a JWT that expires.

HS256 under a key of their own, derived from the session secret, so that no other token passes for one.
"""

import hmac
from datetime import timedelta

import jwt
import msgspec

from control.clock import Clock
from control.refusals import Reason, Refused

UPLOAD = "parley-upload"
DOWNLOAD = "parley-download"


class UploadGrant(msgspec.Struct, frozen=True):
    """Permission to store a file of this type and size, in bytes, under `sub`, until `exp`."""

    sub: str
    exp: int
    content_type: str
    size: int


class DownloadGrant(msgspec.Struct, frozen=True):
    """Permission to get the object `sub` with these headers, until `exp`."""

    sub: str
    exp: int
    content_type: str
    disposition: str


class Grants:
    """Signs and reads grants."""

    def __init__(self, session_secret: bytes, clock: Clock) -> None:
        self._key = hmac.digest(session_secret, b"parley objects", "sha256")
        self._clock = clock

    def until(self, life_s: int) -> int:
        """Return the `exp` of a grant that is good for so long."""
        return int((self._clock() + timedelta(seconds=life_s)).timestamp())

    def left_s(self, grant: UploadGrant) -> float:
        """Return for how long the grant is still good."""
        return grant.exp - self._clock().timestamp()

    def sign(self, grant: UploadGrant | DownloadGrant) -> str:
        """Return the grant as text that is safe in a path."""
        audience = UPLOAD if isinstance(grant, UploadGrant) else DOWNLOAD
        return jwt.encode({"aud": audience} | msgspec.structs.asdict(grant), self._key, algorithm="HS256")

    def upload(self, token: str) -> UploadGrant:
        """Return the grant. Raises `Refused` with FORBIDDEN when it is not ours or has expired."""
        return msgspec.convert(self._read(token, UPLOAD), UploadGrant)

    def download(self, token: str) -> DownloadGrant:
        """Return the grant. Raises `Refused` with FORBIDDEN when it is not ours or has expired."""
        return msgspec.convert(self._read(token, DOWNLOAD), DownloadGrant)

    def _read(self, token: str, audience: str) -> dict[str, object]:
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=audience,
                options={"require": ["exp", "sub", "aud"], "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            raise Refused(Reason.FORBIDDEN) from error
        if self._clock().timestamp() >= int(str(claims["exp"])):
            raise Refused(Reason.FORBIDDEN)
        return claims
