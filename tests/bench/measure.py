"""One run: start a server, fill the room, let it settle, then take the difference over a window.

The figure is the processor time of the server process, user and system, over the packets all receivers
got. Loss is a difference over the window too, or gaps from joining would count. A run fails when packets
are missing, when the count is not what was sent times the receivers, or when the generator was late: then
the figure says nothing. Arrivals bear the kernel's time: were the generator's lateness in what it feeds
back, the node would take it for congestion.
"""

import asyncio
import contextlib
import dataclasses
import gc
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.scenario import Scenario
from tests.bench.subject import Population, Subject, SubjectFailed
from tests.load.light.pump import Pump
from tests.load.light.reader import StampingReader
from tests.load.participant import BotFailed

MAX_LAG_S = 0.05
_FLOWING_S = 40.0
_POLL_S = 0.25
_AFTER_COLLECTION_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One figure, or why there is none. Times in seconds, of the window; `us` is µs for each packet."""

    scenario: str
    subject: str
    us: float
    packets: int
    expected: int
    lost: int
    harmed: int
    window_s: float
    server_cpu_s: float
    generator_cpu_s: float
    generator_lag_s: float
    failure: str = ""


@dataclass(frozen=True)
class _Reading:
    at: float
    cpu_s: float
    own_cpu_s: float
    sent: int
    received: int
    gone: int


async def measure(subject: Subject, scenario: Scenario, *, settle_s: float, window_s: float) -> Run:
    """Return the figure of one run."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with Pump(StampingReader()) as pump:
            try:
                await subject.start(Path(folder))
                population = await subject.populate(scenario, pump)
                await _settled(population, scenario, settle_s)
                return await _window(subject, scenario, population, pump, window_s)
            except (SubjectFailed, BotFailed, TimeoutError) as error:
                return _failed(subject, scenario, f"{type(error).__name__}: {error}")
            finally:
                await subject.stop()


async def _settled(population: Population, scenario: Scenario, settle_s: float) -> None:
    """Wait until every stream has reached every receiver for `settle_s` without a pause.

    A node that estimates bandwidth begins low.
    """
    streams = scenario.deliveries if population.streams else 0
    began = since = time.monotonic()
    while time.monotonic() - since < settle_s:
        await asyncio.sleep(_POLL_S)
        flowing = population.flowing()
        if flowing < streams:
            since = time.monotonic()
            if since - began > _FLOWING_S:
                raise SubjectFailed(f"only {flowing} of {streams} streams arrive")


async def _window(
    subject: Subject, scenario: Scenario, population: Population, pump: Pump, window_s: float
) -> Run:
    with no_garbage_collection():
        await asyncio.sleep(_AFTER_COLLECTION_S)
        pump.worst_lag_s = 0.0
        pump.poll()
        before = _read(subject, population)
        await asyncio.sleep(window_s)
        pump.poll()
        after = _read(subject, population)
    elapsed, packets = after.at - before.at, after.received - before.received
    if population.streams:
        expected = (after.sent - before.sent) * scenario.deliveries // scenario.participants
    else:
        expected = round(elapsed * scenario.packets_per_s * scenario.deliveries)
    cpu_s = after.cpu_s - before.cpu_s
    run = Run(
        scenario=scenario.name,
        subject=subject.name,
        us=cpu_s / packets * 1e6 if packets else 0.0,
        packets=packets,
        expected=expected,
        lost=after.gone - before.gone,
        harmed=population.harmed(),
        window_s=elapsed,
        server_cpu_s=cpu_s,
        generator_cpu_s=after.own_cpu_s - before.own_cpu_s,
        generator_lag_s=pump.worst_lag_s,
    )
    return _judged(run, scenario)


def _judged(run: Run, scenario: Scenario) -> Run:
    # What is under way at the edges of the window: a server may be as late as the generator may.
    tolerance = (MAX_LAG_S * scenario.packets_per_s + 1) * scenario.deliveries
    failure = ""
    if run.harmed:
        failure = f"{run.harmed} packets were not as sent"
    elif run.lost:
        failure = f"{run.lost} packets lost"
    elif abs(run.packets - run.expected) > tolerance:
        failure = f"{run.packets} packets received where {run.expected} were expected"
    elif run.generator_lag_s > MAX_LAG_S:
        failure = f"the generator was {run.generator_lag_s * 1000:.0f} ms late"
    return dataclasses.replace(run, failure=failure)


def _failed(subject: Subject, scenario: Scenario, failure: str) -> Run:
    return Run(
        scenario=scenario.name,
        subject=subject.name,
        us=0.0,
        packets=0,
        expected=0,
        lost=0,
        harmed=0,
        window_s=0.0,
        server_cpu_s=0.0,
        generator_cpu_s=0.0,
        generator_lag_s=0.0,
        failure=failure,
    )


def _read(subject: Subject, population: Population) -> _Reading:
    return _Reading(
        at=time.monotonic(),
        cpu_s=subject.server.cpu_s(),
        own_cpu_s=time.process_time(),
        sent=population.sent(),
        received=population.received(),
        gone=population.gone(),
    )


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector from making the generator late."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
