"""Whether a credential still stands, told without asking the database each time.

A credential stands while the database has it. That it does is believed for a while; that it has ended,
which is for good, is told to the other replicas at once. What was not told is found by looking: before a
request, once the belief is old, and as often for those whose connections are open.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from control.clock import Clock
from control.credentials import store
from control.database import Database
from control.loop import Repeated
from control.relay import Relay

TOPIC = "credentials"
BATCH = 1000
KNOWN_MAX = 20_000
"""Beyond so many the one known for the longest is forgotten, and looked up again if need be."""

Value = TypeVar("Value")


class Credentials:
    """What this process knows of credentials, by their ids; it is believed for `trust_s`."""

    def __init__(self, database: Database, clock: Clock, relay: Relay | None, trust_s: float) -> None:
        self._trust = timedelta(seconds=trust_s)
        self._database = database
        self._clock = clock
        self._seen: OrderedDict[str, datetime] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._watchers: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)
        self._tell_others = None if relay is None else relay.topic(TOPIC, self._hear)

    async def stands(self, credential: str) -> bool:
        """Tell whether the credential is good."""
        if credential in self._ended:
            return False
        seen = self._seen.get(credential)
        if seen is None or abs(self._clock() - seen) >= self._trust:
            await self._look_at([credential])
        return credential not in self._ended

    def end(self, credential: str) -> None:
        """Note, here and at the other replicas, that the credential is in the database no longer."""
        self._end(credential)
        if self._tell_others is not None:
            self._tell_others(credential.encode())

    @contextmanager
    def watch(self, credential: str | None, ended: Callable[[], None]) -> Iterator[None]:
        """Have `ended` called if the credential ends before the block does; None never ends."""
        if credential is None:
            yield
            return
        self._watchers[credential].add(ended)
        try:
            if credential in self._ended:
                self._end(credential)
            yield
        finally:
            watchers = self._watchers.get(credential, set())
            watchers.discard(ended)
            if not watchers:
                self._watchers.pop(credential, None)

    def looking(self) -> Repeated:
        """Return what looks after the credentials of open connections."""
        every_s = self._trust.total_seconds()
        return Repeated(self._look, every_s, "credentials could not be looked up")

    async def _look(self) -> None:
        watched = list(self._watchers)
        for first in range(0, len(watched), BATCH):
            await self._look_at(watched[first : first + BATCH])

    async def _look_at(self, credentials: list[str]) -> None:
        now = self._clock()
        async with self._database.read() as session:
            standing = await store.standing(session, credentials, now)
        for credential in credentials:
            if credential in standing:
                _remember(self._seen, credential, now)
            else:
                self._end(credential)

    def _hear(self, body: bytes) -> None:
        """Take another replica's word."""
        self._end(body.decode())

    def _end(self, credential: str) -> None:
        _remember(self._ended, credential, None)
        self._seen.pop(credential, None)
        for ended in self._watchers.pop(credential, ()):
            ended()


def _remember(known: OrderedDict[str, Value], credential: str, value: Value) -> None:
    known[credential] = value
    known.move_to_end(credential)
    if len(known) > KNOWN_MAX:
        known.popitem(last=False)
