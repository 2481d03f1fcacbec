"""Deleting what was given up: after the transaction that did so, again and again until it is done.

Several replicas may do this at once. Deleting twice changes nothing, and whoever takes the note away counts.
"""

from collections import Counter

from control.database import Database
from control.metrics import Metrics
from control.objects import store
from control.objects.port import Objects

BATCH = 100


class Disposal:
    """Deletes the objects noted in a database."""

    def __init__(self, objects: Objects, metrics: Metrics) -> None:
        self._objects = objects
        self._metrics = metrics

    async def run(self, database: Database) -> None:
        """Delete all that is noted. Raises `Away` when the store is."""
        while True:
            async with database.read() as session:
                keys = await store.oldest(session, BATCH)
            if not keys:
                return
            for key in keys:
                await self._objects.delete(key)
            async with database.write() as session:
                reasons = await store.forget(session, keys)
            for reason, count in Counter(reasons).items():
                self._metrics.objects_deleted.labels(reason).inc(count)
