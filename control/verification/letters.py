"""What is written to accounts. It may reach strangers, so nobody else has a say in what it says."""

from yarl import URL

from control.mail.schema import SendMail
from control.verification.links import Link


def verify_address(to: str, link: Link, base: str) -> SendMail:
    """Return the letter to verify the address by, on the server at `base`."""
    url = URL(base) / "verify" / link.token
    return SendMail(
        to=to,
        subject="Confirm your e-mail address",
        text=_letter(
            f"somebody, probably you, made an account with this address at\n{base}",
            f"If it was you, open this link and confirm that the address is yours:\n{url}",
            f"The link is good until {_moment(link)}.",
            "If it was not you, do nothing. What this address is invited to is not shown to the account.",
        ),
    )


def reset_password(to: str, link: Link, base: str) -> SendMail:
    """Return the letter to set a new password by, on the server at `base`."""
    # After the #, the token is in no log of a proxy.
    url = (URL(base) / "new-password").with_fragment(link.token)
    return SendMail(
        to=to,
        subject="Set a new password",
        text=_letter(
            f"somebody, probably you, has forgotten the password of your account at\n{base}",
            f"If it was you, open this link and set a new one:\n{url}",
            f"The link is good once, until {_moment(link)}.",
            "If it was not you, do nothing: your password stays as it is.",
        ),
    )


def _letter(*paragraphs: str) -> str:
    return "\n\n".join(("Hello,", *paragraphs)) + "\n"


def _moment(link: Link) -> str:
    at = link.expires_at
    return f"{at:%A}, {at.day} {at:%B %Y}, {at:%H:%M %Z}"
