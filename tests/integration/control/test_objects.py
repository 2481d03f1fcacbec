"""What both stores of objects must do, on a real folder behind our routes and on a real S3 server."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from control.edge.headers import protect
from control.edge.middleware import Edge
from control.metrics import Metrics
from control.objects import s3
from control.objects.folder import Folder
from control.objects.grants import Grants
from control.objects.port import Form, Missing, Objects
from control.objects.presenting import present
from control.objects.routes import ObjectRoutes
from control.objects.s3 import S3, Bucket
from control.settings import Settings
from tests.integration.control.conftest import bucket_of
from tests.integration.control.harness import Hands
from tests.integration.control.stores import PNG, Place, fetch, send_form
from tests.support.ports import free_ports
from tests.support.radosgw import RadosGateway
from tests.support.waiting import until

LIFE_S = 2
MEETING = "a" * 32
FOLDER_ALONE = pytest.mark.parametrize("place", ["folder"], indirect=True)
"""S3 sees to it itself."""


@dataclass
class Stand:
    """A store with what reaches it as a browser does, and the clock that its addresses expire by."""

    objects: Objects
    place: Place
    base: URL
    http: aiohttp.ClientSession
    clock: Hands

    async def upload(self, form: Form, content: bytes, **fields: str) -> int:
        return await send_form(self.http, self.base, form, content, fields)

    async def expired(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Wait until addresses that are good for `LIFE_S` are refused."""
        self.clock.forward(LIFE_S)
        await until("the address expires", check)


@pytest.fixture
async def stand(place: Place) -> AsyncIterator[Stand]:
    clock = Hands()
    grants = Grants(b"s" * 32, clock)
    folder = Folder(place.folder, grants)
    objects = folder if place.gateway is None else S3(bucket(place), None)
    await objects.prepare(30)
    edge = Edge(Settings(), Metrics(), ())
    app = web.Application(middlewares=edge.middlewares, client_max_size=64 * 1024)
    app.router.add_routes(ObjectRoutes(folder, grants, 2).table())
    app.on_response_prepare.append(lambda request, response: protect(None, request, response))
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        yield Stand(objects, place, URL(f"http://127.0.0.1:{runner.addresses[0][1]}"), http, clock)
    await runner.cleanup()
    await objects.close()


def bucket(place: Place, **changes: str | URL) -> Bucket:
    url: URL = place.settings["s3_url"]
    usual = {
        "endpoint": url.origin(),
        "name": url.name,
        "region": "us-east-1",
        "key": place.settings["s3_key"],
        "secret": place.settings["s3_secret"],
    }
    return Bucket(**usual | changes)


def new_key(meeting: str = MEETING) -> str:
    return f"{meeting}/{secrets.token_hex(16)}"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def content(objects: Objects, key: str, first: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in objects.get(key, first)])


@pytest.mark.parametrize("chunks", [[], [b"x"], [b"ab", b"", b"c" * 70_000]], ids=["empty", "byte", "chunks"])
async def test_what_is_put_is_there(stand: Stand, chunks: list[bytes]) -> None:
    key, whole = new_key(), b"".join(chunks)
    stored = await stand.objects.put(key, stream(*chunks), "image/png")
    assert (stored.key, stored.size, stored.content_type) == (key, len(whole), "image/png")
    assert await stand.objects.head(key) == stored
    assert await content(stand.objects, key) == whole


