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
from control.agenda import Agenda, Outbox, agenda
from control.api_keys.admission import KeyAdmission
from control.api_keys.routes import ApiKeyRoutes
from control.api_keys.service import ApiKeys
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
from control.health import HealthRoutes
from control.idempotency.service import Idempotency
from control.invitations.routes import InvitationRoutes, MailRoutes
from control.jobs.service import Jobs
from control.join.routes import JoinRoutes
from control.join.service import Joining
from control.keys import Secrets, ensure_secrets, load_secrets
from control.meetings.lists import Lists
from control.meetings.lookup import Lookup
from control.meetings.routes import Making, MeetingRoutes
from control.metrics import Metrics
from control.nodes.commands import Commands, CommandSender
from control.nodes.routes import NodeRoutes
from control.nodes.service import Nodes
from control.openapi.routes import OpenApiRoutes
from control.pages.routes import PageRoutes
from control.people.members import Members
from control.people.routes import PeopleRoutes
from control.people.service import People
from control.rates import Buckets
from control.settings import Settings
from control.shards.shards import Shards
from control.socket_io.answering import Rules
from control.socket_io.routes import SocketIoRoutes
from control.work import Work, handlers

log = logging.getLogger(__name__)

DRAIN_S = 5.0


@dataclass(frozen=True)
class Ground:
    """What the slices stand on."""

    settings: Settings
    clock: Clock
    secrets: Secrets
    metrics: Metrics
    shards: Shards
    fanout: Fanout
    relay: Relay | None
    outbox: Outbox
    agenda: Agenda
    passwords: Passwords


def build(settings: Settings, clock: Clock = utc_now) -> web.Application:
    """Return the application. It makes missing secrets, and migrates its database when it starts."""
    ensure_secrets(settings.data)
    limits = settings.limits
    metrics, fanout = Metrics(), Fanout(limits.event_outbox)
    shards = shards_of(settings)
    secrets, relay = load_secrets(settings.data), None
    if settings.redis_url:
        relay = Relay(settings.redis_url, secrets.cluster, shards, fanout, metrics)
    announce = (relay or fanout).announce
    outbox = Outbox(Events(shards, fanout, announce, limits.event_history), Commands(clock), Jobs(clock))
    ground = Ground(
        settings=settings,
        clock=clock,
        secrets=secrets,
        metrics=metrics,
        shards=shards,
        fanout=fanout,
        relay=relay,
        outbox=outbox,
        agenda=agenda(settings, clock, secrets.session, shards, outbox),
        passwords=Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue),
    )
    people = People(outbox.events)
    nodes = Nodes(shards, clock, people, outbox.commands, metrics, lease_s=settings.node_lease_s)
    edge = Edge(settings, metrics, COOKIES)
    app = web.Application(middlewares=edge.middlewares, client_max_size=limits.body_bytes)
    app.cleanup_ctx.append(lambda _app: _live(ground, nodes))
    app.on_shutdown.append(partial(_dismiss, ground.fanout))
    _serve_people(app, ground)
    app.router.add_routes(_routes_for_machines(ground, nodes))
    set_up_templates(app)
    app.on_response_prepare.append(protect)
    return app


def shards_of(settings: Settings) -> Shards:
    """Return the databases."""
    limits = {"readers": settings.database_readers, "writers": settings.database_writers}
    return Shards([Database(url, replica=replica, **limits) for url, replica in settings.databases])


