"""A worker as a process that also does the tests' kinds of jobs; it takes the settings of a worker."""

import asyncio

from control import cli
from control.app import run, shards_of
from control.clock import utc_now
from control.jobs.service import Jobs
from control.worker import build, doing
from tests.integration.control.jobbing import Hand


def main() -> None:
    context = cli.command.make_context("worker", [])
    settings = cli.prepared(context.params)
    assert settings.amqp_url is not None
    shards, jobs = shards_of(settings), Jobs(utc_now)
    handlers = {**doing(settings, shards, jobs), **Hand().handlers}
    app = build(settings, settings.amqp_url, shards, jobs, handlers)
    asyncio.run(run(app, settings.host, settings.worker_port))


if __name__ == "__main__":
    main()
