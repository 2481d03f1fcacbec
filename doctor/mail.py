"""The mail server: whether control could submit messages to it."""

import aiosmtplib

from control.mail.message import parsed_sender
from control.mail.smtp import SmtpServer, parsed_server
from control.settings import Settings
from doctor.causes import Cause, failure, network_causes
from doctor.finding import Verdict, ok, unset, warning

SETTING = "PARLEY_SMTP_URL"

_SMTP = (
    Cause(
        r"STARTTLS extension not supported",
        "it does not offer to encrypt (STARTTLS)",
        f"Have it offer STARTTLS, or use the port where TLS comes first ({SETTING}=smtps://…); in a network "
        "you trust PARLEY_SMTP_STARTTLS=offered does without.",
    ),
    Cause(
        r"SMTPSenderRefused",
        "it does not let us send from PARLEY_MAIL_FROM",
        f"Correct that address, or let the user of {SETTING} send from it.",
    ),
    Cause(
        r"AUTH extension is not supported|No suitable authentication method",
        "it takes no password, or not over this connection",
        f"Let it offer AUTH once the connection is encrypted, or leave user and password out of {SETTING}.",
    ),
    Cause(
        r"SMTPAuthenticationError",
        "it refuses user or password",
        f"Correct both in {SETTING}; what stands for itself in an address is escaped there (@ as %40).",
    ),
    Cause(
        r"SMTPConnectResponseError|SMTPHeloError",
        "it lets nobody in from this machine",
        "Allow this machine's address in its configuration, or look at its log.",
    ),
    Cause(
        r"SMTPServerDisconnected|SMTPConnectTimeoutError|SMTPReadTimeoutError",
        "it says nothing, as servers do where TLS comes first",
        f"Write smtps:// in {SETTING} if that port is one for TLS (465), else look at firewalls on the way.",
    ),
    *network_causes("the mail server", SETTING),
)


async def mail(settings: Settings) -> Verdict:
    """Look whether the mail server lets us in, and takes messages from our address; nothing is sent."""
    if settings.smtp_url is None or settings.mail_from is None:
        return unset(f"each message is a file in {settings.data}/mail ({SETTING})")
    server = parsed_server(settings.smtp_url, settings.smtp_starttls)
    name = f"{'smtps' if server.is_tls else 'smtp'}://{server.host}:{server.port}"
    try:
        async with server.client(settings.smtp_timeout_s) as client:
            await client.mail(parsed_sender(settings.mail_from).addr_spec)
            await client.rset()
            is_encrypted = client.get_transport_info("sslcontext") is not None
    except (aiosmtplib.SMTPException, OSError) as error:
        return failure(name, f"{type(error).__name__} {error}", _SMTP, SETTING)
    return _answered(name, server, is_encrypted=is_encrypted)


def _answered(name: str, server: SmtpServer, *, is_encrypted: bool) -> Verdict:
    signed_in = f", and takes us as {server.username}" if server.username else ""
    if is_encrypted:
        return ok(f"{name} answers, encrypted{signed_in}")
    if server.password:
        return warning(
            f"{name} answers{signed_in}; the password goes there in the clear",
            "Have it offer STARTTLS, and set PARLEY_SMTP_STARTTLS=required.",
        )
    return ok(f"{name} answers, not encrypted")
