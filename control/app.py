"""Composition: from settings to a running service."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from functools import partial

from aiohttp import web

from control.accounts.access import COOKIES
from control.clock import Clock, utc_now
from control.edge.headers import protect
from control.edge.html import set_up_templates
from control.edge.middleware import Edge
from control.events.fanout import Fanout
from control.ground import Ground, ground_of
from control.health import HealthRoutes
from control.invitations.routes import MailRoutes
from control.loop import Loop, Repeated
from control.nodes.commands import CommandSender
from control.nodes.routes import NodeRoutes
from control.nodes.service import Nodes
from control.nodes.watch import Watch
from control.objects.port import Away
from control.openapi.routes import OpenApiRoutes
from control.pages.routes import PageRoutes
from control.people.service import People
from control.settings import Settings
from control.slices import common_of, endpoints, evacuation_of
from control.socket_io.answering import Rules
from control.socket_io.hearing import Doors
from control.socket_io.routes import SocketIoRoutes
from control.verification.routes import VerificationPages
from control.work import Work, handlers

log = logging.getLogger(__name__)

DRAIN_S = 5.0
EVACUATION_S = 1.0


def build(settings: Settings, clock: Clock = utc_now) -> web.Application:
    """Return the application. It makes missing secrets, and migrates its database when it starts."""
    ground = ground_of(settings, clock)
    people = People(ground.outbox.events)
    nodes = Nodes(
        ground.shards, clock, people, ground.outbox.commands, ground.metrics, lease_s=settings.node_lease_s
    )
    edge = Edge(settings, ground.metrics, COOKIES)
    app = web.Application(middlewares=edge.middlewares, client_max_size=settings.limits.body_bytes)
    app.cleanup_ctx.append(lambda _app: _live(ground, nodes))
    app.on_shutdown.append(partial(_dismiss, ground.fanout))
    _serve_people(app, ground, nodes)
    app.router.add_routes(_routes_for_machines(ground, nodes))
    set_up_templates(app)
    app.on_response_prepare.append(partial(protect, ground.files.objects.origin))
    return app


def _serve_people(app: web.Application, ground: Ground, nodes: Nodes) -> None:
    common = common_of(ground)
    api = endpoints(ground, common, nodes)
    api += OpenApiRoutes(api).table()
    app.router.add_routes([endpoint.route(common.admission.admit) for endpoint in api])
    app.router.add_routes(ground.files.routes)
    pages = PageRoutes(ground.shards, common.access, common.lookup, ground.verification)
    app.router.add_routes(pages.table())
    app.router.add_routes(VerificationPages(ground.shards.first, ground.verification).table())
    agenda = ground.agenda
    app.router.add_routes(MailRoutes(ground.shards, agenda.invitations, agenda.mail_tokens).table())
    rules = Rules(
        shards=ground.shards,
        members=common.members,
        posting=common.posting,
        limits=ground.settings.limits,
        metrics=ground.metrics,
    )
    doors = Doors(
        admission=common.admission,
        credentials=ground.replicas.credentials,
        sockets=common.sockets,
        connects=ground.replicas.buckets("connect", ground.settings.rates.connect_per_address),
    )
    socket_io = SocketIoRoutes(rules, doors, ground.outbox.events, ground.settings, ground.clock)
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
    """Run an application until the process is interrupted or terminated; without a host, on all addresses."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await runner.setup()
        await web.TCPSite(runner, host or None, port).start()
        log.info("listening on %s port %d", host or "all addresses,", port)
        await stop.wait()
    finally:
        await runner.cleanup()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _tidy(ground: Ground) -> None:
    """Take away files that may go."""
    try:
        for database in ground.shards:
            await ground.files.sweep(database)
    except Away as error:
        log.warning("files could not be deleted; trying again: %s", error)


def _upkeep(ground: Ground, nodes: Nodes) -> list[Loop]:
    """Return what control does again and again."""
    watch, evacuation = Watch(nodes, ground.clock), evacuation_of(ground)
    return [
        Repeated(watch.look, watch.every_s, "silent nodes could not be looked for"),
        Repeated(evacuation.step, EVACUATION_S, "rooms could not be moved off nodes that drain"),
        Repeated(
            partial(_tidy, ground), ground.settings.sweep_s, "files that may go could not be looked for"
        ),
    ]


async def _live(ground: Ground, nodes: Nodes) -> AsyncIterator[None]:
    """Bring the database up to date, then work in the background until the application ends."""
    sender = CommandSender(
        ground.shards, ground.outbox.commands, ground.clock, ground.secrets.cluster, ground.metrics
    )
    work = Work(
        ground.settings,
        [*ground.shards],
        ground.outbox.jobs,
        handlers(ground),
        ground.clock,
        ground.metrics,
    )
    async with ground.in_use([sender, *work.in_control(), *_upkeep(ground, nodes)]):
        if not ground.settings.must_verify_email:
            log.info("accounts' e-mail addresses are not verified, but taken for their owners'")
        yield


async def _dismiss(fanout: Fanout, _app: web.Application) -> None:
    """Let the listeners go; they come back to whoever answers next."""
    fanout.stop()
