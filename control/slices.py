"""The slices for people, each given what it needs."""

from dataclasses import dataclass

from control.accounts.access import Access
from control.accounts.routes import AccountLimits, AccountRoutes
from control.accounts.service import Accounts
from control.accounts.tokens import AccessTokens
from control.api_keys.routes import ApiKeyRoutes
from control.api_keys.service import ApiKeys
from control.archives.routes import ArchiveRoutes
from control.attachments.routes import AttachmentRoutes
from control.chat.posting import Posting
from control.chat.routes import ChatRoutes
from control.edge.endpoint import Endpoint
from control.events.routes import EventRoutes
from control.events.sockets import Sockets
from control.ground import Ground
from control.idempotency.service import Idempotency
from control.invitations.routes import InvitationRoutes
from control.join.routes import JoinRoutes
from control.join.service import Joining
from control.meetings.lists import Lists
from control.meetings.lookup import Lookup
from control.meetings.routes import Making, MeetingRoutes
from control.people.members import Members
from control.people.routes import PeopleRoutes
from control.rates import Buckets, Rate
from control.recordings.routes import RecordingRoutes
from control.webhooks.routes import WebhookRoutes
from control.webhooks.targets import targets_of


@dataclass(frozen=True)
class Common:
    """What several slices have in common."""

    tokens: AccessTokens
    access: Access
    keys: ApiKeys
    lookup: Lookup
    members: Members
    posting: Posting
    sockets: Sockets


def common_of(ground: Ground) -> Common:
    """Return what the slices share."""
    settings, clock, shards = ground.settings, ground.clock, ground.shards
    rates, limits = settings.rates, settings.limits
    tokens = AccessTokens(
        ground.secrets.session, clock, account_s=settings.access_token_s, guest_s=settings.guest_token_s
    )
    access, lookup = Access(tokens), Lookup(shards, Buckets(rates.guess_per_address, clock))
    return Common(
        tokens=tokens,
        access=access,
        keys=ApiKeys(clock, limits.api_keys_each),
        lookup=lookup,
        members=Members(shards, lookup, access),
        posting=Posting(shards, ground.chat, ground.files.attachments, Buckets(rates.chat_per_author, clock)),
        sockets=Sockets(limits, ground.metrics),
    )


def endpoints(ground: Ground, common: Common) -> list[Endpoint]:
    """Return the endpoints of all slices."""
    slices = (*_of_accounts(ground, common), *_of_meetings(ground, common), *_inside_meetings(ground, common))
    return [endpoint for part in slices for endpoint in part.table()]


def _of_accounts(ground: Ground, common: Common) -> tuple[AccountRoutes, ApiKeyRoutes, WebhookRoutes]:
    settings, first = ground.settings, ground.shards.first
    accounts = Accounts(ground.clock, ground.secrets.session, refresh_s=settings.refresh_token_s)
    limits = AccountLimits(settings.rates, ground.clock)
    targets, secret = targets_of(settings), ground.secrets.session
    creations = _buckets(ground, settings.rates.create_per_account)
    return (
        AccountRoutes(first, accounts, ground.passwords, common.tokens, common.access, limits),
        ApiKeyRoutes(first, common.keys, common.access, _buckets(ground, settings.rates.key_per_account)),
        WebhookRoutes(first, ground.outbox.webhooks, targets, common.access, secret, creations),
    )


def _of_meetings(ground: Ground, common: Common) -> tuple[MeetingRoutes, InvitationRoutes, JoinRoutes]:
    settings, clock, shards, rates = ground.settings, ground.clock, ground.shards, ground.settings.rates
    joining = Joining(clock, ground.secrets.ticket_key, settings.node_lease_s)
    making = Making(_buckets(ground, rates.create_per_account), Idempotency(clock, settings.idempotency_s))
    joins, lookup, access = _buckets(ground, rates.join_per_address), common.lookup, common.access
    return (
        MeetingRoutes(shards, ground.agenda.meetings, Lists(shards, clock), lookup, access, making),
        InvitationRoutes(shards, ground.agenda.invitations, lookup, access),
        JoinRoutes(shards, joining, lookup, access, common.tokens, joins),
    )


def _inside_meetings(
    ground: Ground, common: Common
) -> tuple[ChatRoutes, AttachmentRoutes, ArchiveRoutes, RecordingRoutes, PeopleRoutes, EventRoutes]:
    shards, members, rates, files = ground.shards, common.members, ground.settings.rates, ground.files
    uploads = _buckets(ground, rates.upload_per_author)
    downloads = _buckets(ground, rates.download_per_author)
    return (
        ChatRoutes(shards, common.posting, members),
        AttachmentRoutes(shards, files.attachments, members, uploads, downloads),
        ArchiveRoutes(shards, files.archives, common.access, common.lookup, downloads),
        RecordingRoutes(shards, files.recordings, common.access, members, downloads),
        PeopleRoutes(shards, members, ground.clock, ground.settings.limits.stays),
        EventRoutes(ground.outbox.events, members, common.sockets),
    )


def _buckets(ground: Ground, rate: Rate) -> Buckets:
    return Buckets(rate, ground.clock)
