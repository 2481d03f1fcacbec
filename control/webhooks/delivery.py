"""Doing the jobs of webhooks: a delivery for each endpoint, and the sending of each."""

import logging
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import Database
from control.jobs.attempts import Attempt, TemporaryFailure
from control.jobs.service import Jobs
from control.settings import Settings
from control.webhooks import store
from control.webhooks.schema import Announce, Deliver
from control.webhooks.service import listening, send
from control.webhooks.signature import secret_of, sign
from control.webhooks.store import StoredDelivery, Webhook
from control.webhooks.targets import BadTarget, targets_of

log = logging.getLogger(__name__)

GONE = 410
ERROR_MAX = 200


class Deliveries:
    """Tells endpoints what happened. `database` is that of accounts, `secret` the house's own."""

    def __init__(
        self, database: Database, jobs: Jobs, settings: Settings, clock: Clock, secret: bytes
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._targets = targets_of(settings)
        self._clock = clock
        self._secret = secret
        self._kept = settings.limits.webhook_history
        self._patience = timedelta(seconds=settings.webhook_patience_s)

    async def announce(self, attempt: Attempt, job: Announce) -> None:
        """Write a delivery for each endpoint that is told of the event; those written before stay."""
        async with self._database.write() as session:
            for webhook in listening(await store.hold_of_account(session, job.account), job.event):
                if not await store.is_told(session, webhook.id, attempt.job_id):
                    await self._write(session, webhook, attempt.job_id, job)

    async def _write(self, session: AsyncSession, webhook: Webhook, event_id: str, job: Announce) -> None:
        webhook.last_number += 1
        delivery = StoredDelivery(
            webhook_id=webhook.id,
            number=webhook.last_number,
            event_id=event_id,
            kind=job.event,
            body=job.body,
            state="pending",
            attempts=0,
            created_at=self._clock(),
        )
        await store.add(session, delivery)
        await store.forget_old(session, webhook, self._kept)
        await send(self._jobs, session, delivery)

    async def deliver(self, attempt: Attempt, job: Deliver) -> None:
        """Send a delivery. Raises `TemporaryFailure` when the endpoint did not take it."""
        async with self._database.read() as session:
            webhook = await store.by_id(session, job.webhook)
            delivery = await store.delivery(session, job.webhook, job.number)
        if webhook is None or delivery is None or webhook.disabled_at is not None:
            return
        status, error = await self._post(webhook, delivery)
        if error is None:
            async with attempt.finish() as session:
                await self._note(session, job, status, None)
            return
        async with self._database.write() as session:
            is_over = await self._note(session, job, status, error)
        if not is_over:
            raise TemporaryFailure(error)

    async def _post(self, webhook: Webhook, delivery: StoredDelivery) -> tuple[int | None, str | None]:
        """Return the answer's status, and what was wrong if anything was."""
        now_s = int(self._clock().timestamp())
        secret = secret_of(self._secret, webhook.id)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Parley",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": sign(secret, delivery.event_id, now_s, delivery.body),
        }
        try:
            status = await self._targets.post(webhook.url, delivery.body, headers)
        except BadTarget as error:
            return None, str(error)
        except OSError as error:
            return None, f"there was no answer: {error or type(error).__name__}"
        return status, None if 200 <= status < 300 else f"the answer was {status}"

    async def _note(self, session: AsyncSession, job: Deliver, status: int | None, error: str | None) -> bool:
        """Write down how it went; return whether the endpoint is not to be told any more."""
        webhook = await store.hold(session, job.webhook)
        delivery = await store.delivery(session, job.webhook, job.number)
        if webhook is None or delivery is None:
            return True
        now = self._clock()
        delivery.state = "delivered" if error is None else "failed"
        delivery.attempts += 1
        delivery.status, delivery.tried_at = status, now
        delivery.error = None if error is None else error[:ERROR_MAX]
        webhook.failing_since = None if error is None else webhook.failing_since or now
        if status == GONE:
            webhook.disabled_at, webhook.disabled_because = now, "It answered 410 Gone."
        elif webhook.failing_since is not None and now - webhook.failing_since >= self._patience:
            webhook.disabled_at = now
            webhook.disabled_because = f"Nothing was taken since {webhook.failing_since:%Y-%m-%d %H:%M} UTC."
        if webhook.disabled_at is not None:
            log.warning("webhook %s is disabled: %s", webhook.id, webhook.disabled_because)
        return webhook.disabled_at is not None
