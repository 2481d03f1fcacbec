"""Composition of the work that is done after the answer: who does which jobs, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

from control.archives.schema import ArchiveChat
from control.clock import Clock
from control.database import Database
from control.ground import Ground
from control.invitations.schema import Notice
from control.jobs.attempts import Attempts, Handlers
from control.jobs.broker import Broker
from control.jobs.consumer import Consumer
from control.jobs.embedded import Embedded
from control.jobs.publisher import Publisher
from control.jobs.service import Jobs
from control.jobs.upkeep import EVERY_S, Upkeep
from control.loop import Loop, Repeated
from control.mail.files import FileMailer
from control.mail.message import parsed_sender
from control.mail.port import Mailer
from control.mail.schema import SendMail
from control.mail.service import Mail
from control.mail.smtp import SmtpMailer, parsed_server
from control.meetings.timers import EndEmpty
from control.metrics import Metrics
from control.settings import Settings
from control.verification.schema import WriteReset
from control.webhooks.delivery import Deliveries
from control.webhooks.schema import Announce, Deliver

NOBODY = "parley@localhost"
"""Whom messages are from that only lie in a folder."""


def handlers(ground: Ground) -> Handlers:
    """Return who does which kind of job."""
    settings, clock, jobs = ground.settings, ground.clock, ground.outbox.jobs
    deliveries = Deliveries(ground.shards.first, jobs, settings, clock, ground.secrets.session)
    return {
        SendMail: mailing(settings, clock).send,
        Notice: ground.agenda.notices.write,
        WriteReset: ground.recovery.write,
        EndEmpty: ground.agenda.closing.end_empty,
        ArchiveChat: ground.files.archives.make,
        Announce: deliveries.announce,
        Deliver: deliveries.deliver,
    }


def mailing(settings: Settings, clock: Clock) -> Mail:
    """Return who sends mail."""
    return Mail(_mailer(settings), parsed_sender(settings.mail_from or NOBODY), clock)


def _mailer(settings: Settings) -> Mailer:
    """Return the mail server that is set, else the folder of outgoing messages."""
    if settings.smtp_url is None:
        return FileMailer(settings.data / "mail", settings.limits.mail_files)
    server = parsed_server(settings.smtp_url, settings.smtp_starttls)
    return SmtpMailer(server, settings.smtp_timeout_s)


@dataclass(frozen=True)
class Work:
    """The jobs of all databases, and what does them; all processes name the databases in the same order."""

    settings: Settings
    databases: Sequence[Database]
    jobs: Jobs
    handlers: Handlers
    clock: Clock
    metrics: Metrics

    def in_control(self) -> list[Loop]:
        """Return what a control process does: all of it, or, with RabbitMQ, the publishing."""
        url, settings = self.settings.amqp_url, self.settings.jobs
        if url is not None:
            return [self._publisher(url), self._upkeep()]
        return [Embedded(self.databases, self.jobs, self._attempts(), settings, self.clock), self._upkeep()]

    def in_worker(self, amqp_url: str) -> list[Loop]:
        """Return what a worker does."""
        broker = Broker(amqp_url, "consume", self.metrics)
        settings = self.settings.jobs
        consumer = Consumer(self.databases, self._attempts(), broker, settings, self.clock, self.metrics)
        return [consumer, self._publisher(amqp_url), self._upkeep()]

    def _publisher(self, amqp_url: str) -> Publisher:
        broker = Broker(amqp_url, "publish", self.metrics)
        return Publisher(self.databases, self.jobs, broker, self.settings.jobs, self.clock, self.metrics)

    def _attempts(self) -> Attempts:
        return Attempts(self.handlers, self.settings.jobs, self.clock, self.metrics)

    def _upkeep(self) -> Loop:
        upkeep = Upkeep(self.databases, self.settings.jobs, self.clock, self.metrics)
        return Repeated(upkeep.look, EVERY_S, "jobs could not be counted")
