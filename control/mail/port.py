"""The port through which messages leave."""

from email.message import EmailMessage
from typing import Protocol


class Mailer(Protocol):
    """Where messages are handed over."""

    async def hand_over(self, message: EmailMessage) -> None:
        """Hand the message over. Raises `PermanentFailure` or `TemporaryFailure`."""
