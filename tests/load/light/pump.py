"""The heartbeat of a process full of bots: polls every socket on a tick, then does what is due.

Waking for each datagram would put the wake-up on the bill of whoever sends (it runs inside the sender's
system call on loopback) and starve hundreds of bots sharing one core. So sockets are polled every few
milliseconds. `prompt` wakes at once instead, for the moments when a join is timed.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Protocol, Self

from tests.load.light.reader import BatchReader, Reader

TICK_S = 0.004
_RECEIVE_BUFFER_BYTES = 4 << 20
_SO_RCVBUFFORCE = 33


class Endpoint(Protocol):
    """The owner of a socket."""

    def received(self, datagram: memoryview, arrived: float) -> None:
        """Take a datagram; `arrived` is in seconds on the monotonic clock."""


class Pump:
    """Owns the polling of sockets and the clock of everything periodic in this process."""

    def __init__(
        self,
        reader: Reader | None = None,
        tick_s: float = TICK_S,
        make_socket: Callable[[socket.AddressFamily, socket.SocketKind], socket.socket] = socket.socket,
    ) -> None:
        self._make_socket = make_socket
        self._reader = reader or BatchReader()
        self._tick_s = tick_s
        self._epoll = select.epoll()
        self._endpoints: dict[int, tuple[socket.socket, Endpoint]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self.worst_lag_s = 0.0
        """How late the latest tick came since this was last set to zero."""

    def open(self, endpoint: Endpoint, family: socket.AddressFamily) -> socket.socket:
        """Return a non-blocking UDP socket whose datagrams go to `endpoint`."""
        sock = self._make_socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._reader.prepare(sock)
        self._endpoints[sock.fileno()] = (sock, endpoint)
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        return sock

    def shut(self, sock: socket.socket) -> None:
        """Close a socket this pump opened."""
        if self._endpoints.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())
            sock.close()

    def call_at(self, due: float, call: Callable[[float], float | None]) -> "Timer":
        """Call with the time at `due` or up to a tick later, then when the call says, until it says None."""
        timer = Timer(call)
        heapq.heappush(self._timers, (due, next(self._order), timer))
        return timer

    def every(self, period_s: float, call: Callable[[float], None]) -> "Timer":
        """Call with the time about every `period_s`.

        The first call comes after a random part of the period, so that many bots spread over it.
        """

        def again(now: float) -> float:
            call(now)
            return now + period_s

        return self.call_at(time.monotonic() + random.random() * period_s, again)

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._ticking = asyncio.create_task(self._tick(), name="pump")
        self._ticking.add_done_callback(self._stopped)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticking.cancel()
        await asyncio.wait([self._ticking])
        self._close()
        if not self._ticking.cancelled():
            await self._ticking

    def _stopped(self, ticking: asyncio.Task[None]) -> None:
        """End who waits for the pump when a fault has ended it."""
        if not ticking.cancelled() and self._owner is not None:
            self._owner.cancel()

    def _close(self) -> None:
        for sock, _endpoint in tuple(self._endpoints.values()):
            self.shut(sock)
        self._epoll.close()

    def poll(self) -> None:
        """Hand over everything that waits."""
        now = time.monotonic()
        read, endpoints = self._reader.read, self._endpoints
        for descriptor, _events in self._epoll.poll(0):
            entry = endpoints.get(descriptor)
            if entry is None:  # shut while this round was under way
                continue
            sock, endpoint = entry
            for datagram, arrived in read(sock, now):
                endpoint.received(datagram, arrived)

    @contextlib.contextmanager
    def prompt(self) -> Iterator[None]:
        """Poll as soon as something arrives, while this lasts."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._epoll.fileno(), self.poll)
        try:
            yield
        finally:
            loop.remove_reader(self._epoll.fileno())

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            due = max(due + self._tick_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            now = time.monotonic()
            self.worst_lag_s = max(self.worst_lag_s, now - due)
            self.poll()
            self._call_due(now)

    def _call_due(self, now: float) -> None:
        timers = self._timers
        while timers and timers[0][0] <= now:
            _due, order, timer = heapq.heappop(timers)
            due = None if timer.cancelled else timer.call(now)
            if due is not None:
                heapq.heappush(timers, (max(due, now + self._tick_s / 2), order, timer))


class Timer:
    """Something called again and again, until cancelled."""

    __slots__ = ("call", "cancelled")

    def __init__(self, call: Callable[[float], float | None]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """Never call again."""
        self.cancelled = True
