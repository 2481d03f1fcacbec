"""What a peer costs the node in memory, and how long one waits from joining to the first media."""

import asyncio
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.parley import Parley
from tests.bench.scenario import VIDEO
from tests.load.light.bot import LightBot, Shape, watch
from tests.load.light.dtls import Profile
from tests.load.light.pump import Pump
from tests.load.outcome import quantile
from tests.load.process import Memory

_SETTLE_S = 1.0
_BETWEEN_S = 1.0
"""Between joins, or one profits from the key frame of the one before, or waits for the throttle."""
_POLL_S = 0.01
_FIRST_MEDIA_S = 10.0
_PAGE = Shape(microphone=lambda _now: 40, data=True)
"""What a page offers: microphone, camera in three layers, twelve slots, data channels."""


@dataclass(frozen=True)
class PeerMemory:
    """Bytes for each peer after the first, as resident and as unshared memory grew."""

    peers: int
    sending: bool
    rss: int
    uss: int


@dataclass(frozen=True)
class JoinTime:
    """Milliseconds from opening the WebSocket: until media could flow, and until the first packet came."""

    joins: int
    connected_p50_ms: float
    connected_p95_ms: float
    first_media_p50_ms: float
    first_media_p95_ms: float


async def measure_memory(profile: Profile, peers: int, *, sending: bool, settle_s: float) -> PeerMemory:
    """Let in one peer, then `peers` more; nobody views, so that a peer's own cost is seen.

    A peer that sends fills the node's histories of its layers, which takes a few seconds.
    """
    subject = Parley(profile, reception_of=watch)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with Pump() as pump:
            try:
                await subject.start(Path(folder))
                await subject.enter(_PAGE, pump, send_after_s=math.inf)
                await asyncio.sleep(settle_s)
                before = subject.server.memory()
                for _ in range(peers):
                    await subject.enter(_PAGE, pump, send_after_s=0.0 if sending else math.inf)
                await asyncio.sleep(2 * settle_s if sending else settle_s)
                return _grown(before, subject.server.memory(), peers, sending=sending)
            finally:
                await subject.stop()


def _grown(before: Memory, after: Memory, peers: int, *, sending: bool) -> PeerMemory:
    rss, uss = (after.rss - before.rss) // peers, (after.uss - before.uss) // peers
    return PeerMemory(peers=peers, sending=sending, rss=rss, uss=uss)


async def measure_joins(profile: Profile, joins: int) -> JoinTime:
    """Let viewers into a room with one publisher, one after the other."""
    connected, first_media = [], []
    subject = Parley(profile, reception_of=watch)
    viewer = Shape(camera=(), video_slots=9, audio_slots=3)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with Pump() as pump:
            try:
                await subject.start(Path(folder))
                await subject.enter(Shape(camera=(VIDEO,), video_slots=0, audio_slots=0), pump)
                await asyncio.sleep(_SETTLE_S)
                with pump.prompt():
                    for _ in range(joins):
                        began = time.monotonic()
                        bot = await subject.enter(viewer, pump)
                        connected.append(time.monotonic() - began)
                        first_media.append(await _first_media(bot) - began)
                        await asyncio.sleep(_BETWEEN_S)
            finally:
                await subject.stop()
    connected.sort()
    first_media.sort()
    return JoinTime(
        joins=joins,
        connected_p50_ms=quantile(connected, 0.5) * 1000,
        connected_p95_ms=quantile(connected, 0.95) * 1000,
        first_media_p50_ms=quantile(first_media, 0.5) * 1000,
        first_media_p95_ms=quantile(first_media, 0.95) * 1000,
    )


async def _first_media(bot: LightBot) -> float:
    """Return when the first packet came to any slot."""
    deadline = time.monotonic() + _FIRST_MEDIA_S
    while time.monotonic() < deadline:
        arrivals = [slot.first_at for slot in bot.slots.values() if slot.first_at is not None]
        if arrivals:
            return min(arrivals)
        await asyncio.sleep(_POLL_S)
    return math.inf
