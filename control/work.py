"""Composition of the work that is done after the answer: who does which jobs, and where."""

from collections.abc import Sequence
from typing import Protocol

from control.agenda import Agenda
from control.clock import Clock
from control.database import Database
from control.invitations.schema import Notice
from control.jobs.attempts import Attempts, Handlers
from control.jobs.embedded import Embedded
from control.jobs.service import Jobs
from control.jobs.upkeep import Upkeep
from control.mail.files import FileMailer
from control.mail.message import parsed_sender
from control.mail.port import Mailer
from control.mail.schema import SendMail
from control.mail.service import Mail
from control.mail.smtp import SmtpMailer, parsed_server
from control.meetings.timers import EndEmpty
from control.metrics import Metrics
from control.settings import Settings

NOBODY = "parley@localhost"
"""Whom messages are from that only lie in a folder."""


class Loop(Protocol):
    """Something that goes on in the background."""

    async def run(self) -> None:
        """Go on until stopped."""

    def stop(self) -> None:
        """Let `run` end after what it is doing."""


def handlers(settings: Settings, clock: Clock, agenda: Agenda) -> Handlers:
    """Return who does which kind of job."""
    return {
        SendMail: mailing(settings, clock).send,
        Notice: agenda.notices.write,
        EndEmpty: agenda.closing.end_empty,
    }


def mailing(settings: Settings, clock: Clock) -> Mail:
    """Return who sends mail."""
    return Mail(_mailer(settings), parsed_sender(settings.mail_from or NOBODY), clock)


def loops(
    settings: Settings,
    databases: Sequence[Database],
    jobs: Jobs,
    handlers: Handlers,
    clock: Clock,
    metrics: Metrics,
) -> list[Loop]:
    """Return what does the jobs of a control process."""
    attempts = Attempts(handlers, settings.jobs, clock, metrics)
    return [
        Embedded(databases, jobs, attempts, settings.jobs, clock),
        Upkeep(databases, settings.jobs, clock, metrics),
    ]


def _mailer(settings: Settings) -> Mailer:
    """Return the mail server that is set, else the folder of outgoing messages."""
    if settings.smtp_url is None:
        return FileMailer(settings.data / "mail", settings.limits.mail_files)
    server = parsed_server(settings.smtp_url, settings.smtp_starttls)
    return SmtpMailer(server, settings.smtp_timeout_s)
