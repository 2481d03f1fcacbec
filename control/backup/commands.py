"""What `parley backup` and `parley restore` have in common: the system they work on, and how they end."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from control import cli
from control.app import shards_of
from control.backup.problems import Damaged, Unfit
from control.database import Unreachable
from control.objects.port import Away, Objects
from control.settings import Settings
from control.shards.shards import Shards

SYSTEM = cli.shared("data", "database_url", "shard_urls")
"""The options that say where a system's databases and secrets are, as control has them."""

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
async def opened(settings: Settings) -> AsyncIterator[Shards]:
    """The settings' databases, as they are: not brought up to date."""
    shards = shards_of(settings)
    try:
        yield shards
    finally:
        await shards.close()


def objects_of(settings: Settings) -> Objects | None:  # noqa: ARG001 - there is no store of objects yet
    """Return the settings' store of objects, None while there is none."""
    return None


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do the work, and end the process with the exit code of what went wrong, if something did."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(work())
    except Damaged as error:
        _end(f"the backup is damaged: {error}", DAMAGED)
    except Unfit as error:
        _end(str(error), UNFIT)
    except SQLAlchemyError as error:
        _end(f"a database: {getattr(error, 'orig', None) or error}", 1)
    except (Away, OSError, Unreachable) as error:
        _end(str(error), 1)


def _end(text: str, code: int) -> None:
    say(f"Error: {text}")
    sys.exit(code)
