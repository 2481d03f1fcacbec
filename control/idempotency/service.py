"""Doing the work of a request once, however often it comes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import try_lock
from control.idempotency import store
from control.idempotency.store import KeptAnswer
from control.refusals import Reason, Refused

Answer = TypeVar("Answer", bound=msgspec.Struct)


@dataclass(frozen=True)
class Attempt:
    """One sending of a request under the caller's `key`; `fingerprint` tells one request from another."""

    caller: str
    key: str
    fingerprint: str

    @property
    def name(self) -> str:
        """What all attempts at the same have in common."""
        return f"{self.caller}/{self.key}"


class Idempotency:
    """Answers are kept for `kept_s` seconds."""

    def __init__(self, clock: Clock, kept_s: int) -> None:
        self._clock = clock
        self._kept = timedelta(seconds=kept_s)

    async def once(
        self,
        session: AsyncSession,
        attempt: Attempt | None,
        kind: type[Answer],
        make: Callable[[AsyncSession], Awaitable[Answer]],
    ) -> Answer:
        """Return what `make` returns, or what it returned to the first attempt.

        Raises `Refused` with REQUEST_IN_PROGRESS or IDEMPOTENCY_KEY_REUSED.
        """
        if attempt is None:
            return await make(session)
        if not await try_lock(session, attempt.name):
            raise Refused(Reason.REQUEST_IN_PROGRESS, retry_after_s=1)
        now = self._clock()
        kept = await store.find(session, attempt.caller, attempt.key)
        if kept is not None and kept.expires_at > now:
            if kept.fingerprint != attempt.fingerprint:
                raise Refused(Reason.IDEMPOTENCY_KEY_REUSED)
            return msgspec.json.decode(kept.answer, type=kind)
        made = await make(session)
        await self._keep(session, attempt, made)
        return made

    async def _keep(self, session: AsyncSession, attempt: Attempt, made: msgspec.Struct) -> None:
        now = self._clock()
        kept = KeptAnswer(
            caller=attempt.caller,
            key=attempt.key,
            fingerprint=attempt.fingerprint,
            answer=msgspec.json.encode(made).decode(),
            expires_at=now + self._kept,
        )
        await store.put(session, kept)
        await store.sweep(session, now)
