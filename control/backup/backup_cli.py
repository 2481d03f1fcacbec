"""The command `backup`: make a backup of a system, or see whether one is whole."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from control.backup.archive import Archive, Shelf
from control.backup.commands import EXIT_CODES, SYSTEM, objects_of, opened, run, say
from control.backup.folder import FolderArchive, FolderShelf
from control.backup.reading import verify
from control.backup.taking import Taking, thin_out
from control.clock import utc_now
from control.settings import Settings

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("backup", params=[*SYSTEM], epilog=EXIT_CODES)
@click.option("--to", "to", type=FOLDER, help="Folder of this system's backups: each is a folder in it.")
@click.option(
    "--keep", type=click.IntRange(min=1), help="Then remove all but so many of them; none if absent."
)
@click.option("--with-secrets", is_flag=True, help="Put the data folder's secrets into the backup as well.")
@click.option("--verify", "to_verify", type=FOLDER, help="Make no backup, but see whether this one is whole.")
def command(
    to: Path | None, keep: int | None, with_secrets: bool, to_verify: Path | None, **options: Any
) -> None:
    """Make a backup, while control runs or not, and print where it is.

    It holds all databases, each as it was at one moment, and can be restored into SQLite and PostgreSQL
    alike. Give the addresses of the databases as control has them. Backups hold what people wrote and hashes
    of their passwords; with the secrets, all that it takes to pass for anybody. Keep them like the system.
    """
    if to is not None and to_verify is None:
        run(partial(_back_up, Settings(**options), FolderShelf(to), keep, with_secrets))
    elif to_verify is not None and (to, keep, with_secrets) == (None, None, False):
        run(partial(_verify, FolderArchive(to_verify)))
    else:
        raise click.UsageError("Say --to, perhaps with --keep and --with-secrets, or --verify alone.")


async def _back_up(settings: Settings, shelf: Shelf, keep: int | None, with_secrets: bool) -> None:
    made_at = utc_now()
    async with opened(settings) as shards, shelf.draft(made_at) as archive:
        taking = Taking(shards, objects_of(settings), settings.data, archive, say)
        manifest = await taking.take(made_at, with_secrets=with_secrets)
    click.echo(archive)
    if keep is not None:
        await thin_out(shelf, manifest.system, keep)


async def _verify(archive: Archive) -> None:
    manifest = await verify(archive, say)
    counts = {
        "databases": len(manifest.databases),
        "rows": sum(table.rows for tables in manifest.databases for table in tables),
        "objects": manifest.objects.rows,
    }
    told = ", ".join(f"{what}: {count}" for what, count in counts.items())
    say(f"whole: made {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {told}")


if __name__ == "__main__":
    command()
