"""A mail server of the tests' own, in their process; it keeps what it accepts, and refuses as it is told."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "parley", "hush"
OK = "250 OK"


@dataclass
class Received:
    """A message and its envelope."""

    sender: str | None
    recipients: list[str]
    is_encrypted: bool
    message: EmailMessage


@dataclass
class MailServer:
    """What the server took, and what it says to each sender, recipient and message."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    to_sender: str = OK
    to_recipient: str = OK
    to_message: str = OK

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.to_sender == OK:
            envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.to_recipient == OK:
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage) and server.transport is not None
        is_encrypted = server.transport.get_extra_info("sslcontext") is not None
        if self.to_message == OK:
            self.received.append(Received(envelope.mail_from, envelope.rcpt_tos, is_encrypted, message))
        return self.to_message


@asynccontextmanager
async def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, asks_who: bool = False
) -> AsyncIterator[MailServer]:
    """Run a server, with TLS at once, offered or not at all; `asks_who` has all clients sign in."""
    made = MailServer()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library would rather have passwords only with STARTTLS
            return SMTP(
                made,
                hostname="localhost",
                tls_context=starttls,
                authenticator=_authenticate,
                auth_required=asks_who,
                auth_require_tls=not asks_who,
                enable_SMTPUTF8=False,
            )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(
        success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False
    )
