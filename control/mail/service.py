"""Doing the job of sending a mail."""

from email.headerregistry import Address

from control.clock import Clock
from control.jobs.attempts import Attempt, PermanentFailure
from control.mail.message import compose
from control.mail.port import Mailer
from control.mail.schema import SendMail


class Mail:
    """Sends mails from `sender`."""

    def __init__(self, mailer: Mailer, sender: Address, clock: Clock) -> None:
        self._mailer = mailer
        self._sender = sender
        self._clock = clock

    async def send(self, attempt: Attempt, mail: SendMail) -> None:
        """Hand the message over. Raises `PermanentFailure` or `TemporaryFailure`."""
        try:
            message = compose(mail, sender=self._sender, job_id=attempt.job_id, at=self._clock())
        except ValueError as error:
            raise PermanentFailure(f"no message can be made of it: {error}") from error
        await self._mailer.hand_over(message)
