"""Doing the job of writing to those who are invited."""

from collections.abc import Sequence

from yarl import URL

from control.accounts import store as accounts
from control.accounts.store import Account
from control.clock import Clock
from control.invitations import store
from control.invitations.calendar import Matter
from control.invitations.letters import write
from control.invitations.schema import Notice, Occasion
from control.invitations.store import Invitation
from control.invitations.tokens import MailTokens, Recipient
from control.jobs.attempts import Attempt
from control.jobs.service import Jobs
from control.mail.schema import SendMail
from control.meetings import store as meetings
from control.meetings.store import Meeting
from control.shards.shards import Shards


class Notices:
    """Turns a notice into mails, by what holds when its turn comes."""

    def __init__(self, clock: Clock, shards: Shards, jobs: Jobs, tokens: MailTokens) -> None:
        self._clock = clock
        self._shards = shards
        self._jobs = jobs
        self._tokens = tokens

    async def write(self, attempt: Attempt, notice: Notice) -> None:
        """Have a mail sent to each whom the notice still concerns and who wishes mail."""
        async with attempt.database.read() as session:
            meeting = await meetings.by_id(session, notice.meeting)
            invited = await store.of_meeting(session, notice.meeting)
        if meeting is None:
            return
        async with self._shards.first.read() as session:
            host = await accounts.by_id(session, meeting.host_id)
            if host is None:
                return
            everybody = {host.email, *notice.addresses, *(each.address for each in invited)}
            unwilling = await store.unsubscribed(session, everybody)
        async with attempt.finish() as session:
            meeting = await meetings.hold(session, notice.meeting)
            if not self._holds(notice, meeting):
                return
            concerned = _concerned(notice, host, await store.of_meeting(session, meeting.id))
            matter = Matter(meeting, host, str(URL(notice.base) / "m" / meeting.code))
            for address in sorted(concerned - unwilling):
                await self._jobs.add(session, self._mail(notice, matter, address))

    def _holds(self, notice: Notice, meeting: Meeting) -> bool:
        """Tell whether there is still reason to write."""
        match notice.occasion:
            case Occasion.CANCELLED:
                return meeting.cancelled
            case Occasion.REMOVED:
                return True
            case Occasion.REMINDER:
                starts_at = meeting.starts_at
                is_ahead = starts_at is not None and self._clock() < starts_at
                return meeting.ended_at is None and starts_at == notice.starts_at and is_ahead
            case _:
                return meeting.ended_at is None

    def _mail(self, notice: Notice, matter: Matter, address: str) -> SendMail:
        token = self._tokens.sign(Recipient(address, matter.meeting.id))
        answer_url = str(URL(notice.base) / "mail" / token)
        return write(notice.occasion, matter, address, answer_url=answer_url, at=self._clock())


def _concerned(notice: Notice, host: Account, invitations: Sequence[Invitation]) -> set[str]:
    """Return the addresses to write to."""
    invited = {each.address for each in invitations}
    match notice.occasion:
        case Occasion.REMINDER:
            return {host.email, *(each.address for each in invitations if each.declined_at is None)}
        case Occasion.REMOVED:
            return set(notice.addresses) - invited
        case Occasion.INVITED:
            return set(notice.addresses) & invited
        case _:
            return invited
