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
from control.ground import shards_of
from control.health import HealthRoutes
from control.jobs.attempts import Handlers
from control.jobs.service import Jobs
from control.keys import ensure_secrets, load_secrets
from control.metrics import Metrics
from control.settings import Settings
from control.shards.shards import Shards
from control.work import Work, handlers

log = logging.getLogger(__name__)


def build(settings: Settings, amqp_url: str, others: Handlers) -> web.Application:
    """Return the application, which answers to operators alone; it does jobs, also those of `others`."""
    ensure_secrets(settings.data)
    secrets, metrics = load_secrets(settings.data), Metrics()
    shards, jobs = shards_of(settings), Jobs(utc_now)
    ours = handlers(settings, shards.first, jobs, utc_now, secrets.session)
    work = Work(settings, [*shards], jobs, {**ours, **others}, utc_now, metrics)
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
