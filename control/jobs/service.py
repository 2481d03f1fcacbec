"""Adding and cancelling jobs."""

import asyncio
from datetime import datetime
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import after_commit
from control.jobs import store
from control.jobs.schema import Job, kind_of
from control.jobs.store import State


class Jobs:
    """What is still to be done. Rings `due` when there is something new."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.due = asyncio.Event()

    async def add(
        self, session: AsyncSession, job: Job, *, due_at: datetime | None = None, key: str | None = None
    ) -> bool:
        """Have the job done once the transaction is committed, and not before `due_at`.

        Returns False, and adds nothing, when a job with this key is not over yet. Raises
        `msgspec.ValidationError` when the job is not as its own type would have it.
        """
        body = msgspec.json.encode(job)
        msgspec.json.decode(body, type=type(job))  # here it can be refused, later it would be dead
        now = self._clock()
        added = await store.add(
            session,
            id=uuid4().hex,
            kind=kind_of(type(job)),
            body=body.decode(),
            key=key,
            state=State.WAITING,
            attempts=0,
            created_at=now,
            due_at=due_at or now,
        )
        after_commit(session, self.due.set)
        return added

    async def cancel(self, session: AsyncSession, key: str) -> bool:
        """Forget the job with this key. Returns False when there is none, or none any more.

        An attempt that is under way can change nothing in the database any more, but its mail may be out.
        """
        return await store.remove(session, key)
