"""What the links in a mail show: to which address it went, and about which meeting.

JWTs (RFC 7519) under the session secret that never expire: also an old mail can be answered.
"""

from dataclasses import dataclass

import jwt
import msgspec

ISSUER = "parley-control"
AUDIENCE = "parley-mail"


@dataclass(frozen=True)
class Recipient:
    """Whoever reads the mail to `address` about the meeting."""

    address: str
    meeting: str


class _Claims(msgspec.Struct):
    sub: str
    meeting: str


class MailTokens:
    """Signs and reads the tokens."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, recipient: Recipient) -> str:
        """Return a token that stands for the recipient."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": recipient.address, "meeting": recipient.meeting}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def read(self, token: str) -> Recipient | None:
        """Return whom the token stands for, or None when it is not ours."""
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["sub", "aud"]},
            )
            claims = msgspec.convert(payload, _Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            return None
        return Recipient(claims.sub, claims.meeting)
