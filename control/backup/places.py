"""Where backups are: folders by their path, buckets by their URL, of which a backup's name is the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from yarl import URL

from control.backup.archive import NAME, Archive, Shelf
from control.backup.bucket import BucketArchive, BucketShelf
from control.backup.folder import FolderArchive, FolderShelf
from control.files import bucket_of
from control.objects.s3 import S3
from control.settings import Settings

Place = Path | URL


class PlaceType(click.ParamType[Place]):
    """A folder's path, or a URL with so many parts after the bucket's."""

    name = "place"

    def __init__(self, *, of_backup: bool) -> None:
        self._of_backup = of_backup

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Return the place. What was given is not repeated: there may be a secret in it."""
        if not str(value).startswith(("http://", "https://")):
            return Path(value)
        url = URL(value)
        if not url.host or url.user or len(url.parts) != 2 + self._of_backup:
            self.fail("not an address such as https://s3.example.org/bucket", param, ctx)
        if self._of_backup and not NAME.fullmatch(url.name):
            self.fail("does not end with the name of a backup, such as /20311231T030000Z", param, ctx)
        return url


@asynccontextmanager
async def shelf_at(place: Place, settings: Settings) -> AsyncIterator[Shelf]:
    """The place of a system's backups. Raises `Unreachable`."""
    if isinstance(place, Path):
        yield FolderShelf(place)
    else:
        async with _connected(place, settings) as store:
            yield BucketShelf(store, str(place))


@asynccontextmanager
async def archive_at(place: Place, settings: Settings) -> AsyncIterator[Archive]:
    """One backup. Raises `Unreachable`."""
    if isinstance(place, Path):
        yield FolderArchive(place)
    else:
        async with _connected(place.parent, settings) as store:
            yield BucketArchive(store, str(place.parent), place.name)


@asynccontextmanager
async def _connected(bucket: URL, settings: Settings) -> AsyncIterator[S3]:
    store = S3(bucket_of(settings, bucket), None)
    try:
        await store.connect(settings.s3_wait_s)
        yield store
    finally:
        await store.close()
