"""The command `jobs`: a look at those that were given up, and another try for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from control import cli
from control.app import shards_of
from control.clock import utc_now
from control.database import Database
from control.jobs import store
from control.settings import Settings

PARAMS = cli.shared("data", "database_url", "shard_urls")

Result = TypeVar("Result")


@click.group("jobs")
def command() -> None:
    """Look at the jobs that were given up, and have them tried again."""


@command.command("list", params=[*PARAMS])
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many.")
def list_dead(limit: int, **options: Any) -> None:
    """List the jobs that were given up, of each database the latest first.

    Each line has the job's id, kind, attempts, end and last error, with tabs between them.
    """

    async def look(database: Database) -> list[store.StoredJob]:
        async with database.read() as session:
            return await store.dead(session, limit)

    for job in [job for jobs in _in_each(options, look) for job in jobs][:limit]:
        ended = "" if job.ended_at is None else job.ended_at.isoformat(timespec="seconds")
        click.echo("\t".join((job.id, job.kind, str(job.attempts), ended, job.error or "")))


@command.command("retry", params=[*PARAMS])
@click.argument("job_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All that were given up.")
def retry(job_ids: tuple[str, ...], is_all: bool, **options: Any) -> None:
    """Try jobs again that were given up, from the first attempt on."""
    if bool(job_ids) == is_all:
        raise click.UsageError("name the jobs, or say --all")
    wanted = (None,) if is_all else job_ids

    async def revive(database: Database) -> int:
        async with database.write() as session:
            return sum([await store.revive(session, utc_now(), job_id) for job_id in wanted])

    revived = sum(_in_each(options, revive))
    click.echo(f"{revived} to be tried again")
    if not is_all and revived < len(job_ids):
        raise click.ClickException("the others are not, or no longer, among those given up")


def _in_each(options: dict[str, Any], work: Callable[[Database], Awaitable[Result]]) -> list[Result]:
    """Return what the work in each database gave."""

    async def work_all() -> list[Result]:
        shards = shards_of(Settings(**options))
        try:
            return [await work(database) for database in shards]
        finally:
            await shards.close()

    return asyncio.run(work_all())


if __name__ == "__main__":
    command()