def _serve_people(app: web.Application, ground: Ground) -> None:
    settings, clock, shards, secrets = ground.settings, ground.clock, ground.shards, ground.secrets
    rates, events, agenda = settings.rates, ground.outbox.events, ground.agenda
    tokens = AccessTokens(
        secrets.session, clock, account_s=settings.access_token_s, guest_s=settings.guest_token_s
    )
    accounts = Accounts(clock, secrets.session, refresh_s=settings.refresh_token_s)
    access = Access(tokens)
    lookup = Lookup(shards, Buckets(rates.guess_per_address, clock))
    members = Members(shards, lookup, access)
    joining = Joining(clock, secrets.ticket_key, settings.node_lease_s)
    sockets, posts = Sockets(settings.limits, ground.metrics), Buckets(rates.chat_per_author, clock)
    chat = Chat(clock, events)
    rules = Rules(shards, members, chat, posts, settings.limits, ground.metrics)
    socket_io = SocketIoRoutes(rules, events, sockets, tokens, settings, clock)
    keys = ApiKeys(clock, settings.limits.api_keys_each)
    making = Making(Buckets(rates.create_per_account, clock), Idempotency(clock, settings.idempotency_s))
    slices = (
        AccountRoutes(shards.first, accounts, ground.passwords, tokens, access, AccountLimits(rates, clock)),
        ApiKeyRoutes(shards.first, keys, access, Buckets(rates.key_per_account, clock)),
        MeetingRoutes(shards, agenda.meetings, Lists(shards, clock), lookup, access, making),
        InvitationRoutes(shards, agenda.invitations, lookup, access),
        JoinRoutes(shards, joining, lookup, access, tokens, Buckets(rates.join_per_address, clock)),
        ChatRoutes(shards, chat, members, posts),
        PeopleRoutes(shards, members, clock, settings.limits.stays),
        EventRoutes(events, members, sockets),
    )
    endpoints = [endpoint for part in slices for endpoint in part.table()]
    endpoints += OpenApiRoutes(endpoints).table()
    admit = KeyAdmission(shards.first, keys).admit
    app.router.add_routes([endpoint.route(admit) for endpoint in endpoints])
    app.router.add_routes(PageRoutes(shards, tokens, lookup).table())
    app.router.add_routes(MailRoutes(shards, agenda.invitations, agenda.mail_tokens).table())
    app.router.add_routes(socket_io.table())
    app.cleanup_ctx.append(socket_io.live)
    app.on_shutdown.append(socket_io.dismiss)


def _routes_for_machines(ground: Ground, nodes: Nodes) -> list[web.RouteDef]:
    settings = ground.settings
    reports = NodeRoutes(nodes, ground.clock, ground.secrets.cluster, settings.limits.report_bytes)
    health = HealthRoutes(ground.shards, ground.metrics, settings.metrics_from)
    return reports.table() + health.table()


async def serve(settings: Settings) -> None:
    """Run control until it is interrupted or terminated; listeners are told to come back elsewhere."""
    await run(build(settings), settings.host, settings.port)


async def run(app: web.Application, host: str, port: int) -> None:
    """Run an application until the process is interrupted or terminated."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        log.info("listening on %s port %d", host, port)
        await stop.wait()
    finally:
        await runner.cleanup()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _sweep(nodes: Nodes, stop: asyncio.Event) -> None:
    """Look for silent nodes until stopped; at first only after they had the time to report to us."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(nodes.lease.total_seconds()):
                await stop.wait()
                return
        try:
            await nodes.sweep()
        except Exception:
            log.exception("silent nodes could not be looked for; trying again")


async def _live(ground: Ground, nodes: Nodes) -> AsyncIterator[None]:
    """Bring the database up to date, then work in the background until the application ends."""
    sender = CommandSender(
        ground.shards, ground.outbox.commands, ground.clock, ground.secrets.cluster, ground.metrics
    )
    tasks: list[asyncio.Task[None]] = []
    work = Work(
        ground.settings,
        [*ground.shards],
        ground.outbox.jobs,
        handlers(ground.settings, ground.clock, ground.agenda),
        ground.clock,
        ground.metrics,
    ).in_control()
    stop = asyncio.Event()
    try:
        await ground.shards.prepare(ground.settings.database_wait_s)
        tasks += [
            asyncio.create_task(sender.run()),
            asyncio.create_task(_sweep(nodes, stop)),
            *(asyncio.create_task(loop.run()) for loop in work),
        ]
        if ground.relay is not None:
            tasks.append(asyncio.create_task(ground.relay.run()))
        yield
    finally:
        sender.stop()
        for loop in work:
            loop.stop()
        if ground.relay is not None:
            ground.relay.stop()
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        ground.passwords.close()
        await ground.shards.close()


async def _dismiss(fanout: Fanout, _app: web.Application) -> None:
    """Let the listeners go; they come back to whoever answers next."""
    fanout.stop()
