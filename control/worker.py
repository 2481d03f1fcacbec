"""The command `worker`: does the jobs that RabbitMQ hands out, any number of processes beside control."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import click
from aiohttp import web

from control import cli
from control.agenda import Outbox, agenda
from control.app import run, shards_of
from control.clock import utc_now
from control.database import Unreachable
from control.edge.html import set_up_templates
from control.edge.middleware import Edge
from control.events.fanout import Fanout
from control.events.service import Events
from control.health import HealthRoutes
from control.jobs.attempts import Handlers
from control.jobs.service import Jobs
from control.keys import ensure_secrets, load_secrets
from control.metrics import Metrics
from control.nodes.commands import Commands
from control.settings import Settings
from control.shards.shards import Shards
from control.work import Work, handlers

log = logging.getLogger(__name__)


def build(
    settings: Settings, amqp_url: str, shards: Shards, jobs: Jobs, handlers: Handlers
) -> web.Application:
    """Return the application, which answers to operators alone and works in the background."""
    metrics = Metrics()
    work = Work(settings, [*shards], jobs, handlers, utc_now, metrics)
    app = web.Application(middlewares=Edge(settings, metrics, ()).middlewares)
    app.router.add_routes(HealthRoutes(shards, metrics, settings.metrics_from).table())
    set_up_templates(app)
    app.cleanup_ctx.append(lambda _app: _live(work, shards, amqp_url))
    return app


async def _live(work: Work, shards: Shards, amqp_url: str) -> AsyncIterator[None]:
    """Bring the databases up to date, then work until the application ends."""
    loops = work.in_worker(amqp_url)
    tasks: list[asyncio.Task[None]] = []
    try:
        await shards.prepare(work.settings.database_wait_s)
        tasks += [asyncio.create_task(loop.run()) for loop in loops]
        yield
    finally:
        for loop in loops:
            loop.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await shards.close()


def doing(settings: Settings, shards: Shards, jobs: Jobs) -> Handlers:
    """Return who does the jobs. Events have no listeners here; those of control look for them with Redis."""
    ensure_secrets(settings.data)
    secrets = load_secrets(settings.data)
    fanout = Fanout(settings.limits.event_outbox)
    events = Events(shards, fanout, fanout.announce, settings.limits.event_history)
    outbox = Outbox(events, Commands(utc_now), jobs)
    return handlers(settings, utc_now, agenda(settings, utc_now, secrets.session, shards, outbox))


@click.command("worker", params=[*cli.command.params])
def command(**options: Any) -> None:
    """Do the jobs that RabbitMQ hands out: mail, reminders and the like. Takes the settings of control."""
    settings = cli.prepared(options)
    if settings.amqp_url is None:
        raise click.ClickException("without --amqp-url (PARLEY_AMQP_URL) control does all jobs by itself.")
    shards, jobs = shards_of(settings), Jobs(utc_now)
    app = build(settings, settings.amqp_url, shards, jobs, doing(settings, shards, jobs))
    try:
        asyncio.run(run(app, settings.host, settings.worker_port))
    except Unreachable as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    command()
