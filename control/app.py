"""Composition: from settings to a running service. Each part is made here, and given what it needs."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from control.accounts.access import COOKIES, Access
from control.accounts.passwords import Passwords
from control.accounts.routes import AccountLimits, AccountRoutes
from control.accounts.service import Accounts
from control.accounts.tokens import AccessTokens
from control.attachments.routes import AttachmentRoutes
from control.chat.routes import ChatRoutes
from control.chat.service import Chat
from control.clock import Clock, utc_now
from control.database import Database
from control.edge.headers import protect
from control.edge.html import set_up_templates
from control.edge.middleware import Edge
from control.events.fanout import Fanout
from control.events.relay import Relay
from control.events.routes import EventRoutes
from control.events.service import Events
from control.events.sockets import Sockets
from control.files import Files
from control.health import HealthRoutes
from control.join.routes import JoinRoutes
from control.join.service import Joining
from control.keys import Secrets, ensure_secrets, load_secrets
from control.meetings.lookup import Lookup
from control.meetings.routes import MeetingRoutes
from control.meetings.service import Meetings
from control.metrics import Metrics
from control.nodes.commands import Commands, CommandSender
from control.nodes.routes import NodeRoutes
from control.nodes.service import Nodes
from control.objects.port import Away
from control.pages.routes import PageRoutes
from control.people.members import Members
from control.people.routes import PeopleRoutes
from control.people.service import People
from control.rates import Buckets
from control.recordings.routes import RecordingRoutes
from control.settings import Settings

log = logging.getLogger(__name__)

DRAIN_S = 5.0


@dataclass(frozen=True)
class Ground:
    """What the slices stand on."""

    settings: Settings
    clock: Clock
    secrets: Secrets
    metrics: Metrics
    database: Database
    fanout: Fanout
    relay: Relay | None
    passwords: Passwords
    files: Files


def build(settings: Settings, clock: Clock = utc_now) -> web.Application:
    """Return the application. It makes missing secrets, and migrates its database when it starts."""
    ensure_secrets(settings.data)
    limits = settings.limits
    metrics, fanout = Metrics(), Fanout(limits.event_outbox)
    database = Database(
        settings.database, readers=settings.database_readers, writers=settings.database_writers
    )
    secrets, relay = load_secrets(settings.data), None
    if settings.redis_url:
        relay = Relay(settings.redis_url, secrets.cluster, database, fanout, metrics)
    ground = Ground(
        settings=settings,
        clock=clock,
        secrets=secrets,
        metrics=metrics,
        database=database,
        fanout=fanout,
        relay=relay,
        passwords=Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue),
        files=Files(settings, clock, secrets, metrics),
    )
    events = Events(database, fanout, (relay or fanout).announce, limits.event_history)
    commands = Commands(clock)
    nodes = Nodes(clock, People(events), commands, ground.metrics, settings.node_lease_s)
    edge = Edge(settings, ground.metrics, COOKIES)
    app = web.Application(middlewares=edge.middlewares, client_max_size=limits.body_bytes)
    app.router.add_routes(_routes_for_people(ground, events, commands))
    app.router.add_routes(_routes_for_machines(ground, nodes))
    set_up_templates(app)
    app.on_response_prepare.append(partial(protect, ground.files.objects.origin))
    app.cleanup_ctx.append(lambda _app: _live(ground, commands, nodes))
    app.on_shutdown.append(partial(_dismiss, ground.fanout))
    return app


def _routes_for_people(ground: Ground, events: Events, commands: Commands) -> list[web.AbstractRouteDef]:
    settings, clock, database, secrets = ground.settings, ground.clock, ground.database, ground.secrets
    rates = settings.rates
    tokens = AccessTokens(
        secrets.session, clock, account_s=settings.access_token_s, guest_s=settings.guest_token_s
    )
    accounts = Accounts(clock, secrets.session, refresh_s=settings.refresh_token_s)
    access = Access(tokens)
    lookup = Lookup(Buckets(rates.guess_per_address, clock))
    members = Members(lookup, access)
    attachments, recordings = ground.files.attachments, ground.files.recordings
    downloads = Buckets(rates.download_per_author, clock)
    chat = Chat(clock, events, attachments)
    meetings = Meetings(clock, events, chat, commands)
    joining = Joining(clock, secrets.ticket_key, settings.node_lease_s)
    sockets = Sockets(settings.limits, ground.metrics)
    slices = (
        AccountRoutes(database, accounts, ground.passwords, tokens, access, AccountLimits(rates, clock)),
        MeetingRoutes(database, meetings, lookup, access, Buckets(rates.create_per_account, clock)),
        JoinRoutes(database, joining, lookup, access, tokens, Buckets(rates.join_per_address, clock)),
        ChatRoutes(database, chat, attachments, members, Buckets(rates.chat_per_author, clock)),
        AttachmentRoutes(database, attachments, members, Buckets(rates.upload_per_author, clock), downloads),
        RecordingRoutes(database, recordings, access, members, downloads),
        PeopleRoutes(database, members),
        EventRoutes(database, events, members, sockets),
        PageRoutes(database, tokens, lookup),
    )
    return [route for part in slices for route in part.table()] + ground.files.routes


def _routes_for_machines(ground: Ground, nodes: Nodes) -> list[web.RouteDef]:
    settings, database = ground.settings, ground.database
    reports = NodeRoutes(database, nodes, ground.clock, ground.secrets.cluster, settings.limits.report_bytes)
    health = HealthRoutes(database, ground.metrics, settings.metrics_from)
    return reports.table() + health.table()


async def serve(settings: Settings) -> None:
    """Run control until it is interrupted or terminated; listeners are told to come back elsewhere."""
    runner = web.AppRunner(build(settings), access_log=None, shutdown_timeout=DRAIN_S)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.port).start()
        log.info("control listens on %s port %d", settings.host, settings.port)
        await stop.wait()
    finally:
        await runner.cleanup()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _sweep(database: Database, nodes: Nodes, stop: asyncio.Event) -> None:
    """Look for silent nodes until stopped; at first only after they had the time to report to us."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(nodes.lease.total_seconds()):
                await stop.wait()
                return
        try:
            async with database.write() as session:
                await nodes.sweep(session)
        except Exception:
            log.exception("silent nodes could not be looked for; trying again")


