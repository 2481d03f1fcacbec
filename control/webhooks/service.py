"""The rules of webhooks: who has which endpoints, and what they are told."""

from collections.abc import Sequence
from functools import partial
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.database import after_commit
from control.events.schema import (
    Frame,
    MeetingEnded,
    MessagePosted,
    PersonJoined,
    PersonLeft,
    RecordingReady,
)
from control.jobs.service import Jobs
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.refusals import Reason, Refused
from control.webhooks import store
from control.webhooks.schema import Announce, Data, Deliver, Kind, MeetingBrief, NewWebhook, Payload, Replayed
from control.webhooks.store import StoredDelivery, Webhook
from control.webhooks.subscribers import Subscribers

REPLAY_MAX = 100


class Webhooks:
    """The rules. An account may have `webhooks_max` endpoints."""

    def __init__(self, jobs: Jobs, subscribers: Subscribers, clock: Clock, webhooks_max: int) -> None:
        self._jobs = jobs
        self._subscribers = subscribers
        self._clock = clock
        self._webhooks_max = webhooks_max

    async def add(self, session: AsyncSession, account_id: str, wanted: NewWebhook) -> Webhook:
        """Return the new endpoint. Raises `Refused` with UNAUTHENTICATED or TOO_MANY_WEBHOOKS."""
        if not await store.hold_account(session, account_id):
            raise Refused(Reason.UNAUTHENTICATED)
        if await store.count(session, account_id) >= self._webhooks_max:
            raise Refused(Reason.TOO_MANY_WEBHOOKS)
        webhook = Webhook(
            id=uuid4().hex,
            account_id=account_id,
            url=wanted.url,
            kinds=" ".join(sorted(wanted.kinds)),
            description=wanted.description,
            created_at=self._clock(),
            last_number=0,
        )
        await store.add(session, webhook)
        after_commit(session, partial(self._subscribers.add, account_id))
        return webhook

    async def enable(self, session: AsyncSession, webhook: Webhook) -> None:
        """Let the endpoint be told again; what it missed can be replayed."""
        webhook.disabled_at = webhook.disabled_because = webhook.failing_since = None
        await store.add(session, webhook)

    async def replay(self, session: AsyncSession, webhook: Webhook, after: int) -> Replayed:
        """Have deliveries numbered above `after` sent again, a limited number of them."""
        found = await store.deliveries(session, webhook.id, after, REPLAY_MAX + 1)
        for delivery in found[:REPLAY_MAX]:
            delivery.state = "pending"
            await send(self._jobs, session, delivery)
        more = len(found) > REPLAY_MAX
        return Replayed(min(len(found), REPLAY_MAX), found[REPLAY_MAX - 1].number if more else None)

    async def made(self, session: AsyncSession, meeting: Meeting) -> None:
        """Tell the host's endpoints of a new meeting, once the transaction is committed."""
        await self._announce(session, meeting, "meeting.created", Data(meeting=_brief(meeting)))

    async def follow(self, session: AsyncSession, meeting_id: str, frame: Frame) -> None:
        """Tell the host's endpoints of a meeting's event, once the transaction is committed."""
        if not self._subscribers:
            return
        meeting = await meetings.by_id(session, meeting_id)
        if meeting is None:
            return
        about = _brief(meeting)
        match frame:
            case MessagePosted(message=message) if message.kind == "text":
                await self._announce(session, meeting, "message.posted", Data(meeting=about, message=message))
            case PersonJoined(person=person):
                data = Data(meeting=about, participant=person)
                await self._announce(session, meeting, "participant.joined", data)
            case PersonLeft(person=person):
                data = Data(meeting=about, participant=person)
                await self._announce(session, meeting, "participant.left", data)
            case RecordingReady(recording=recording):
                data = Data(meeting=about, recording=recording)
                await self._announce(session, meeting, "recording.ready", data)
            case MeetingEnded():
                await self._announce(session, meeting, "meeting.ended", Data(meeting=about))

    async def _announce(self, session: AsyncSession, meeting: Meeting, kind: Kind, data: Data) -> None:
        if meeting.host_id in self._subscribers:
            body = msgspec.json.encode(Payload(kind, self._clock(), data)).decode()
            await self._jobs.add(session, Announce(account=meeting.host_id, event=kind, body=body))


async def send(jobs: Jobs, session: AsyncSession, delivery: StoredDelivery) -> None:
    """Have a delivery sent once the transaction is committed, if that is not to be done already."""
    key = f"webhook:{delivery.webhook_id}:{delivery.number}"
    await jobs.add(session, Deliver(delivery.webhook_id, delivery.number), key=key)


def listening(webhooks: Sequence[Webhook], kind: str) -> list[Webhook]:
    """Return those endpoints that are told of this kind of event."""
    return [each for each in webhooks if each.disabled_at is None and kind in each.kinds.split()]


def _brief(meeting: Meeting) -> MeetingBrief:
    return MeetingBrief(meeting.id, meeting.code, meeting.title)
