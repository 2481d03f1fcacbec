"""What `parley backup` and `parley restore` have in common: the system they work on, and how they end."""

import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import click
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from control import cli
from control.backup.problems import Damaged, Unfit
from control.clock import utc_now
from control.database import Unreachable
from control.files import store_of
from control.ground import shards_of
from control.objects.grants import Grants
from control.objects.port import Away, Objects
from control.settings import Settings
from control.shards.shards import Shards

SYSTEM = cli.shared(
    "data",
    "database_url",
    "shard_urls",
    "s3_url",
    "s3_region",
    "s3_key",
    "s3_secret",
    "s3_wait_s",
)
"""The options that say where a system's databases, files and secrets are, as control has them."""

EXIT_CODES = """\b
Exit codes:
  0  done
  1  something did not answer, or could not be read or written; tried again, it may succeed
  2  the options make no sense
  3  the backup is damaged
  4  the backup and this system do not go together, or the system is not in a state for it
"""
DAMAGED = 3
UNFIT = 4


def say(text: str) -> None:
    """Tell an operator how far things have got."""
    click.echo(text, err=True)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Shards, Objects]]:
    """The settings' databases, as they are: not brought up to date; and the store of their files."""
    shards = shards_of(settings)
    nobody = Grants(secrets.token_bytes(32), utc_now)  # no address is given out here
    objects = store_of(settings, nobody)
    try:
        await objects.prepare(settings.s3_wait_s)
        yield shards, objects
    finally:
        await objects.close()
        await shards.close()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do the work, and end the process with the exit code of what went wrong, if something did."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(work())
    except Damaged as error:
        _end(f"the backup is damaged: {error}", DAMAGED)
    except Unfit as error:
        _end(str(error), UNFIT)
    except (DataError, IntegrityError) as error:
        _end(f"the backup is damaged: a database refuses its rows: {error.orig}", DAMAGED)
    except SQLAlchemyError as error:
        _end(f"a database: {getattr(error, 'orig', None) or error}", 1)
    except (Away, OSError, Unreachable) as error:
        _end(str(error), 1)


def _end(text: str, code: int) -> None:
    say(f"Error: {text}")
    sys.exit(code)
