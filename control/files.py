"""The slices that keep files, put together: where objects are, and what is kept there for how long."""

from aiohttp import web
from yarl import URL

from control.archives.service import Archives
from control.attachments.service import Attachments
from control.clock import Clock
from control.database import Database
from control.events.service import Events
from control.keys import Secrets
from control.metrics import Metrics
from control.objects.disposal import Disposal
from control.objects.folder import Folder
from control.objects.grants import Grants
from control.objects.port import Objects
from control.objects.routes import ObjectRoutes
from control.objects.s3 import S3, Bucket
from control.recordings.service import Recordings
from control.settings import Settings


class Files:
    """The store of objects that the settings choose, and those who keep something in it.

    `routes` are those that the store itself needs; S3 needs none.
    """

    def __init__(
        self, settings: Settings, clock: Clock, secrets: Secrets, metrics: Metrics, events: Events
    ) -> None:
        grants = Grants(secrets.session, clock)
        store = store_of(settings, grants)
        self.objects: Objects = store
        self.routes: list[web.RouteDef] = []
        if isinstance(store, Folder):
            self.routes = ObjectRoutes(store, grants, settings.limits.uploads).table()
        self.attachments = Attachments(self.objects, clock, metrics, settings)
        self.recordings = Recordings(self.objects, events, clock, metrics, settings)
        self.archives = Archives(self.objects, clock, settings)
        self._disposal = Disposal(self.objects, metrics)

    async def sweep(self, database: Database) -> None:
        """Give up files that may go, and delete what was given up. Raises `Away`."""
        async with database.write() as session:
            await self.attachments.sweep(session)
            await self.recordings.sweep(session)
            await self.archives.sweep(session)
        await self._disposal.run(database)


def store_of(settings: Settings, grants: Grants) -> Folder | S3:
    """Return the store of objects: the bucket set, else a folder in the data folder."""
    if settings.s3_url is None:
        return Folder(settings.data / "objects", grants)
    return S3(bucket_of(settings, settings.s3_url), settings.public_url)


def bucket_of(settings: Settings, url: URL) -> Bucket:
    """Return the bucket at the address, and the right to it that is set."""
    return Bucket(
        endpoint=url.origin(),
        name=url.name,
        region=settings.s3_region,
        key=settings.s3_key,
        secret=settings.s3_secret,
        public=settings.s3_public_url,
    )
