"""The two stores of objects, as tests start control on them and ask them past it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from control.objects.port import Form
from tests.integration.control.harness import Reply
from tests.support.radosgw import RadosGateway

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@dataclass
class Place:
    """Where a test's objects are: in a folder, or in a bucket of `gateway`. `settings` tell control."""

    folder: Path
    gateway: RadosGateway | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    async def keys(self) -> list[str]:
        """Return what is stored, and what is left of unfinished uploads, past the service."""
        if self.gateway is None:
            found = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
            return sorted({path.parent.as_posix() for path in found})
        async with self.gateway.client() as client:
            bucket = self.settings["s3_url"].name
            listed = await client.list_objects_v2(Bucket=bucket)
            uploads = await client.list_multipart_uploads(Bucket=bucket)
        keys = [found["Key"] for found in listed.get("Contents", ())]
        return sorted(keys + [upload["Key"] for upload in uploads.get("Uploads", ())])


async def send_form(
    http: aiohttp.ClientSession,
    base: URL,
    form: Form | Mapping[str, Any],
    content: bytes,
    fields: Mapping[str, str] | None = None,
) -> int:
    """Upload as a page does; return the status. `fields` replace those of the form."""
    url, usual = (form.url, form.fields) if isinstance(form, Form) else (form["url"], form["fields"])
    body = aiohttp.FormData()
    for name, value in {**usual, **(fields or {})}.items():
        body.add_field(name, value)
    body.add_field("file", io.BytesIO(content), filename="blob", content_type="application/octet-stream")
    async with http.post(base.join(URL(url)), data=body) as answer:
        return answer.status


async def fetch(http: aiohttp.ClientSession, url: URL, **headers: str) -> Reply:
    """Get a download as a browser that was sent there."""
    async with http.get(url, headers=headers) as answer:
        return Reply(answer.status, answer.headers, answer.cookies, (await answer.read()).decode("latin-1"))