@pytest.mark.parametrize("extra", [-1, 0, 1, s3.PART_BYTES])
async def test_large_objects_go_and_come_in_parts(stand: Stand, extra: int) -> None:
    key, size = new_key(), s3.PART_BYTES + extra
    block = secrets.token_bytes(1024 * 1024)
    whole = (block * (size // len(block) + 1))[:size]
    pieces = [whole[start : start + 700_001] for start in range(0, size, 700_001)]
    stored = await stand.objects.put(key, stream(*pieces), "video/webm")
    assert stored.size == size
    assert await stand.objects.head(key) == stored
    chunks = [chunk async for chunk in stand.objects.get(key)]
    assert b"".join(chunks) == whole
    assert max(map(len, chunks)) < size / 8
    assert await content(stand.objects, key, 5) == whole[:5]


@pytest.mark.parametrize("size", [10, 2 * s3.PART_BYTES + 10])
async def test_what_breaks_off_leaves_nothing(stand: Stand, size: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(0, size, 1024 * 1024):
            yield b"x" * min(size, 1024 * 1024)
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        await stand.objects.put(new_key(), breaking(), "video/webm")
    assert await stand.place.keys() == []


async def test_what_is_cancelled_leaves_nothing(stand: Stand) -> None:
    reached = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield b"x" * (s3.PART_BYTES + 1)
        reached.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(stand.objects.put(new_key(), stalling(), "video/webm"))
    await asyncio.wait_for(reached.wait(), 20)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await stand.place.keys() == []


async def test_what_is_not_there_is_told(stand: Stand) -> None:
    key = new_key()
    assert await stand.objects.head(key) is None
    with pytest.raises(Missing):
        await content(stand.objects, key)
    await stand.objects.delete(key)


async def test_deleted_objects_are_gone(stand: Stand) -> None:
    kept, gone = new_key(), new_key()
    for key in (kept, gone):
        await stand.objects.put(key, stream(b"x"), "text/plain")
    await stand.objects.delete(gone)
    assert await stand.objects.head(gone) is None
    assert await stand.place.keys() == [kept]


async def test_objects_are_listed_by_prefix_however_many(stand: Stand) -> None:
    mine = [new_key() for _ in range(1005)]
    other = new_key("b" * 32)
    limit = asyncio.Semaphore(16)

    async def put(key: str) -> None:
        async with limit:
            await stand.objects.put(key, stream(b"x"), "text/plain")

    await asyncio.gather(*map(put, [*mine, other]))
    assert [key async for key in stand.objects.list(f"{MEETING}/")] == sorted(mine)
    assert [key async for key in stand.objects.list("b")] == [other]
    assert [key async for key in stand.objects.list("c")] == []


@pytest.mark.parametrize(
    "key",
    ["", "x", "../" * 3 + "etc/passwd", f"{MEETING}/../{MEETING}", f"{MEETING}/{MEETING}\n", f"/{MEETING}"],
)
async def test_a_key_that_is_not_ours_is_refused(stand: Stand, key: str) -> None:
    with pytest.raises(ValueError, match="no key of ours"):
        await stand.objects.put(key, stream(b"x"), "text/plain")
    with pytest.raises(ValueError, match="no key of ours"):
        await stand.objects.head(key)
    with pytest.raises(ValueError, match="no key of ours"):
        await stand.objects.upload_form(key, "text/plain", 1, 60)


@pytest.mark.parametrize("size", [1, len(PNG), 3_000_000])
async def test_a_browser_uploads_by_a_form(stand: Stand, size: int) -> None:
    key, whole = new_key(), (PNG * (size // len(PNG) + 1))[:size]
    form = await stand.objects.upload_form(key, "image/png", size, 60)
    assert await stand.upload(form, whole) == 204
    stored = await stand.objects.head(key)
    assert stored is not None
    assert (stored.size, stored.content_type) == (size, "image/png")
    assert await content(stand.objects, key) == whole


@pytest.mark.parametrize("size", [0, 999, 1001, 5_000_000])
async def test_an_upload_of_another_size_is_refused(stand: Stand, size: int) -> None:
    form = await stand.objects.upload_form(new_key(), "image/png", 1000, 60)
    assert 400 <= await stand.upload(form, b"x" * size) < 500
    assert await stand.place.keys() == []


async def test_an_upload_of_another_type_is_refused(stand: Stand) -> None:
    form = await stand.objects.upload_form(new_key(), "image/png", 10, 60)
    assert 400 <= await stand.upload(form, b"x" * 10, **{"Content-Type": "text/html"}) < 500
    assert await stand.place.keys() == []


async def test_an_upload_to_another_key_is_refused(stand: Stand) -> None:
    form = await stand.objects.upload_form(new_key(), "image/png", 10, 60)
    if stand.place.gateway is None:
        head, body, signature = form.url.split(".")
        altered = Form(f"{head}.{body[:-4]}AAAA.{signature}", form.fields)
    else:
        altered = Form(form.url, {**form.fields, "key": new_key()})
    assert await stand.upload(altered, b"x" * 10) == 403
    assert await stand.place.keys() == []


async def test_a_form_expires(stand: Stand) -> None:
    form = await stand.objects.upload_form(new_key(), "image/png", 10, LIFE_S)

    async def refused() -> bool:
        return await stand.upload(form, b"x" * 10) == 403

    await stand.expired(refused)


async def test_a_download_tells_what_it_is(stand: Stand) -> None:
    key = new_key()
    await stand.objects.put(key, stream(PNG), "image/png")
    url = await stand.objects.download_url(key, present("Grüße 你.png", "image/png"), 60)
    got = await fetch(stand.http, stand.base.join(URL(url)))
    assert (got.status, got.text.encode("latin-1")) == (200, PNG)
    assert got.headers["Content-Type"] == "image/png"
    name = "inline; filename=\"Grue .png\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%E4%BD%A0.png"
    assert got.headers["Content-Disposition"] == name
    part = await fetch(stand.http, stand.base.join(URL(url)), Range="bytes=1-3")
    assert (part.status, part.text) == (206, "PNG")
    assert part.headers["Content-Range"] == f"bytes 1-3/{len(PNG)}"


async def test_a_download_that_is_altered_is_refused(stand: Stand) -> None:
    keys = new_key(), new_key()
    for key in keys:
        await stand.objects.put(key, stream(PNG), "image/png")
    mine, other = [URL(await stand.objects.download_url(key, present("x", ""), 60)) for key in keys]
    if stand.place.gateway is None:
        altered = URL(f"{str(mine).rsplit('.', 1)[0]}.{str(other).rsplit('.', 1)[1]}")
    else:
        altered = mine.with_path(other.path, keep_query=True)
    assert (await fetch(stand.http, stand.base.join(altered))).status == 403


async def test_a_download_expires(stand: Stand) -> None:
    key = new_key()
    await stand.objects.put(key, stream(PNG), "image/png")
    url = stand.base.join(URL(await stand.objects.download_url(key, present("x", "image/png"), LIFE_S)))
    assert (await fetch(stand.http, url)).status == 200

    async def refused() -> bool:
        return (await fetch(stand.http, url)).status == 403

    await stand.expired(refused)


@FOLDER_ALONE
async def test_what_is_ours_to_serve_cannot_run(stand: Stand) -> None:
    key = new_key()
    await stand.objects.put(key, stream(b"<script>"), "text/html")
    url = await stand.objects.download_url(key, present("x.html", "text/html"), 60)
    got = await fetch(stand.http, stand.base.join(URL(url)))
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def start(place: Place, tmp_path: Path, **changes: str) -> tuple[int | None, str]:
    """Run the command on the bucket, changed so; return how it ended, and what it said."""
    (port,) = free_ports(1)
    variables = {
        "PARLEY_DATA": str(tmp_path / "data"),
        "PARLEY_CONTROL_PORT": str(port),
        "PARLEY_S3_URL": str(place.settings["s3_url"]),
        "PARLEY_S3_KEY": place.settings["s3_key"],
        "PARLEY_S3_SECRET": place.settings["s3_secret"],
        "PARLEY_S3_WAIT_S": "1",
        "PATH": "/usr/bin:/bin",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "control.cli",
        env=variables | changes,
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, log.decode()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PARLEY_S3_KEY", "nobody", "InvalidAccessKeyId"),
        ("PARLEY_S3_SECRET", "hush-hush", "SignatureDoesNotMatch"),
        ("PARLEY_S3_URL", "{}-other", "NoSuchBucket"),
        ("PARLEY_S3_URL", "http://127.0.0.1:1/bucket", "Could not connect"),
        ("PARLEY_S3_URL", "http://me:hush-hush@127.0.0.1/bucket", "not an address such as"),
    ],
)
async def test_without_its_bucket_control_says_so_and_ends(
    gateway: RadosGateway, tmp_path: Path, variable: str, value: str, said: str
) -> None:
    place = await bucket_of(gateway, tmp_path)
    changed = value.format(place.settings["s3_url"])
    code, log = await start(place, tmp_path, **{variable: changed})
    assert code in (1, 2), log
    assert said in log
    assert "Traceback" not in log
    for secret in ("hush-hush", place.settings["s3_secret"]):
        assert secret not in log


async def test_pages_may_upload_to_a_bucket(gateway: RadosGateway, tmp_path: Path) -> None:
    """Ours may, by what we set where nobody said anything (CORS); what somebody set stays."""
    place = await bucket_of(gateway, tmp_path)
    asking = {"Origin": "https://meet.example.org", "Access-Control-Request-Method": "POST"}
    for page in (URL("https://meet.example.org"), URL("https://other.example.org")):
        store = S3(bucket(place), page)
        await store.prepare(30)
        await store.close()
        async with aiohttp.ClientSession() as http:
            async with http.options(place.settings["s3_url"], headers=asking) as answer:
                assert answer.headers["Access-Control-Allow-Origin"] == "https://meet.example.org"


async def test_browsers_are_sent_where_they_reach_the_bucket(gateway: RadosGateway, tmp_path: Path) -> None:
    public = URL("https://files.example.org:444")
    store = S3(bucket(await bucket_of(gateway, tmp_path), public=public), None)
    await store.prepare(30)
    key = new_key()
    assert store.origin == public
    assert URL((await store.upload_form(key, "text/plain", 1, 60)).url).origin() == public
    assert URL(await store.download_url(key, present("x", "text/plain"), 60)).origin() == public
    await store.close()


@FOLDER_ALONE
async def test_the_folder_takes_so_many_uploads_at_a_time(stand: Stand) -> None:
    size = 10_000
    forms = [await stand.objects.upload_form(new_key(), "text/plain", size, 60) for _ in range(3)]
    release = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        """A byte now and then until released, and then the rest."""
        for left in range(size, 0, -1):
            if release.is_set():
                yield b"x" * left
                return
            yield b"x"
            await asyncio.sleep(0.01)

    async def begin(form: Form) -> int:
        with aiohttp.MultipartWriter("form-data") as body:
            body.append("text/plain").set_content_disposition("form-data", name="Content-Type")
            body.append(slow()).set_content_disposition("form-data", name="file")
        async with stand.http.post(stand.base.join(URL(form.url)), data=body) as answer:
            return answer.status

    async def drafts() -> int:
        return len(list((stand.place.folder / ".drafts").iterdir()))

    first = asyncio.create_task(begin(forms[0]))
    await until("one has begun", drafts)
    assert await begin(forms[0]) == 503
    second = asyncio.create_task(begin(forms[1]))
    await until("two have begun", drafts, accept=lambda count: count == 2)
    assert await stand.upload(forms[2], b"x" * size) == 503
    release.set()
    assert [await first, await second] == [204, 204]
    assert await stand.upload(forms[2], b"x" * size) == 204


@FOLDER_ALONE
async def test_an_upload_whose_sender_goes_away_leaves_nothing(stand: Stand) -> None:
    form = await stand.objects.upload_form(new_key(), "text/plain", 1_000_000, 60)
    _, writer = await asyncio.open_connection(stand.base.host, stand.base.port)
    head = f"POST {form.url} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    part = "--b\r\nContent-Disposition: form-data; name={}\r\n\r\n{}"
    body = part.format("Content-Type", "text/plain\r\n") + part.format("file", "x" * 1000)
    writer.write((head + body).encode())

    async def drafts() -> list[Path]:
        return list((stand.place.folder / ".drafts").iterdir())

    async def begun() -> list[Path]:
        writer.write(b"x")
        return await drafts()

    await until("it has begun", begun)
    writer.close()
    await writer.wait_closed()
    await until("nothing is left", drafts, accept=lambda left: not left)
    assert await stand.place.keys() == []


async def test_what_a_killed_process_left_is_taken_away_a_day_later(tmp_path: Path) -> None:
    folder = Folder(tmp_path, Grants(b"s" * 32, Hands()))
    await folder.prepare(1)
    old, fresh = tmp_path / ".drafts" / "old", tmp_path / ".drafts" / "fresh"
    for draft in (old, fresh):
        draft.mkdir()
    then_s = fresh.stat().st_mtime - 2 * 24 * 3600
    os.utime(old, (then_s, then_s))
    await folder.prepare(1)
    assert (old.exists(), fresh.exists()) == (False, True)
