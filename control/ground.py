"""What everything stands on: the parts that the settings choose, made once at the start."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from control.accounts.passwords import Passwords
from control.agenda import Agenda, Mailing, agenda
from control.chat.service import Chat
from control.clock import Clock
from control.database import Database
from control.events.fanout import Fanout
from control.events.service import Events
from control.files import Files
from control.invitations.tokens import MailTokens
from control.jobs.service import Jobs
from control.keys import Secrets, ensure_secrets, load_secrets
from control.loop import Loop, Repeated, running
from control.metrics import Metrics
from control.nodes.commands import Commands
from control.outbox import Outbox
from control.replicas import Replicas, replicas_of
from control.settings import Settings
from control.shards.shards import Shards
from control.verification.links import Links, Purpose
from control.verification.recovery import Recovery
from control.verification.service import Verification
from control.webhooks.service import Webhooks
from control.webhooks.subscribers import REFRESH_S, Subscribers


@dataclass(frozen=True)
class Ground:
    """The parts."""

    settings: Settings
    clock: Clock
    secrets: Secrets
    metrics: Metrics
    shards: Shards
    fanout: Fanout
    replicas: Replicas
    subscribers: Subscribers
    passwords: Passwords
    files: Files
    outbox: Outbox
    chat: Chat
    agenda: Agenda
    verification: Verification
    recovery: Recovery

    def _loops(self) -> list[Loop]:
        """Return what the parts do in the background."""
        refreshing = Repeated(self.subscribers.refresh, REFRESH_S, "who has webhooks could not be looked up")
        return [refreshing, *self.replicas.loops]

    @asynccontextmanager
    async def in_use(self, loops: Iterable[Loop]) -> AsyncIterator[None]:
        """Make the parts ready; inside the block, do what goes on in the background. Raises `Unreachable`."""
        try:
            await self.shards.prepare(self.settings.database_wait_s)
            await self.files.objects.prepare(self.settings.s3_wait_s)
            await self.subscribers.refresh()
            async with running([*loops, *self._loops()]):
                yield
        finally:
            self.passwords.close()
            await self.files.objects.close()
            await self.shards.close()


def ground_of(settings: Settings, clock: Clock) -> Ground:
    """Return the parts. Secrets that are missing are made; nothing is connected yet."""
    ensure_secrets(settings.data)
    secrets = load_secrets(settings.data)
    limits, metrics, shards = settings.limits, Metrics(), shards_of(settings)
    fanout = Fanout(limits.event_outbox)
    replicas = replicas_of(settings, secrets.cluster, clock, shards, fanout, metrics)
    jobs, subscribers = Jobs(clock), Subscribers(shards.first)
    webhooks = Webhooks(jobs, subscribers, clock, limits.webhooks_each)
    events = Events(shards, fanout, replicas.announce, webhooks.follow, limits.event_history)
    files = Files(settings, clock, secrets, metrics, events)
    outbox = Outbox(events, Commands(clock), jobs, webhooks)
    chat = Chat(clock, events, files.attachments)
    mails = replicas.buckets("invite", settings.rates.invite_per_host)
    mailing = Mailing(MailTokens(secrets.session), mails)
    lives_s = {Purpose.VERIFY: settings.verify_link_s, Purpose.RESET: settings.reset_link_s}
    links = Links(secrets.session, clock, lives_s)
    return Ground(
        settings=settings,
        clock=clock,
        secrets=secrets,
        metrics=metrics,
        shards=shards,
        fanout=fanout,
        replicas=replicas,
        subscribers=subscribers,
        passwords=Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue),
        files=files,
        outbox=outbox,
        chat=chat,
        agenda=agenda(settings, clock, mailing, shards, outbox, chat),
        verification=Verification(clock, jobs, links, required=settings.must_verify_email),
        recovery=Recovery(clock, jobs, links, replicas.credentials.end),
    )


def shards_of(settings: Settings) -> Shards:
    """Return the databases."""
    limits = {"readers": settings.database_readers, "writers": settings.database_writers}
    return Shards([Database(url, replica=replica, **limits) for url, replica in settings.databases])
