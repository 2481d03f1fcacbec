"""The folder's objects over HTTP, for browsers that were given a grant; S3 answers them itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aiohttp import BodyPartReader, MultipartReader, hdrs, web

from control.edge.body import read_form
from control.objects.folder import CHUNK_BYTES, Folder
from control.objects.grants import Grants, UploadGrant
from control.refusals import Reason, Refused, invalid


class ObjectRoutes:
    """The routes of the folder. Whoever has a grant may use it; there is no other check."""

    def __init__(self, folder: Folder, grants: Grants, uploads_max: int) -> None:
        self._folder = folder
        self._grants = grants
        self._uploads_max = uploads_max
        self._uploading: set[str] = set()

    def table(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/objects/{grant}", self.upload),
            web.get("/objects/{grant}", self.download),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """Store the file of a form: the field Content-Type, then the field file."""
        grant = self._grants.upload(request.match_info["grant"])
        try:
            with self._seat(grant.sub):
                async with asyncio.timeout(self._grants.left_s(grant)):
                    file = await _file_of(request, grant)
                    await self._folder.put(grant.sub, _exactly(file, grant.size), grant.content_type)
        except TimeoutError as error:
            raise Refused(Reason.FORBIDDEN) from error
        except (ValueError, ConnectionError, web.RequestPayloadError) as error:
            raise Refused(Reason.BAD_REQUEST) from error
        return web.Response(status=204)

    @contextmanager
    def _seat(self, key: str) -> Iterator[None]:
        """Hold one of the places for uploads inside the block. Raises `Refused` with OVERLOADED."""
        if key in self._uploading or len(self._uploading) >= self._uploads_max:
            raise Refused(Reason.OVERLOADED, retry_after_s=5)
        self._uploading.add(key)
        try:
            yield
        finally:
            self._uploading.remove(key)

    async def download(self, request: web.Request) -> web.FileResponse:
        """Give the object, or the ranges of it that are asked for; nothing in it may run."""
        grant = self._grants.download(request.match_info["grant"])
        path = self._folder.file(grant.sub)
        if path is None:
            raise Refused(Reason.FILE_GONE)
        headers = {
            hdrs.CONTENT_TYPE: grant.content_type,
            hdrs.CONTENT_DISPOSITION: grant.disposition,
            hdrs.CONTENT_SECURITY_POLICY: "default-src 'none'; sandbox",
        }
        return web.FileResponse(path, headers=headers)


async def _file_of(request: web.Request, grant: UploadGrant) -> BodyPartReader:
    """Return the form's file, once its type is the one granted. Raises `Refused`."""
    form = await read_form(request)
    stated = await _part(form, "Content-Type")
    if await stated.read() != grant.content_type.encode():
        raise invalid(type="Must be the one announced.")
    return await _part(form, "file")


async def _part(form: MultipartReader, name: str) -> BodyPartReader:
    part = await form.next()
    if not isinstance(part, BodyPartReader) or part.name != name:
        raise Refused(Reason.BAD_REQUEST)
    return part


async def _exactly(file: BodyPartReader, size: int) -> AsyncIterator[bytes]:
    """Yield the file's bytes. Raises `Refused` as soon as they are more than `size`, or end before."""
    left = size
    while not file.at_eof():
        chunk = await file.read_chunk(CHUNK_BYTES)
        left -= len(chunk)
        if left < 0:
            raise Refused(Reason.TOO_LARGE)
        yield chunk
    if left:
        raise invalid(size="Must be the one announced.")
