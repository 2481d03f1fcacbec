"""Nodes beside the control service of a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp.test_utils import TestServer

from sfu.node.capacity import Capacity
from sfu.node.node import Node
from sfu.node.service import application
from sfu.node.settings import Settings
from sfu.node.websocket import SignalEndpoint
from sfu.room.ports import Limits
from sfu.transport.settings import NetworkSettings
from tests.integration.control.harness import Control
from tests.support.ports import free_ports
from tests.support.waiting import until

ROOMY = Capacity(cpu=100, lag_s=100)
"""However busy this process is."""


@asynccontextmanager
async def real_node(control: Control, node_id: str, capacity: Capacity = ROOMY) -> AsyncIterator[Node]:
    """A node in this process; control knows of it."""
    (port,) = free_ports(1)
    url = f"127.0.0.1:{port}"
    settings = Settings(
        node_id=node_id,
        port=port,
        signal_url=f"ws://{url}/signal",
        internal_url=f"http://{url}",
        control_url=str(control.base),
        network=NetworkSettings(port=0, bind_v4="127.0.0.1", bind_v6="", addresses=("127.0.0.1",)),
        capacity=capacity,
        limits=Limits(link_timeout_s=600),  # tests that only say hello make no link
    )
    cluster = control.secrets.cluster
    node = Node(settings, control.secrets.ticket_key.public_key(), cluster)
    await node.network.open()
    endpoint = SignalEndpoint(node, cluster)
    server = TestServer(application(node, endpoint, cluster), host="127.0.0.1", port=port)
    await server.start_server()
    tasks = [asyncio.create_task(node.run()), asyncio.create_task(node.journal.run())]
    try:
        await until("control knows the node", partial(_introduced, node))
        yield node
    finally:
        node.close()
        endpoint.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.close()


async def _introduced(node: Node) -> bool:
    return node.journal.introduced
