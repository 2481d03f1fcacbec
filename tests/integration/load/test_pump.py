"""The pump on real sockets: what is sent arrives by either reader, what is due is called, a fault is loud."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from tests.bench.floor import LOOPS
from tests.load.light.pump import Pump
from tests.load.light.reader import BatchReader, Reader, StampingReader

DEADLINE_S = 20.0


class Inbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.arrivals: list[float] = []

    def received(self, datagram: memoryview, arrived: float) -> None:
        self.datagrams.append(bytes(datagram))
        self.arrivals.append(arrived)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - sockets are waited for
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("make", [BatchReader, StampingReader])
async def test_all_that_is_sent_arrives_in_order_and_in_time(make: Callable[[], Reader]) -> None:
    inbox, sent = Inbox(), [bytes((number,)) * (number + 1) for number in range(200)]
    async with Pump(make()) as pump:
        sock = pump.open(inbox, socket.AF_INET)
        sock.bind(("127.0.0.1", 0))
        before = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in sent:
                sender.sendto(datagram, sock.getsockname())
        await until(lambda: len(inbox.datagrams) == len(sent))
    assert inbox.datagrams == sent
    assert before - 0.01 <= min(inbox.arrivals) <= max(inbox.arrivals) <= time.monotonic() + 0.01


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_round_of_the_floor_reaches_every_receiver(loop: str) -> None:
    inboxes = [Inbox() for _ in range(5)]
    async with Pump() as pump:
        socks = [pump.open(inbox, socket.AF_INET) for inbox in inboxes]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            LOOPS[loop](sender, b"packet", [sock.getsockname() for sock in socks] * 2)()
        await until(lambda: all(len(inbox.datagrams) == 2 for inbox in inboxes))
    assert all(inbox.datagrams == [b"packet"] * 2 for inbox in inboxes)


async def test_what_is_due_is_called_until_it_says_no_or_is_cancelled() -> None:
    calls: list[str] = []

    def twice(now: float) -> float | None:
        calls.append("twice")
        return now if calls.count("twice") < 2 else None

    async with Pump() as pump:
        pump.call_at(0.0, twice)
        pump.call_at(float("inf"), lambda _now: calls.append("never"))
        cancelled = pump.call_at(0.0, lambda _now: calls.append("cancelled"))
        cancelled.cancel()
        ticking = pump.every(0.01, lambda _now: calls.append("tick"))
        await until(lambda: calls.count("tick") >= 3)
        ticking.cancel()
    assert calls.count("twice") == 2
    assert {"never", "cancelled"}.isdisjoint(calls)


async def test_a_fault_on_a_tick_ends_who_waits_for_the_pump() -> None:
    def fault(_now: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with Pump() as pump:
            pump.every(0.001, fault)
            await asyncio.sleep(DEADLINE_S)
