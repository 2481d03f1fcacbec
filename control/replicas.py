"""Composition of what replicas of control do together: over Redis if that is set, else each by itself."""

from dataclasses import dataclass

from control.clock import Clock
from control.credentials.service import Credentials
from control.events.announcing import Announcing
from control.events.fanout import Fanout
from control.events.service import Announce
from control.loop import Loop
from control.metrics import Metrics
from control.rates.local import LocalBuckets
from control.rates.port import MakeBuckets
from control.rates.shared import Levels, SharedBuckets
from control.relay import Relay
from control.settings import Settings
from control.shards.shards import Shards


@dataclass(frozen=True)
class Replicas:
    """Events for the listeners of all, credentials that end for all, limits for all; `loops` keep it up."""

    announce: Announce
    credentials: Credentials
    buckets: MakeBuckets
    loops: tuple[Loop, ...]


def replicas_of(
    settings: Settings, secret: bytes, clock: Clock, shards: Shards, fanout: Fanout, metrics: Metrics
) -> Replicas:
    """Return what is of all replicas, which have one `secret`: Redis may be open to others."""
    url, trust_s = settings.redis_url, settings.credential_trust_s
    if not url:
        credentials = Credentials(shards.first, clock, None, trust_s)
        return Replicas(
            announce=fanout.announce,
            credentials=credentials,
            buckets=lambda _name, rate: LocalBuckets(rate, clock),
            loops=(credentials.looking(),),
        )
    relay = Relay(url, secret, metrics)
    levels = Levels(url, secret, metrics)
    announcing = Announcing(relay, shards, fanout)
    credentials = Credentials(shards.first, clock, relay, trust_s)
    return Replicas(
        announce=announcing.announce,
        credentials=credentials,
        buckets=lambda name, rate: SharedBuckets(levels, name, rate, clock),
        loops=(credentials.looking(), announcing, relay, levels),
    )
