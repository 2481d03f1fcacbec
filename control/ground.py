"""What everything stands on: the parts that the settings choose, made once at the start."""

from dataclasses import dataclass
from typing import Protocol

from control.accounts.passwords import Passwords
from control.agenda import Agenda, Mailing, agenda
from control.chat.service import Chat
from control.clock import Clock
from control.database import Database
from control.events.fanout import Fanout
from control.events.relay import Relay
from control.events.service import Events
from control.files import Files
from control.invitations.tokens import MailTokens
from control.jobs.service import Jobs
from control.keys import Secrets, ensure_secrets, load_secrets
from control.metrics import Metrics
from control.nodes.commands import Commands
from control.outbox import Outbox
from control.rates.local import LocalBuckets
from control.rates.port import Buckets, MakeBuckets, Rate
from control.rates.shared import Levels, SharedBuckets
from control.settings import Settings
from control.shards.shards import Shards
from control.webhooks.service import Webhooks
from control.webhooks.subscribers import Subscribers


class Loop(Protocol):
    """Something that goes on in the background."""

    async def run(self) -> None:
        """Go on until stopped."""

    def stop(self) -> None:
        """Let `run` end after what it is doing."""


@dataclass(frozen=True)
class Ground:
    """The parts."""

    settings: Settings
    clock: Clock
    secrets: Secrets
    metrics: Metrics
    shards: Shards
    fanout: Fanout
    relay: Relay | None
    levels: Levels | None
    buckets: MakeBuckets
    subscribers: Subscribers
    passwords: Passwords
    files: Files
    outbox: Outbox
    chat: Chat
    agenda: Agenda

    def loops(self) -> list[Loop]:
        """Return what the parts do in the background."""
        return [loop for loop in (self.subscribers, self.relay, self.levels) if loop is not None]

    async def prepare(self) -> None:
        """Make the parts ready for use. Raises `Unreachable`."""
        await self.shards.prepare(self.settings.database_wait_s)
        await self.files.objects.prepare(self.settings.s3_wait_s)
        await self.subscribers.refresh()

    async def close(self) -> None:
        """Let go of the parts."""
        self.passwords.close()
        await self.files.objects.close()
        await self.shards.close()


def ground_of(settings: Settings, clock: Clock) -> Ground:
    """Return the parts. Secrets that are missing are made; nothing is connected yet."""
    ensure_secrets(settings.data)
    secrets, relay, levels = load_secrets(settings.data), None, None
    limits, metrics, shards = settings.limits, Metrics(), shards_of(settings)
    fanout = Fanout(limits.event_outbox)
    if settings.redis_url:
        relay = Relay(settings.redis_url, secrets.cluster, shards, fanout, metrics)
        levels = Levels(settings.redis_url, secrets.cluster, metrics)
    buckets = buckets_of(levels, clock)
    jobs, subscribers = Jobs(clock), Subscribers(shards.first)
    webhooks = Webhooks(jobs, subscribers, clock, limits.webhooks_each)
    announce, files = (relay or fanout).announce, Files(settings, clock, secrets, metrics)
    events = Events(shards, fanout, announce, webhooks.follow, limits.event_history)
    outbox = Outbox(events, Commands(clock), jobs, webhooks)
    chat = Chat(clock, events, files.attachments)
    mailing = Mailing(MailTokens(secrets.session), buckets("invite", settings.rates.invite_per_host))
    return Ground(
        settings=settings,
        clock=clock,
        secrets=secrets,
        metrics=metrics,
        shards=shards,
        fanout=fanout,
        relay=relay,
        levels=levels,
        buckets=buckets,
        subscribers=subscribers,
        passwords=Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue),
        files=files,
        outbox=outbox,
        chat=chat,
        agenda=agenda(settings, clock, mailing, shards, outbox, chat),
    )


def buckets_of(levels: Levels | None, clock: Clock) -> MakeBuckets:
    """Return what makes buckets: of this process, or in common with others where there are `levels`."""

    def make(name: str, rate: Rate) -> Buckets:
        return LocalBuckets(rate, clock) if levels is None else SharedBuckets(levels, name, rate, clock)

    return make


def shards_of(settings: Settings) -> Shards:
    """Return the databases."""
    limits = {"readers": settings.database_readers, "writers": settings.database_writers}
    return Shards([Database(url, replica=replica, **limits) for url, replica in settings.databases])
