"""What everything stands on: the parts that the settings choose, made once at the start."""

from dataclasses import dataclass
from typing import Protocol

from control.accounts.passwords import Passwords
from control.agenda import Agenda, agenda
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
    subscribers: Subscribers
    passwords: Passwords
    files: Files
    outbox: Outbox
    chat: Chat
    agenda: Agenda

    def loops(self) -> list[Loop]:
        """Return what the parts do in the background."""
        return [self.subscribers] if self.relay is None else [self.subscribers, self.relay]

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
    secrets, relay = load_secrets(settings.data), None
    limits, metrics, shards = settings.limits, Metrics(), shards_of(settings)
    fanout = Fanout(limits.event_outbox)
    if settings.redis_url:
        relay = Relay(settings.redis_url, secrets.cluster, shards, fanout, metrics)
    jobs, subscribers = Jobs(clock), Subscribers(shards.first)
    webhooks = Webhooks(jobs, subscribers, clock, limits.webhooks_each)
    announce, files = (relay or fanout).announce, Files(settings, clock, secrets, metrics)
    events = Events(shards, fanout, announce, webhooks.follow, limits.event_history)
    outbox = Outbox(events, Commands(clock), jobs, webhooks)
    chat = Chat(clock, events, files.attachments)
    return Ground(
        settings=settings,
        clock=clock,
        secrets=secrets,
        metrics=metrics,
        shards=shards,
        fanout=fanout,
        relay=relay,
        subscribers=subscribers,
        passwords=Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue),
        files=files,
        outbox=outbox,
        chat=chat,
        agenda=agenda(settings, clock, MailTokens(secrets.session), shards, outbox, chat),
    )


def shards_of(settings: Settings) -> Shards:
    """Return the databases."""
    limits = {"readers": settings.database_readers, "writers": settings.database_writers}
    return Shards([Database(url, replica=replica, **limits) for url, replica in settings.databases])
