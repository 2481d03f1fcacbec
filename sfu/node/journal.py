"""Reports to control: a heartbeat, and what happened in the rooms, delivered at least once.

Control being away changes nothing here: events wait, bounded, and go out when it is back.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

import aiohttp
import msgspec

from sfu.contract.codes import Code
from sfu.contract.operations import (
    CONTROL_AUDIENCE,
    Load,
    NodeEvent,
    PeerEntered,
    PeerGone,
    Report,
    RoomClosed,
    RoomOpened,
    reply_decoder,
    sign_token,
    written,
)
from sfu.node.settings import Settings
from sfu.node.version import VERSION
from sfu.room.peer import Peer

_log = logging.getLogger(__name__)

MAX_EVENTS = 20_000
BATCH = 512
TIMEOUT_S = 5.0
RETRY_S = 0.25
"""After the first failure; a little longer after each further one, up to the report interval."""
PROXY_ERRORS = (502, 504)
"""What a balancer says for control, whose own reply may have been lost."""


class Journal:
    """Numbers events and delivers them.

    `load` and `draining` tell of the node, for the heartbeat; `count` writes down all that is there, when
    control asks for it.
    """

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        load: Callable[[], Load],
        draining: Callable[[], bool],
        count: Callable[[], None],
    ) -> None:
        self.lost = 0
        """Events given up because control was away too long."""
        self.failures = 0
        """Reports in a row that were not."""
        self.moving: bool | None = None
        """Whether control moves the rooms of this node, which drains, to others; None: it has not said."""
        self.introduced = not settings.control_url
        """Whether control knows of this node, so that rooms can be placed on it."""
        self._settings = settings
        self._secret = secret
        self._load = load
        self._draining = draining
        self._count = count
        self._boot = secrets.token_hex(8)
        self._seq = 0
        self._events: deque[NodeEvent] = deque()
        self._unread = False
        self._happened = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events control has not acknowledged."""
        return len(self._events)

    def _number(self) -> int:
        self._seq += 1
        return self._seq

    def _append(self, event: NodeEvent) -> None:
        if not self._settings.control_url:
            return
        if len(self._events) >= MAX_EVENTS:
            self._events.popleft()
            self.lost += 1
        self._events.append(event)
        self._happened.set()

    def room_opened(self, room: str, epoch: int) -> None:
        """The first peer is about to enter."""
        self._append(RoomOpened(seq=self._number(), at=time.time(), room=room, epoch=epoch))

    def room_closed(self, room: str, code: Code) -> None:
        """Nobody is left."""
        self._append(RoomClosed(seq=self._number(), at=time.time(), room=room, code=code))

    def peer_entered(self, room: str, peer: Peer) -> None:
        """A peer came."""
        self._append(
            PeerEntered(seq=self._number(), at=time.time(), room=room, peer=peer.id, ticket=peer.ticket.id)
        )

    def peer_gone(self, room: str, peer: Peer, code: Code) -> None:
        """A peer is gone for good."""
        self._append(PeerGone(seq=self._number(), at=time.time(), room=room, peer=peer.id, code=code))

    def hasten(self) -> None:
        """Report at once: control should know how the node is now."""
        self._happened.set()

    async def run(self) -> None:
        """Report at every interval and soon after every event, until cancelled; then once more."""
        if not self._settings.control_url:
            return
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                while True:
                    delivered = await self._report(session)
                    if not (delivered and self._events):
                        await self._pause(delivered)
            finally:
                await self._report(session)

    async def _pause(self, delivered: bool) -> None:
        """Wait for the next interval; an event cuts that short, unless control is away."""
        if not delivered:
            await asyncio.sleep(min(self._settings.report_interval_s, RETRY_S * self.failures))
            return
        try:
            async with asyncio.timeout(self._settings.report_interval_s):
                await self._happened.wait()
        except TimeoutError:
            pass

    async def _report(self, session: aiohttp.ClientSession) -> bool:
        """Send one report; forget the events it delivered."""
        self._happened.clear()
        report = self._next()
        token = sign_token(self._secret, audience=CONTROL_AUDIENCE, now=time.time())
        url = f"{self._settings.control_url.rstrip('/')}/internal/nodes/report"
        try:
            async with session.post(
                url,
                data=msgspec.json.encode(report),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            ) as response:
                response.raise_for_status()
                reply = reply_decoder.decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            self.failures += 1
            self._unread |= _may_have_been_answered(error)
            _log.log(
                logging.WARNING if self.failures == 1 else logging.DEBUG, "report not delivered: %s", error
            )
            return False
        self.failures = 0
        self.introduced = True
        while self._events and self._events[0].seq <= reply.acknowledged:
            self._events.popleft()
        self.moving = reply.moving if report.draining else None
        if reply.census or self._unread:  # a reply that did not come may have asked for it
            self._count()
        self._unread = False
        return True

    def _next(self) -> Report:
        settings = self._settings
        return Report(
            node=settings.node_id,
            boot=self._boot,
            signal_url=settings.signal_url,
            signal_port=settings.port,
            internal_url=settings.commands_url,
            region=settings.region,
            version=VERSION,
            draining=self._draining(),
            load=self._load(),
            events=tuple(map(written, islice(self._events, BATCH))),
        )


def _may_have_been_answered(error: Exception) -> bool:
    """Whether control may have taken in the report that failed with `error`."""
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in PROXY_ERRORS
    return not isinstance(error, aiohttp.ClientConnectorError)
