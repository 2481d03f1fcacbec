"""Objects in a bucket of S3, or of what speaks its protocol. Browsers go to it directly.

Its address is that of the endpoint with the bucket as its path, as all implementations understand it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError
from yarl import URL

from control.database import Unreachable
from control.objects.port import Away, Form, Missing, Presented, Stored, checked

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
"""Of an upload in parts, each but the last; S3 takes at most 10,000, of at least 5 MiB."""
CHUNK_BYTES = 256 * 1024
CONNECTIONS = 32
CONNECT_S = 3
READ_S = 15
ATTEMPTS = 2
RETRY_S = 1.0
CORS_AGE_S = 3600

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NoSuchCORSConfiguration"})


class Denied(Away):
    """The store refuses us: the key, the secret or a right to the bucket is wrong."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket and the right to it. Without a key, the places are asked where AWS' own tools look for one.

    `public` is the endpoint as browsers reach it, if that is another.
    """

    endpoint: URL
    name: str
    region: str
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    public: URL | None = None


class S3:
    """A store in a bucket. `page` is where our pages come from, None when that may be anywhere."""

    def __init__(self, bucket: Bucket, page: URL | None) -> None:
        self._bucket = bucket
        self._page = page
        self._closing = AsyncExitStack()
        self._client: Any = None
        self._signer: Any = None

    @property
    def origin(self) -> URL:
        """Where browsers reach the store."""
        return (self._bucket.public or self._bucket.endpoint).origin()

    async def prepare(self, within_s: float) -> None:
        """Make ready for use. Raises `Unreachable` when refused, or not answered for so long."""
        await self.connect(within_s)
        await self._let_pages_in()

    async def connect(self, within_s: float) -> None:
        """Make ready for use without browsers. Raises as `prepare` does."""
        self._client = await self._connect(self._bucket.endpoint)
        self._signer = await self._connect(self._bucket.public or self._bucket.endpoint)
        waited_s = 0.0
        while True:
            try:
                with _troubles():
                    await self._client.list_objects_v2(Bucket=self._bucket.name, MaxKeys=1)
                break
            except (Denied, Missing) as error:
                raise Unreachable(f"{self._named} refuses us: {error}") from error
            except Away as error:
                if waited_s >= within_s:
                    raise Unreachable(f"{self._named}: {error}") from error
                log.warning("%s does not answer yet: %s", self._named, error)
            await asyncio.sleep(RETRY_S)
            waited_s += RETRY_S

    async def put(self, key: str, chunks: AsyncIterable[bytes], content_type: str) -> Stored:
        """Store what `chunks` yields, whole or not at all: at once if it is small, in parts else."""
        place = self._place(key)
        async with aclosing(_parts(chunks)) as parts:
            part = await anext(parts, b"")
            with _troubles():
                if len(part) < PART_BYTES:
                    put = await self._client.put_object(**place, Body=part, ContentType=content_type)
                    return Stored(key, len(part), content_type, put["ETag"])
                begun = await self._client.create_multipart_upload(**place, ContentType=content_type)
            upload = {**place, "UploadId": begun["UploadId"]}
            try:
                await self._put_parts(upload, part, parts)
            except BaseException:
                await asyncio.shield(self._abort(upload))
                raise
        stored = await self.head(key)  # not all implementations answer the last part with the digest
        if stored is None:
            raise Away("what was stored is not there")
        return stored

    async def _put_parts(self, upload: dict[str, str], part: bytes, others: AsyncIterator[bytes]) -> None:
        """Upload all parts, and make one object of them."""
        done: list[dict[str, Any]] = []
        while part:
            with _troubles():
                put = await self._client.upload_part(**upload, PartNumber=len(done) + 1, Body=part)
            done.append({"PartNumber": len(done) + 1, "ETag": put["ETag"]})
            part = await anext(others, b"")
        with _troubles():
            await self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    async def _abort(self, upload: dict[str, str]) -> None:
        try:
            await self._client.abort_multipart_upload(**upload)
        except (BotoCoreError, ClientError) as error:
            log.warning("the parts of an upload to %s were left: %s", upload["Key"], error)

    async def get(self, key: str, first: int | None = None) -> AsyncIterator[bytes]:
        """Yield the object's bytes, or its `first` ones. Raises `Missing`."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        with _troubles():
            got = await self._client.get_object(**self._place(key), **part)
            async with got["Body"] as body:
                async for chunk in body.iter_chunks(CHUNK_BYTES):
                    yield chunk

    async def head(self, key: str) -> Stored | None:
        """Return what is known of the object, None when there is none."""
        try:
            with _troubles():
                known = await self._client.head_object(**self._place(key))
        except Missing:
            return None
        return Stored(key, known["ContentLength"], known["ContentType"], known["ETag"])

    async def delete(self, key: str) -> None:
        """Delete the object, if it is there."""
        with _troubles():
            await self._client.delete_object(**self._place(key))

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield all keys that begin with `prefix`, in order."""
        pages = self._client.get_paginator("list_objects_v2")
        with _troubles():
            async for page in pages.paginate(Bucket=self._bucket.name, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"]

    async def upload_form(self, key: str, content_type: str, size: int, life_s: int) -> Form:
        """Return the form that for so long stores a file of exactly this type and size under `key`."""
        with _troubles():
            post = await self._signer.generate_presigned_post(
                **self._place(key),
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
                ExpiresIn=life_s,
            )
        return Form(post["url"], post["fields"])

    async def download_url(self, key: str, presented: Presented, life_s: int) -> str:
        """Return the address that for so long gives the object."""
        headers = {
            "ResponseContentType": presented.content_type,
            "ResponseContentDisposition": presented.disposition,
        }
        with _troubles():
            return str(
                await self._signer.generate_presigned_url(
                    "get_object", Params={**self._place(key), **headers}, ExpiresIn=life_s
                )
            )

    async def close(self) -> None:
        """Close all connections."""
        await self._closing.aclose()

    async def _connect(self, endpoint: URL) -> Any:
        config = AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        client = get_session().create_client(
            "s3",
            endpoint_url=str(endpoint.origin()),
            region_name=self._bucket.region,
            aws_access_key_id=self._bucket.key,
            aws_secret_access_key=self._bucket.secret,
            config=config,
        )
        return await self._closing.enter_async_context(client)

    async def _let_pages_in(self) -> None:
        """Allow our pages to upload (CORS), unless somebody said already who may."""
        rule = {
            "AllowedMethods": ["GET", "POST"],
            "AllowedOrigins": ["*" if self._page is None else str(self._page.origin())],
            "AllowedHeaders": ["*"],
            "MaxAgeSeconds": CORS_AGE_S,
        }
        bucket = {"Bucket": self._bucket.name}
        try:
            try:
                with _troubles():
                    await self._client.get_bucket_cors(**bucket)
            except Missing:
                with _troubles():
                    await self._client.put_bucket_cors(**bucket, CORSConfiguration={"CORSRules": [rule]})
        except Away as error:
            log.warning("%s must let our pages upload (CORS); we may not see to it: %s", self._named, error)

    @property
    def _named(self) -> str:
        return f"the bucket {self._bucket.name} at {self._bucket.endpoint.origin()}"

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": checked(key)}


@contextmanager
def _troubles() -> Iterator[None]:
    """Call by our names what the store answers, and that it does not."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _ABSENT:
            raise Missing(_code(error)) from error
        denied = error.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)
        raise (Denied if denied else Away)(_code(error)) from error
    except (BotoCoreError, aiohttp.ClientError, TimeoutError) as error:
        raise Away(str(error) or type(error).__name__) from error


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", "unknown"))


async def _parts(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Gather the chunks into parts, all but the last of full size."""
    gathered = bytearray()
    async for chunk in chunks:
        gathered += chunk
        while len(gathered) >= PART_BYTES:
            yield bytes(gathered[:PART_BYTES])
            del gathered[:PART_BYTES]
    if gathered:
        yield bytes(gathered)
