"""RabbitMQ as jobs use it: one durable queue of notices, and one where those end that nobody can follow.

A notice says which job is due, no more: the row says the rest, and whether that still holds. So a notice that
is lost, late or there twice does no harm, and both queues may be bounded: the first refuses what is too much,
which then waits in the table, the second forgets the oldest.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from msgspec import Meta, Struct
from yarl import URL

from control.metrics import Metrics

log = logging.getLogger(__name__)

QUEUE = "parley.jobs"
DEAD_QUEUE = "parley.jobs.dead"
NOTICES_MAX = 10_000
BYTES_MAX = 10_000_000
CONNECT_S = 10.0
RETRY_S = 1.0
AMQP_ERRORS = (*CONNECTION_EXCEPTIONS, TimeoutError)


Work = Callable[[AbstractChannel, AbstractQueue], Awaitable[None]]
"""Is given a channel that confirms what is published, and the queue."""


class Notice(Struct, frozen=True):
    """What a message says: the job with this id, in the database of this place in the list, is due."""

    database: Annotated[int, Meta(ge=0)]
    job: Annotated[str, Meta(max_length=32)]


class Broker:
    """A connection of its own to RabbitMQ, for one `purpose`; once open it comes back by itself."""

    def __init__(self, url: str, purpose: str, metrics: Metrics) -> None:
        self._url = url
        self._purpose = purpose
        self._is_connected = metrics.broker_connected.labels(purpose)
        self._is_connected.set(0)
        self._connection: AbstractRobustConnection | None = None

    @property
    def is_connected(self) -> bool:
        """Whether RabbitMQ answers, as far as is known."""
        return self._connection is not None and self._connection.connected.is_set()

    async def use(self, work: Work, stopping: asyncio.Event) -> None:
        """Do `work` as soon as RabbitMQ answers, unless we are to stop before that."""
        opening = asyncio.create_task(self._open_in_time())
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((opening, stopped), return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                await work(*opening.result())
        finally:
            for task in (opening, stopped):
                task.cancel()
            await asyncio.gather(opening, stopped, return_exceptions=True)
            await self._close()

    async def _open_in_time(self) -> tuple[AbstractChannel, AbstractQueue]:
        while True:
            try:
                return await self._open()
            except AMQP_ERRORS as error:
                log.warning("RabbitMQ cannot be used yet; trying again: %s", error)
            await self._close()
            await asyncio.sleep(RETRY_S)

    async def _open(self) -> tuple[AbstractChannel, AbstractQueue]:
        connection = self._connection = aio_pika.RobustConnection(
            URL(self._url),
            reconnect_interval=RETRY_S,
            client_properties={"connection_name": f"parley {self._purpose}"},
        )
        await connection.connect(CONNECT_S)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        bounds = {"x-max-length": NOTICES_MAX, "x-max-length-bytes": BYTES_MAX}
        await channel.declare_queue(DEAD_QUEUE, durable=True, arguments={**bounds, "x-overflow": "drop-head"})
        refusing = {
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_QUEUE,
        }
        queue = await channel.declare_queue(QUEUE, durable=True, arguments=bounds | refusing)
        connection.close_callbacks.add(self._disconnected)
        connection.reconnect_callbacks.add(self._connected)
        self._connected()
        return channel, queue

    async def _close(self) -> None:
        """Close the connection, if there is one. What was not acknowledged is delivered to others."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        self._is_connected.set(0)

    def _connected(self, *_: object) -> None:
        log.info("RabbitMQ answers (%s)", self._purpose)
        self._is_connected.set(1)

    def _disconnected(self, *_: object) -> None:
        log.warning("RabbitMQ does not answer (%s)", self._purpose)
        self._is_connected.set(0)


def message_of(notice: Notice) -> aio_pika.Message:
    """Return the message that carries the notice, and outlives the broker's process."""
    return aio_pika.Message(
        msgspec.json.encode(notice),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
