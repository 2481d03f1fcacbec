"""What the accounts' routes take and give, as JSON."""

from typing import Annotated

from msgspec import Meta, Struct

from control.accounts.passwords import CHARACTERS_MIN
from control.accounts.store import Account
from control.verification.service import Verification

Email = Annotated[str, Meta(max_length=254, pattern=r"^\s*[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\s*$")]
PersonName = Annotated[str, Meta(min_length=1, max_length=80)]
Password = Annotated[str, Meta(max_length=256)]
NewPassword = Annotated[str, Meta(min_length=CHARACTERS_MIN, max_length=256)]
RefreshToken = Annotated[str, Meta(max_length=128)]


class Registration(Struct, frozen=True):
    """A new account."""

    email: Email
    name: PersonName
    password: NewPassword


class Credentials(Struct, frozen=True):
    """What one signs in with."""

    email: Email
    password: Password


class Renewal(Struct, frozen=True):
    """A refresh token, unless the cookie holds it."""

    refresh_token: RefreshToken | None = None


class ResumeQuery(Struct, frozen=True):
    """Where a browser goes from here."""

    next: Annotated[str, Meta(description="A path on this server.")] = "/"


class User(Struct, frozen=True):
    """An account, as its owner sees it."""

    id: str
    email: str
    name: str
    email_verified: bool

    @classmethod
    def of(cls, account: Account, verification: Verification) -> "User":
        """Return the account's own view."""
        return cls(account.id, account.email, account.name, verification.is_verified(account))


class SignedIn(Struct, frozen=True):
    """The tokens of a signed-in device. `expires_in` is the access token's life in seconds."""

    user: User
    access_token: str
    refresh_token: str
    expires_in: int
