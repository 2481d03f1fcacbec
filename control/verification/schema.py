"""What the routes of new passwords take, as JSON; and the job of writing to who asks for one."""

from typing import Annotated

from msgspec import Meta, Struct

from control.accounts.schema import Email, NewPassword
from control.jobs.schema import Job


class ForgottenPassword(Struct, frozen=True):
    """Whose password is forgotten."""

    email: Email


class PasswordReset(Struct, frozen=True):
    """A new password, and the token of the link to set it by: what follows the `#`."""

    token: Annotated[str, Meta(max_length=1000)]
    password: NewPassword


class WriteReset(Job, frozen=True, kw_only=True, tag="verification.write-reset.v1"):
    """A letter to write, if the address is an account's. `base` is where people reach this server."""

    email: str
    base: str
