"""Sending messages by SMTP (RFC 5321), with TLS from the start or from STARTTLS on."""

import dataclasses
from email.message import EmailMessage

import aiosmtplib
from yarl import URL

from control.jobs.attempts import PermanentFailure, TemporaryFailure

SUBMISSION_PORT, SUBMISSIONS_PORT = 587, 465  # RFC 6409, RFC 8314
PERMANENT = 500
SAID_MAX = 300
_START_TLS = {"offered": None, "required": True, "never": False}


@dataclasses.dataclass(frozen=True)
class SmtpServer:
    """Where messages are submitted. `starttls` is `offered` (used if it is), `required` or `never`."""

    host: str
    port: int
    is_tls: bool
    starttls: str
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)

    def client(self, timeout_s: float) -> aiosmtplib.SMTP:
        """Return a client that connects, encrypts and signs in when it is entered."""
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.is_tls,
            start_tls=_START_TLS[self.starttls] if not self.is_tls else False,
            timeout=timeout_s,
        )


def parsed_server(text: str, starttls: str) -> SmtpServer:
    """Return the server of `smtp://user:password@host:port` or `smtps://…`. Raises ValueError."""
    url = URL(text)
    if url.scheme not in ("smtp", "smtps") or not url.host or url.path not in ("", "/"):
        raise ValueError("not an address of a mail server: smtp://user:password@host:587 or smtps://…")
    is_tls = url.scheme == "smtps"
    port = url.explicit_port or (SUBMISSIONS_PORT if is_tls else SUBMISSION_PORT)
    return SmtpServer(url.host, port, is_tls, starttls, url.user, url.password)


class SmtpMailer:
    """Hands messages to a server, each over a connection of its own."""

    def __init__(self, server: SmtpServer, timeout_s: float) -> None:
        self._server = server
        self._timeout_s = timeout_s

    async def hand_over(self, message: EmailMessage) -> None:
        """Send the message. Raises `PermanentFailure` if it will never be taken, else `TemporaryFailure`.

        That we could not sign in, or were not let in at all, is not the message's fault: it is tried again.
        """
        try:
            async with self._server.client(self._timeout_s) as client:
                await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            (refused,) = error.recipients
            raise _refusal(refused) from error
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _refusal(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            if isinstance(error, aiosmtplib.SMTPNotSupported) and not str(message["To"]).isascii():
                raise PermanentFailure("the mail server takes no such address (SMTPUTF8)") from error
            raise TemporaryFailure(f"the mail server could not be used: {error!r}") from error


def _refusal(error: aiosmtplib.SMTPResponseException) -> PermanentFailure | TemporaryFailure:
    said = f"the mail server said {error.code} {error.message[:SAID_MAX]}"
    return PermanentFailure(said) if error.code >= PERMANENT else TemporaryFailure(said)
