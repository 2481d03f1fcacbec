"""Composition of what meetings are made, planned and ended by: for requests, and for the jobs that follow."""

from dataclasses import dataclass

from control.chat.service import Chat
from control.clock import Clock
from control.events.service import Events
from control.invitations.notices import Notices
from control.invitations.service import Invitations
from control.invitations.tokens import MailTokens
from control.jobs.service import Jobs
from control.meetings.closing import Closing
from control.meetings.service import Meetings
from control.meetings.timers import Timers
from control.nodes.commands import Commands
from control.rates import Buckets
from control.settings import Settings
from control.shards.shards import Shards


@dataclass(frozen=True)
class Outbox:
    """Where changes leave what others have to hear of: events for listeners, commands for nodes, jobs."""

    events: Events
    commands: Commands
    jobs: Jobs


@dataclass(frozen=True)
class Agenda:
    """The rules of meetings and invitations, and who does their jobs."""

    meetings: Meetings
    invitations: Invitations
    mail_tokens: MailTokens
    notices: Notices
    closing: Closing


def agenda(settings: Settings, clock: Clock, session_secret: bytes, shards: Shards, outbox: Outbox) -> Agenda:
    """Return them. The secret signs the links in mails."""
    jobs, events = outbox.jobs, outbox.events
    timers = Timers(clock, jobs, settings.meetings)
    mails = Buckets(settings.rates.invite_per_host, clock)
    invitations = Invitations(clock, jobs, mails, settings.limits.invitations)
    meetings = Meetings(clock, events, Chat(clock, events), outbox.commands, timers, invitations)
    mail_tokens = MailTokens(session_secret)
    return Agenda(
        meetings=meetings,
        invitations=invitations,
        mail_tokens=mail_tokens,
        notices=Notices(clock, shards, jobs, mail_tokens),
        closing=Closing(clock, meetings, timers),
    )
