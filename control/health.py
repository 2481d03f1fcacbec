"""Whether control lives, whether it can work, and what it counts: for those who operate it."""

import asyncio
from collections.abc import Sequence

import prometheus_client
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from control.edge.body import answer
from control.edge.caller import CALLER
from control.metrics import Metrics
from control.refusals import Reason, Refused
from control.settings import Network
from control.shards.shards import Shards

READY_WITHIN_S = 2.0


class HealthRoutes:
    """The routes for operators. Metrics are for callers within `metrics_from`."""

    def __init__(self, shards: Shards, metrics: Metrics, metrics_from: Sequence[Network]) -> None:
        self._shards = shards
        self._metrics = metrics
        self._metrics_from = metrics_from

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def alive(self, _request: web.Request) -> web.Response:
        """Answer: the process runs."""
        return answer({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer when the first database does: without another, the meetings elsewhere go on."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._shards.first.answers()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Refused(Reason.OVERLOADED, retry_after_s=5) from error
        return answer({"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """Give the counters in Prometheus' text format."""
        if not request[CALLER].within(self._metrics_from):
            raise Refused(Reason.FORBIDDEN)
        body = prometheus_client.generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})
