"""The command `restore`: make a system of a backup."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from control.backup.archive import Archive
from control.backup.commands import EXIT_CODES, SYSTEM, objects_of, opened, run, say
from control.backup.folder import FolderArchive
from control.backup.restoring import Restoring
from control.settings import Settings

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("restore", params=[*SYSTEM], epilog=EXIT_CODES)
@click.option(
    "--from", "source", type=FOLDER, required=True, help="The backup: a folder that `backup` printed."
)
@click.option("--with-secrets", is_flag=True, help="Bring the secrets back, too, into a data folder without.")
def command(source: Path, with_secrets: bool, **options: Any) -> None:
    """Restore a backup into databases that nobody has used, before control is started on them.

    There must be as many databases as in the backup; their kinds may differ. Everything is verified before
    anything is changed, and what fails leaves the databases as they were.
    """
    run(partial(_restore, Settings(**options), FolderArchive(source), with_secrets))


async def _restore(settings: Settings, archive: Archive, with_secrets: bool) -> None:
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with opened(settings) as shards:
        restoring = Restoring(shards, objects_of(settings), settings.data, archive, say)
        manifest = await restoring.restore(with_secrets=with_secrets)
    say(f"restored the system as it was at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC")
    if lost := restoring.lost_secrets(manifest):
        say(
            f"Not as they were in {settings.data}: {', '.join(lost)}. Whoever was signed in signs in anew, "
            "guests join anew, and nodes need the secrets that control has now."
        )


if __name__ == "__main__":
    command()
