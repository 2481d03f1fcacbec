"""Looking after a node that somebody could not reach, instead of waiting for its lease to end.

Whoever says so may be cut off themselves, so the node is asked: refused connections tell that its process is
gone. One that does not answer is given up only if its heartbeat is missing, too.
"""

import asyncio
import logging
from datetime import timedelta

import aiohttp
from yarl import URL

from control.clock import Clock
from control.nodes import store
from control.nodes.service import Nodes
from control.nodes.store import Node
from control.shards.shards import Shards

log = logging.getLogger(__name__)

PROBE_S = 1.0
MISSING = timedelta(seconds=2.5)
"""A heartbeat that is older is missing; they come every second."""


class Suspicion:
    """Asks each suspected node once at a time, however many suspect it."""

    def __init__(self, shards: Shards, nodes: Nodes, clock: Clock) -> None:
        self._shards = shards
        self._nodes = nodes
        self._clock = clock
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def look_after(self, meeting_id: str) -> None:
        """Find out whether the node that the meeting's room is on lives; give it up if it does not."""
        async with self._shards.of(meeting_id).read() as session:
            placement = await store.placement(session, meeting_id)
        if placement is None or not placement.room_open:
            return
        async with self._shards.first.read() as session:
            node = (await store.by_ids(session, [placement.node_id])).get(placement.node_id)
        if node is None or node.lost_at is not None:
            return
        asking = self._asking.get(node.id)
        if asking is None:
            asking = self._asking[node.id] = asyncio.create_task(self._ask(node))
            asking.add_done_callback(lambda _: self._asking.pop(node.id, None))
        await asyncio.shield(asking)

    async def _ask(self, node: Node) -> None:
        if await self._is_gone(node):
            log.warning("node %s cannot be reached; its meetings are placed anew", node.id)
            await self._nodes.lose(node)

    async def _is_gone(self, node: Node) -> bool:
        timeout = aiohttp.ClientTimeout(total=PROBE_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(URL(node.internal_url) / "healthz", allow_redirects=False) as reply,
            ):
                return not reply.ok and self._is_missing(node)
        except aiohttp.ClientConnectorError as error:
            return isinstance(error.os_error, ConnectionRefusedError) or self._is_missing(node)
        except (aiohttp.ClientError, OSError, ValueError):
            return self._is_missing(node)

    def _is_missing(self, node: Node) -> bool:
        return self._clock() - node.reported_at > MISSING
