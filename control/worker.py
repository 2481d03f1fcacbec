"""The command `worker`: does the jobs that RabbitMQ hands out, any number of processes beside control."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import click
from aiohttp import web

from control import cli
from control.app import run
from control.clock import utc_now
from control.database import Unreachable
from control.edge.html import set_up_templates
from control.edge.middleware import Edge
from control.ground import Ground, ground_of
from control.health import HealthRoutes
from control.jobs.attempts import Handlers
from control.settings import Settings
from control.work import Work, handlers

log = logging.getLogger(__name__)


def build(settings: Settings, amqp_url: str, others: Handlers) -> web.Application:
    """Return the application, which answers to operators alone; it does jobs, also those of `others`."""
    ground = ground_of(settings, utc_now)
    metrics, doers = ground.metrics, {**handlers(ground), **others}
    work = Work(settings, [*ground.shards], ground.outbox.jobs, doers, utc_now, metrics)
    app = web.Application(middlewares=Edge(settings, metrics, ()).middlewares)
    app.router.add_routes(HealthRoutes(ground.shards, metrics, settings.metrics_from).table())
    set_up_templates(app)
    app.cleanup_ctx.append(lambda _app: _live(work, ground, amqp_url))
    return app


async def _live(work: Work, ground: Ground, amqp_url: str) -> AsyncIterator[None]:
    """Bring the databases up to date, then work until the application ends."""
    async with ground.in_use(work.in_worker(amqp_url)):
        yield


@click.command("worker", params=[*cli.command.params])
def command(**options: Any) -> None:
    """Do the jobs that RabbitMQ hands out: mail, reminders and the like. Takes the settings of control."""
    settings = cli.prepared(options)
    if settings.amqp_url is None:
        raise click.ClickException("without --amqp-url (PARLEY_AMQP_URL) control does all jobs by itself.")
    app = build(settings, settings.amqp_url, {})
    try:
        asyncio.run(run(app, settings.host, settings.worker_port))
    except Unreachable as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    command()
