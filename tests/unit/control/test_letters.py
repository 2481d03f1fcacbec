"""What is written to accounts: letters that can be sent, each with one link, which leads to the server."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address

import msgspec
import pytest
from yarl import URL

from control.mail.message import compose
from control.mail.schema import SendMail
from control.verification.letters import reset_password, verify_address
from control.verification.links import Link

LINK = Link("aa.bb-c.d_d", datetime(2031, 5, 4, 9, 5, tzinfo=UTC))
SENDER = Address(username="parley", domain="example.org")


@pytest.mark.parametrize("base", ["https://meet.example.org", "http://[2001:db8::1]:8080"])
@pytest.mark.parametrize("to", ["bo@example.org", '"bo@example.org', "bö@example.org", "b" * 250 + "@c.d"])
@pytest.mark.parametrize(
    ("letter", "path", "fragment"),
    [(verify_address, f"/verify/{LINK.token}", ""), (reset_password, "/new-password", LINK.token)],
)
def test_a_letter_has_one_link_to_the_server(
    letter: Callable[[str, Link, str], SendMail], path: str, fragment: str, to: str, base: str
) -> None:
    mail = letter(to, LINK, base)
    assert msgspec.json.decode(msgspec.json.encode(mail), type=SendMail) == mail
    message = compose(mail, sender=SENDER, job_id="0" * 32, at=LINK.expires_at)
    assert message.as_bytes()
    home, link = (URL(word) for word in mail.text.split() if "://" in word)
    assert (home, link.origin(), link.path, link.fragment) == (URL(base), URL(base), path, fragment)
    assert "until Sunday, 4 May 2031, 09:05 UTC." in mail.text
