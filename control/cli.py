"""The command `control`: settings from options and environment variables, then `serve`."""

import asyncio
import dataclasses
import logging
from typing import Any

import click

from control.app import serve
from control.database import Unreachable
from control.options import OF_BOUNDS, OF_PLACE
from control.part_options import OF_PARTS
from control.settings import JobSettings, Limits, MeetingSettings, Rates, Settings
from control.shards.ids import SHARDS_MAX

QUIET = ("aiosqlite", "alembic", "aio_pika", "aiormq", "botocore")
"""Libraries that would log what people write, or signatures, or are chatty."""

GROUPS: dict[str, type[Any]] = {
    "rates": Rates,
    "limits": Limits,
    "jobs": JobSettings,
    "meetings": MeetingSettings,
}


@click.command("control")
@OF_PLACE
@OF_PARTS
@OF_BOUNDS
def command(**options: Any) -> None:
    """Run the control service: accounts, meetings, chat, tickets.

    Rates are count/seconds, networks are separated by commas, lives are in seconds.
    """
    settings = prepared(options)
    try:
        asyncio.run(serve(settings))
    except Unreachable as error:
        raise click.ClickException(str(error)) from error


def prepared(options: dict[str, Any]) -> Settings:
    """Return the settings that the options make up, with the logging begun that they ask for."""
    settings = settings_from(options)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    return settings


def shared(*fields: str) -> list[click.Parameter]:
    """Return the options of these fields of the settings, for other commands that need them too."""
    return [param for param in command.params if param.name in fields]


def settings_from(options: dict[str, Any]) -> Settings:
    """Return the settings that the options, each named as its field, make up. Raises `click.UsageError`."""
    databases = 1 + len(options["shard_urls"])
    if databases > SHARDS_MAX:
        raise click.UsageError(f"There may be {SHARDS_MAX} databases, not {databases}.")
    if len(options["replica_urls"]) > databases:
        raise click.UsageError("There are more replicas than databases.")
    if (options["s3_key"] is None) != (options["s3_secret"] is None):
        raise click.UsageError("--s3-key and --s3-secret need each other")
    if bool(options["turn_urls"]) != bool(options["turn_secret"]):
        raise click.UsageError("--turn-urls and --turn-secret need each other")
    if options["smtp_url"] and not options["mail_from"]:
        raise click.UsageError("--smtp-url needs --mail-from (PARLEY_MAIL_FROM)")
    if options["smtp_url"] and not options["public_url"]:
        raise click.UsageError("--smtp-url needs --public-url (PARLEY_PUBLIC_URL), for the links in mails")
    groups = {
        name: kind(**{field.name: options.pop(field.name) for field in dataclasses.fields(kind)})
        for name, kind in GROUPS.items()
    }
    return Settings(**options, **groups)


if __name__ == "__main__":
    command()
