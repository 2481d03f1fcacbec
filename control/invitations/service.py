"""Inviting people, and what they may say to that."""

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from control.clock import Clock
from control.invitations import store
from control.invitations.schema import Notice, Occasion
from control.invitations.store import Invitation
from control.jobs.service import Jobs
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.rates.port import Buckets
from control.refusals import Reason, Refused, invalid


class Invitations:
    """The rules of invitations. `mails` bounds what one host has sent, `invitations_max` one meeting's."""

    def __init__(self, clock: Clock, jobs: Jobs, mails: Buckets, invitations_max: int) -> None:
        self._clock = clock
        self._jobs = jobs
        self._mails = mails
        self._invitations_max = invitations_max

    async def invite(
        self, session: AsyncSession, meeting_id: str, account_id: str, addresses: Sequence[str], base: str
    ) -> list[Invitation]:
        """Return the invitations of these normalised addresses; those not invited before get a mail.

        Raises `Refused` with NOT_THE_HOST, MEETING_ENDED, MEETING_CANCELLED, INVALID or RATE_LIMITED.
        """
        meeting = await self._held(session, meeting_id, account_id)
        known = {each.address: each for each in await store.of_meeting(session, meeting.id)}
        new = [address for address in dict.fromkeys(addresses) if address not in known]
        if len(known) + len(new) > self._invitations_max:
            raise invalid(addresses=f"At most {self._invitations_max} people can be invited to a meeting.")
        now = self._clock()
        for address in new:
            known[address] = Invitation(
                id=uuid4().hex, meeting_id=meeting.id, address=address, created_at=now
            )
            await store.add(session, known[address])
        if new:
            await self._mails.take(meeting.host_id, len(new))
            await self._tell(session, meeting, Occasion.INVITED, base, new)
        return [known[address] for address in dict.fromkeys(addresses)]

    async def remove(
        self, session: AsyncSession, meeting_id: str, account_id: str, invitation_id: str, base: str
    ) -> None:
        """Take an invitation back, which is told by mail.

        Raises `Refused` with NOT_THE_HOST, MEETING_ENDED, MEETING_CANCELLED or NOT_FOUND.
        """
        meeting = await self._held(session, meeting_id, account_id)
        invitation = await store.by_id(session, meeting.id, invitation_id)
        if invitation is None:
            raise Refused(Reason.NOT_FOUND)
        await store.remove(session, invitation)
        meeting.sequence += 1
        await self._tell(session, meeting, Occasion.REMOVED, base, [invitation.address])

    async def decline(self, session: AsyncSession, meeting_id: str, address: str) -> None:
        """Note that whoever reads the mail to `address` will not come; if invited, and not said before."""
        invitation = await store.by_address(session, meeting_id, address)
        if invitation is not None and invitation.declined_at is None:
            invitation.declined_at = self._clock()

    async def unsubscribe(self, session: AsyncSession, address: str) -> None:
        """Remember, in the first database, that no more mail is wished at `address`."""
        await store.unsubscribe(session, address, self._clock())

    async def ask_again(self, session: AsyncSession, meeting: Meeting) -> None:
        """Forget who declined: the meeting is at another time now."""
        await store.ask_again(session, meeting.id)

    async def announce(self, session: AsyncSession, meeting: Meeting, occasion: Occasion, base: str) -> None:
        """Have all who are invited told that the meeting was changed or cancelled.

        Raises `Refused` with RATE_LIMITED; cancelling is never refused.
        """
        invited = await store.count(session, meeting.id)
        if invited == 0:
            return
        if occasion is not Occasion.CANCELLED:
            await self._mails.take(meeting.host_id, invited)
        await self._tell(session, meeting, occasion, base)

    async def _tell(
        self,
        session: AsyncSession,
        meeting: Meeting,
        occasion: Occasion,
        base: str,
        addresses: Sequence[str] = (),
    ) -> None:
        notice = Notice(meeting=meeting.id, occasion=occasion, base=base, addresses=tuple(addresses))
        key = None if addresses else f"invitations.{occasion}:{meeting.id}"
        await self._jobs.add(session, notice, key=key)

    async def _held(self, session: AsyncSession, meeting_id: str, account_id: str) -> Meeting:
        meeting = await meetings.hold(session, meeting_id)
        if meeting.host_id != account_id:
            raise Refused(Reason.NOT_THE_HOST)
        if meeting.over is not None:
            raise Refused(meeting.over)
        return meeting
