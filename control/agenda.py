"""Composition of what meetings are made, planned and ended by: for requests, and for the jobs that follow."""

from dataclasses import dataclass

from control.chat.service import Chat
from control.clock import Clock
from control.invitations.notices import Notices
from control.invitations.service import Invitations
from control.invitations.tokens import MailTokens
from control.meetings.closing import Closing
from control.meetings.service import Meetings
from control.meetings.timers import Timers
from control.outbox import Outbox
from control.rates.port import Buckets
from control.settings import Settings
from control.shards.shards import Shards


@dataclass(frozen=True)
class Mailing:
    """What mail to the invited needs. `mails` bounds what one host has sent."""

    tokens: MailTokens
    mails: Buckets


@dataclass(frozen=True)
class Agenda:
    """The rules of meetings and invitations, and who does their jobs."""

    meetings: Meetings
    invitations: Invitations
    mail_tokens: MailTokens
    notices: Notices
    closing: Closing


def agenda(
    settings: Settings,
    clock: Clock,
    mailing: Mailing,
    shards: Shards,
    outbox: Outbox,
    chat: Chat,
) -> Agenda:
    """Return them."""
    jobs = outbox.jobs
    timers = Timers(clock, jobs, settings.meetings)
    invitations = Invitations(clock, jobs, mailing.mails, settings.limits.invitations)
    meetings = Meetings(clock, outbox, chat, timers, invitations)
    return Agenda(
        meetings=meetings,
        invitations=invitations,
        mail_tokens=mailing.tokens,
        notices=Notices(clock, shards, jobs, mailing.tokens),
        closing=Closing(clock, meetings, timers),
    )
