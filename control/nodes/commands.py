"""Commands to nodes: written with the change that calls for them, sent after it, again until taken.

A command is forgotten when its node took it, when the node does not understand it (it is of another version,
and will not learn), when the node runs anew (its rooms are gone with the old process), or after `LIFETIME`.
"""

import asyncio
import logging
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from uuid import uuid4

import aiohttp
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from yarl import URL

from control.clock import Clock
from control.database import Database, after_commit
from control.loop import pause
from control.metrics import Metrics
from control.nodes import store
from control.nodes.store import Node, PendingCommand
from control.shards.shards import Shards
from sfu.contract.operations import CloseRoom, Command, Drain, Undrain, sign_token

log = logging.getLogger(__name__)

LIFETIME = timedelta(hours=1)
BATCH = 50
SEND_TIMEOUT_S = 5.0
RETRY_MAX_S = 30.0
IDLE_S = 2.0


class Outcome(StrEnum):
    """What became of an attempt to send a command."""

    TAKEN = "taken"
    NOT_UNDERSTOOD = "not_understood"
    FAILED = "failed"


class Commands:
    """What nodes still have to be told. Rings `due` when there is something new."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.due = asyncio.Event()

    async def close_room(self, session: AsyncSession, meeting_id: str) -> None:
        """Have the meeting's room closed, wherever it is, now and should a late ticket open it again."""
        placement = await store.hold_placement(session, meeting_id)
        if placement is not None:
            placement.closing = True
            await self.command(session, placement.node_id, CloseRoom(room=meeting_id))

    async def drain(self, session: AsyncSession, node_id: str, order: Drain | Undrain) -> None:
        """Have the node take no new rooms, or take them again; an order before this one is withdrawn."""
        await store.withdraw(session, node_id, ['{"type":"drain"', '{"type":"undrain"'])
        await self.command(session, node_id, order)

    async def command(self, session: AsyncSession, node_id: str, command: Command) -> None:
        """Have `command` sent to the node once the transaction is committed."""
        now = self._clock()
        pending = PendingCommand(
            id=uuid4().hex, node_id=node_id, body=_json(command), created_at=now, attempts=0, due_at=now
        )
        await store.add(session, pending)
        after_commit(session, self.due.set)


def _json(command: Command) -> str:
    return msgspec.json.encode(command).decode()


class CommandSender:
    """Sends due commands over HTTP."""

    def __init__(
        self, shards: Shards, commands: Commands, clock: Clock, secret: bytes, metrics: Metrics
    ) -> None:
        self._shards = shards
        self._commands = commands
        self._clock = clock
        self._secret = secret
        self._metrics = metrics
        self._stopping = False

    def stop(self) -> None:
        """Let `run` end after what it is doing: a query cut short would leave its connection behind."""
        self._stopping = True
        self._commands.due.set()

    async def run(self) -> None:
        """Send what is due, until stopped."""
        timeout = aiohttp.ClientTimeout(total=SEND_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as http:
            while not self._stopping:
                self._commands.due.clear()
                for database in self._shards:
                    try:
                        await self._send_due(http, database)
                    except Exception:
                        log.exception("commands could not be sent; trying again")
                await pause(self._commands.due, IDLE_S)

    async def _send_due(self, http: aiohttp.ClientSession, database: Database) -> None:
        """Send each command whose time has come; forget those taken, postpone the others."""
        async with database.read() as session:
            due = await store.due_commands(session, self._clock(), BATCH)
        if not due:
            return
        async with self._shards.first.read() as session:
            nodes = await store.by_ids(session, {command.node_id for command in due})

        async def deliver(command: PendingCommand) -> None:
            node = nodes.get(command.node_id)
            outcome = Outcome.FAILED if node is None else await self._send(http, node, command.body)
            self._metrics.commands.labels(outcome).inc()
            async with database.write() as session:
                await self._settle(session, command, outcome)

        await asyncio.gather(*(deliver(command) for command in due))

    async def _settle(self, session: AsyncSession, command: PendingCommand, outcome: Outcome) -> None:
        now = self._clock()
        if outcome is not Outcome.FAILED or now - command.created_at >= LIFETIME:
            await store.remove_command(session, command.id)
        else:
            wait_s = min(RETRY_MAX_S, 2.0**command.attempts)
            await store.postpone(session, command.id, now + timedelta(seconds=wait_s))

    async def _send(self, http: aiohttp.ClientSession, node: Node, body: str) -> Outcome:
        token = sign_token(self._secret, audience=node.id, now=self._clock().timestamp())
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = URL(node.internal_url) / "internal" / "commands"
        try:
            async with http.post(url, data=body, headers=headers, allow_redirects=False) as response:
                if response.ok:
                    return Outcome.TAKEN
                log.warning("node %s refused a command with status %d", node.id, response.status)
                if response.status == HTTPStatus.BAD_REQUEST:
                    return Outcome.NOT_UNDERSTOOD
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("node %s could not be told: %r", node.id, error)
        return Outcome.FAILED
