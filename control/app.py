"""Composition: from settings to a running service. Each part is made here, and given what it needs."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Coroutine

from aiohttp import web

from control.accounts.access import COOKIES, Access
from control.accounts.passwords import Passwords
from control.accounts.routes import AccountLimits, AccountRoutes
from control.accounts.service import Accounts
from control.accounts.tokens import AccessTokens
from control.chat.routes import ChatRoutes
from control.chat.service import Chat
from control.clock import Clock, utc_now
from control.database import Database
from control.edge.headers import protect
from control.edge.html import set_up_templates
from control.edge.middleware import Edge
from control.events.fanout import Fanout
from control.events.routes import EventRoutes
from control.events.service import Events
from control.events.sockets import Sockets
from control.health import HealthRoutes
from control.join.routes import JoinRoutes
from control.join.service import Joining
from control.keys import ensure_secrets, load_secrets
from control.meetings.lookup import Lookup
from control.meetings.routes import MeetingRoutes
from control.meetings.service import Meetings
from control.metrics import Metrics
from control.nodes.commands import Commands, CommandSender
from control.nodes.routes import NodeRoutes
from control.nodes.service import Nodes
from control.pages.routes import PageRoutes
from control.people.members import Members
from control.people.routes import PeopleRoutes
from control.people.service import People
from control.rates import Buckets
from control.settings import Settings

log = logging.getLogger(__name__)

DRAIN_S = 5.0


def build(settings: Settings, clock: Clock = utc_now) -> web.Application:
    """Return the application. It makes missing secrets, and migrates its database when it starts."""
    ensure_secrets(settings.data)
    secrets = load_secrets(settings.data)
    rates, limits = settings.rates, settings.limits
    metrics = Metrics()
    database = Database(settings.database)
    fanout = Fanout(limits.event_outbox)
    tokens = AccessTokens(
        secrets.session, clock, account_s=settings.access_token_s, guest_s=settings.guest_token_s
    )
    access = Access(tokens)
    lookup = Lookup(Buckets(rates.guess_per_address, clock))
    members = Members(lookup, access)
    passwords = Passwords(settings.bcrypt_cost, settings.bcrypt_threads, limits.password_queue)
    accounts = Accounts(clock, secrets.session, refresh_s=settings.refresh_token_s)
    events = Events(database, fanout, limits.event_history)
    people = People(events)
    chat = Chat(clock, events)
    commands = Commands(clock)
    meetings = Meetings(clock, events, chat, commands)
    nodes = Nodes(clock, people, commands, metrics, settings.node_lease_s)
    joining = Joining(clock, secrets.ticket_key, settings.node_lease_s)
    sender = CommandSender(database, commands, clock, secrets.cluster, metrics)

    app = web.Application(
        middlewares=Edge(settings, metrics, COOKIES).middlewares, client_max_size=limits.body_bytes
    )
    for routes in (
        AccountRoutes(database, accounts, passwords, tokens, access, AccountLimits(rates, clock)),
        MeetingRoutes(database, meetings, lookup, access, Buckets(rates.create_per_account, clock)),
        JoinRoutes(database, joining, lookup, access, tokens, Buckets(rates.join_per_address, clock)),
        ChatRoutes(database, chat, members, Buckets(rates.chat_per_author, clock)),
        PeopleRoutes(database, members),
        EventRoutes(database, events, members, Sockets(limits, metrics)),
        NodeRoutes(database, nodes, clock, secrets.cluster, limits.report_bytes),
        PageRoutes(database, tokens, lookup),
        HealthRoutes(database, metrics, settings.metrics_from),
    ):
        app.router.add_routes(routes.table())
    set_up_templates(app)
    app.on_response_prepare.append(protect)

    async def run_parts(_app: web.Application) -> AsyncIterator[None]:
        try:
            await database.migrate()
            async with _running(sender.run(), _sweep(database, nodes)):
                yield
        finally:
            passwords.close()
            await database.close()

    async def stop_listeners(_app: web.Application) -> None:
        fanout.stop()

    app.cleanup_ctx.append(run_parts)
    app.on_shutdown.append(stop_listeners)
    return app


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


async def _sweep(database: Database, nodes: Nodes) -> None:
    """Look for silent nodes, again and again; at first only after they had the time to report to us."""
    while True:
        await asyncio.sleep(nodes.lease.total_seconds())
        try:
            async with database.write() as session:
                await nodes.sweep(session)
        except Exception:
            log.exception("silent nodes could not be looked for; trying again")


@contextlib.asynccontextmanager
async def _running(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do the work beside the block, and stop it at the block's end."""
    tasks = [asyncio.create_task(part) for part in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
