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
from control.credentials.admission import Admission
from control.edge.endpoint import Endpoint
from control.events.routes import EventRoutes
from control.events.sockets import Sockets
from control.ground import Ground
from control.idempotency.service import Idempotency
from control.invitations.routes import InvitationRoutes
from control.join.evacuation import Evacuation
from control.join.placement import Placing, Strategy
from control.join.routes import JoinRoutes
from control.join.service import Joining
from control.meetings.lists import Lists
from control.meetings.lookup import Lookup
from control.meetings.routes import Making, MeetingRoutes
from control.nodes.service import Nodes
from control.nodes.suspicion import Suspicion
from control.people.members import Members
from control.people.routes import PeopleRoutes
from control.recordings.routes import RecordingRoutes, Transfers
from control.turn.routes import TurnRoutes
from control.turn.service import TurnServers
from control.verification.routes import RecoveryLimits, RecoveryRoutes, VerificationRoutes
from control.webhooks.routes import WebhookRoutes
from control.webhooks.targets import targets_of


@dataclass(frozen=True)
class Common:
    """What several slices have in common."""

    tokens: AccessTokens
    access: Access
    keys: ApiKeys
    admission: Admission
    idempotency: Idempotency
    lookup: Lookup
    members: Members
    posting: Posting
    sockets: Sockets
    turn: TurnServers


def common_of(ground: Ground) -> Common:
    """Return what the slices share."""
    settings, clock, shards = ground.settings, ground.clock, ground.shards
    rates, limits, buckets = settings.rates, settings.limits, ground.replicas.buckets
    tokens = AccessTokens(
        ground.secrets.session, clock, account_s=settings.access_token_s, guest_s=settings.guest_token_s
    )
    access = Access(tokens, ground.replicas.credentials)
    lookup = Lookup(shards, buckets("guess", rates.guess_per_address))
    keys = ApiKeys(clock, limits.api_keys_each, ground.replicas.credentials.end)
    posts = buckets("chat", rates.chat_per_author)
    return Common(
        tokens=tokens,
        access=access,
        keys=keys,
        admission=Admission(shards.first, keys, access),
        idempotency=Idempotency(clock, settings.idempotency_s),
        lookup=lookup,
        members=Members(shards, lookup, access),
        posting=Posting(shards, ground.chat, ground.files.attachments, posts),
        sockets=Sockets(limits, ground.metrics),
        turn=TurnServers(clock, settings.turn_urls, settings.turn_secret, settings.turn_ttl_s),
    )


def endpoints(ground: Ground, common: Common, nodes: Nodes) -> list[Endpoint]:
    """Return the endpoints of all slices."""
    slices = (
        *_of_accounts(ground, common),
        *_of_meetings(ground, common),
        _of_joining(ground, common, nodes),
        *_inside_meetings(ground, common),
    )
    return [endpoint for part in slices for endpoint in part.table()]


def _of_accounts(
    ground: Ground, common: Common
) -> tuple[AccountRoutes, VerificationRoutes, RecoveryRoutes, ApiKeyRoutes, WebhookRoutes]:
    settings, first = ground.settings, ground.shards.first
    accounts = Accounts(
        ground.clock,
        ground.secrets.session,
        ground.verification,
        refresh_s=settings.refresh_token_s,
        ended=ground.replicas.credentials.end,
    )
    limits = AccountLimits(settings.rates, ground.replicas.buckets)
    resets = RecoveryLimits(settings.rates, ground.replicas.buckets)
    targets, secret = targets_of(settings), ground.secrets.session
    keys = ground.replicas.buckets("keys", settings.rates.key_per_account)
    webhooks = ground.replicas.buckets("webhooks", settings.rates.create_per_account)
    letters = ground.replicas.buckets("verify", settings.rates.verify_per_account)
    return (
        AccountRoutes(first, accounts, ground.passwords, common.tokens, common.access, limits),
        VerificationRoutes(first, ground.verification, common.access, letters),
        RecoveryRoutes(first, ground.recovery, ground.passwords, resets),
        ApiKeyRoutes(first, common.keys, common.access, keys),
        WebhookRoutes(first, ground.outbox.webhooks, targets, common.access, secret, webhooks),
    )


def _of_meetings(ground: Ground, common: Common) -> tuple[MeetingRoutes, InvitationRoutes]:
    clock, shards, rates = ground.clock, ground.shards, ground.settings.rates
    creations = ground.replicas.buckets("meetings", rates.create_per_account)
    making = Making(creations, common.idempotency)
    lists = Lists(shards, ground.verification, clock)
    lookup, access = common.lookup, common.access
    return (
        MeetingRoutes(shards, ground.agenda.meetings, lists, lookup, access, making),
        InvitationRoutes(shards, ground.agenda.invitations, lookup, access),
    )


def _of_joining(ground: Ground, common: Common, nodes: Nodes) -> JoinRoutes:
    settings, clock, shards = ground.settings, ground.clock, ground.shards
    suspicion = Suspicion(shards, nodes, clock)
    placing = Placing(Strategy(settings.placement), settings.region)
    joining = Joining(
        clock, ground.secrets.ticket_key, common.turn, settings.node_lease_s, placing, suspicion
    )
    joins = ground.replicas.buckets("join", settings.rates.join_per_address)
    return JoinRoutes(shards, joining, common.lookup, common.access, common.tokens, joins)


def evacuation_of(ground: Ground) -> Evacuation:
    """Return who empties nodes that drain."""
    settings = ground.settings
    return Evacuation(
        ground.shards,
        ground.clock,
        ground.outbox.commands,
        Strategy(settings.placement),
        lease_s=settings.node_lease_s,
    )


def _inside_meetings(
    ground: Ground, common: Common
) -> tuple[
    ChatRoutes, AttachmentRoutes, ArchiveRoutes, RecordingRoutes, PeopleRoutes, EventRoutes, TurnRoutes
]:
    shards, members, rates, files = ground.shards, common.members, ground.settings.rates, ground.files
    uploads = ground.replicas.buckets("upload", rates.upload_per_author)
    downloads = ground.replicas.buckets("download", rates.download_per_author)
    transfers = Transfers(uploads, downloads, common.idempotency)
    return (
        ChatRoutes(shards, common.posting, members),
        AttachmentRoutes(shards, files.attachments, members, uploads, downloads),
        ArchiveRoutes(shards, files.archives, common.access, common.lookup, downloads),
        RecordingRoutes(shards, files.recordings, common.access, members, transfers),
        PeopleRoutes(shards, members, ground.clock, ground.settings.limits.stays),
        EventRoutes(ground.outbox.events, members, common.sockets, ground.replicas.credentials),
        TurnRoutes(common.turn, members),
    )