async def _tidy(ground: Ground, stop: asyncio.Event) -> None:
    """Take away files that may go, until stopped."""
    while not stop.is_set():
        try:
            await ground.files.sweep(ground.database)
        except Away as error:
            log.warning("files could not be deleted; trying again: %s", error)
        except Exception:
            log.exception("files that may go could not be looked for; trying again")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ground.settings.sweep_s):
                await stop.wait()


async def _live(ground: Ground, commands: Commands, nodes: Nodes) -> AsyncIterator[None]:
    """Bring the database up to date, then work in the background until the application ends."""
    sender = CommandSender(ground.database, commands, ground.clock, ground.secrets.cluster, ground.metrics)
    tasks: list[asyncio.Task[None]] = []
    stop = asyncio.Event()
    try:
        await ground.database.prepare(ground.settings.database_wait_s)
        await ground.files.objects.prepare(ground.settings.s3_wait_s)
        tasks += [
            asyncio.create_task(sender.run()),
            asyncio.create_task(_sweep(ground.database, nodes, stop)),
            asyncio.create_task(_tidy(ground, stop)),
        ]
        if ground.relay is not None:
            tasks.append(asyncio.create_task(ground.relay.run()))
        yield
    finally:
        sender.stop()
        if ground.relay is not None:
            ground.relay.stop()
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        ground.passwords.close()
        await ground.files.objects.close()
        await ground.database.close()


async def _dismiss(fanout: Fanout, _app: web.Application) -> None:
    """Let the listeners go; they come back to whoever answers next."""
    fanout.stop()
