"""What everything stands on: the parts that the settings choose, made once at the start."""

from dataclasses import dataclass

from control.accounts.passwords import Passwords
from control.clock import Clock
from control.database import Database
from control.events.fanout import Fanout
from control.events.relay import Relay
from control.events.service import Events
from control.files import Files
from control.jobs.service import Jobs
from control.keys import Secrets, ensure_secrets, load_secrets
from control.metrics import Metrics
from control.nodes.commands import Commands
from control.settings import Settings
from control.shards.shards import Shards
from control.webhooks.service import Webhooks
from control.webhooks.subscribers import Subscribers


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
    jobs: Jobs
    subscribers: Subscribers
    webhooks: Webhooks
    passwords: Passwords
    files: Files
    events: Events
    commands: Commands


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
    announce = (relay or fanout).announce
    return Ground(
        settings=settings,
        clock=clock,
        secrets=secrets,
        metrics=metrics,
        shards=shards,
        fanout=fanout,
        relay=relay,
        jobs=jobs,
        subscribers=subscribers,
        webhooks=webhooks,
        passwords=Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue),
        files=Files(settings, clock, secrets, metrics),
        events=Events(shards, fanout, announce, webhooks.follow, limits.event_history),
        commands=Commands(clock),
    )


def shards_of(settings: Settings) -> Shards:
    """Return the databases."""
    limits = {"readers": settings.database_readers, "writers": settings.database_writers}
    return Shards([Database(url, replica=replica, **limits) for url, replica in settings.databases])
