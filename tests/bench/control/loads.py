"""What is asked of a system: people join as fast as they can, and some talk while others listen."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from tests.bench.control.systems import System

PASSWORD = "correct horse battery"
ATONCE = 16
"""So many ask at a time, each as soon as it was answered."""
MEETINGS = 8
AUTHORS = 4
DRAIN_S = 20.0


@dataclass(frozen=True)
class Measured:
    """How often something was done in a second, and how long it took, in ms."""

    per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class _Meeting:
    code: str
    host: str


async def joins(system: System, seconds: float) -> Measured:
    """Guests join some meetings; each is measured from the request to the ticket."""
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(system.origin, connector=connections, cookie_jar=_no_cookies()) as http:
        meetings = [await _meeting(http) for _ in range(MEETINGS)]

        async def join(number: int) -> None:
            await _call(http, f"/api/meetings/{meetings[number % MEETINGS].code}/join", {"name": "Gus"})

        return await _repeated(join, seconds)


async def chat(system: System, seconds: float, listeners: int) -> Measured:
    """Members talk while `listeners` listen at all replicas; measured from the request to each one's ear.

    Raises `AssertionError` when one of them misses a message, or hears one twice or out of order.
    """
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, cookie_jar=_no_cookies()) as http:
        meeting = await _meeting(http, system.origin)
        path = f"/api/meetings/{meeting.code}"
        headers = {"Authorization": f"Bearer {meeting.host}"}
        limits = [system.replicas[number % len(system.replicas)] for number in range(listeners)]
        said_s: dict[str, float] = {}
        heard: dict[int, list[str]] = defaultdict(list)
        took_s: list[float] = []
        # One member may have a few sockets: each listener is a guest of its own.
        guests = [await _call(http, f"{system.origin}{path}/join", {"name": "Gus"}) for _ in limits]

        async def listen(number: int) -> None:
            theirs = {"Authorization": f"Bearer {guests[number]['access_token']}"}
            async with http.ws_connect(f"{limits[number]}{path}/events", headers=theirs) as socket:
                async for frame in socket:
                    event = frame.json()
                    if event["type"] == "ready":
                        ready.release()
                    if event["type"] == "message":
                        text = event["message"]["text"]
                        took_s.append(time.perf_counter() - said_s[text])
                        heard[number].append(text)
                        arrived.release()

        async def say(number: int) -> None:
            text = f"m{number}"
            said_s[text] = time.perf_counter()
            body = {"text": text, "client_id": text}
            await _call(http, f"{system.origin}{path}/messages", body, headers)

        ready, arrived = asyncio.Semaphore(0), asyncio.Semaphore(0)
        ears = [asyncio.create_task(listen(number)) for number in range(listeners)]
        for _ in ears:
            await ready.acquire()
        posted = await _repeated(say, seconds, AUTHORS)
        async with asyncio.timeout(DRAIN_S):
            for _ in range(len(said_s) * listeners):
                await arrived.acquire()
        for ear in ears:
            ear.cancel()
        await asyncio.gather(*ears, return_exceptions=True)
    orders = {tuple(texts) for texts in heard.values()}
    assert len(heard) == listeners and len(orders) == 1, "listeners heard different things"
    assert sorted(orders.pop()) == sorted(said_s), "something was lost or doubled"
    return Measured(posted.per_s, *_percentiles_ms(took_s))


async def _repeated(act: Callable[[int], Awaitable[None]], seconds: float, at_once: int = ATONCE) -> Measured:
    """Have `act` done by so many, each again and again for so long."""
    took_s: list[float] = []
    began_s = time.perf_counter()

    async def go_on() -> None:
        while time.perf_counter() - began_s < seconds:
            number = next(numbers)
            at_s = time.perf_counter()
            await act(number)
            took_s.append(time.perf_counter() - at_s)

    numbers = iter(range(10**9))
    await asyncio.gather(*(go_on() for _ in range(at_once)))
    return Measured(len(took_s) / (time.perf_counter() - began_s), *_percentiles_ms(took_s))


def _percentiles_ms(took_s: list[float]) -> tuple[float, float]:
    ordered = sorted(took_s)
    return 1e3 * ordered[len(ordered) // 2], 1e3 * ordered[len(ordered) * 99 // 100]


async def _meeting(http: aiohttp.ClientSession, origin: str = "") -> _Meeting:
    person = {"email": f"{uuid4().hex}@example.org", "name": "Ann", "password": PASSWORD}
    host = (await _call(http, f"{origin}/api/accounts", person))["access_token"]
    headers = {"Authorization": f"Bearer {host}"}
    made = await _call(http, f"{origin}/api/meetings", {"title": "Weekly"}, headers)
    return _Meeting(made["code"], host)


async def _call(
    http: aiohttp.ClientSession, url: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> Any:
    async with http.post(url, json=body, headers=headers) as response:
        assert response.ok, await response.text()
        return await response.json()


def _no_cookies() -> aiohttp.DummyCookieJar:
    return aiohttp.DummyCookieJar()
