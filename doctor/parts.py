"""The parts that control stands on: databases, Redis, RabbitMQ, the mail server, the store of files."""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import aio_pika
import aiohttp
from aio_pika.exceptions import AMQPError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from yarl import URL

from control.database import Database, DatabaseUrl, Unreachable, known_revisions, revision_of
from control.files import bucket_of
from control.objects.port import Away, Missing
from control.objects.s3 import S3
from control.settings import Settings
from doctor.causes import Cause, failure, network_causes
from doctor.finding import Check, Verdict, failed, ok, unset, warning
from doctor.mail import mail

FREE_BYTES = 1 << 30
NO_MEETING = "0" * 32
"""Under this id the store of files is tried; no meeting has it."""

_POSTGRESQL = (
    Cause(
        r"password authentication failed|no password supplied|fe_sendauth",
        "it refuses the user's password",
        "Correct user and password in the database's URL (PARLEY_DATABASE_URL).",
    ),
    Cause(
        r'role "?.*"? does not exist',
        "it has no such user",
        "Correct the user in the database's URL (PARLEY_DATABASE_URL), or make it: CREATE ROLE … LOGIN.",
    ),
    Cause(
        r'database "?.*"? does not exist',
        "it has no such database",
        "Make it (createdb), or correct its name in PARLEY_DATABASE_URL.",
    ),
    Cause(
        r"no pg_hba.conf entry",
        "it lets nobody in from this machine",
        "Allow this machine's address in the server's pg_hba.conf.",
    ),
    Cause(
        r"too many (clients|connections)|remaining connection slots",
        "all its connections are taken",
        "Raise its max_connections, or lower PARLEY_DATABASE_READERS and PARLEY_DATABASE_WRITERS.",
    ),
    *network_causes("PostgreSQL", "PARLEY_DATABASE_URL"),
)
_SQLITE = (
    Cause(
        r"not a database|malformed",
        "the file is no database, or damaged",
        "Restore a backup into an empty data folder (parley restore).",
    ),
    Cause(
        r"unable to open|readonly|permission",
        "the file may not be opened by this user",
        "Run the doctor, and control, as the user who owns the data folder; or chown it.",
    ),
    Cause(r"locked", "another process holds the file", "End what has it open (fuser), or wait."),
)
_REDIS = (
    Cause(
        r"WRONGPASS|NOAUTH|already authenticated|[Aa]uthentication required|invalid (username-)?password",
        "it refuses the password",
        "Correct the password in PARLEY_REDIS_URL (redis://:password@host).",
    ),
    Cause(
        r"NOPERM", "its ACL does not let us", "Allow the user PING, PUBLISH and SUBSCRIBE on all channels."
    ),
    *network_causes("Redis", "PARLEY_REDIS_URL"),
)
_RABBITMQ = (
    Cause(
        r"ACCESS_REFUSED|ProbableAuthentication|Login was refused",
        "it refuses user or password",
        "Correct both in PARLEY_AMQP_URL; `guest` may come from the server's own machine alone.",
    ),
    Cause(
        r"NOT_ALLOWED|vhost|InvalidFrameError",  # the last: it closes instead of opening
        "it has no such virtual host, or keeps us out of it",
        "Correct the path of PARLEY_AMQP_URL, or make the virtual host and give the user its permissions.",
    ),
    *network_causes("RabbitMQ", "PARLEY_AMQP_URL"),
)
_S3 = (
    Cause(
        r"InvalidAccessKeyId|SignatureDoesNotMatch",
        "it refuses the key or the secret",
        "Correct PARLEY_S3_KEY and PARLEY_S3_SECRET (and PARLEY_S3_REGION, which is signed, too).",
    ),
    Cause(
        r"RequestTimeTooSkewed",
        "this machine's clock is another than its own",
        "Let NTP set this machine's clock.",
    ),
    Cause(r"NoSuchBucket", "there is no such bucket", "Make the bucket, or correct PARLEY_S3_URL."),
    Cause(
        r"AccessDenied",
        "the key may not do what is needed",
        "Allow it to list the bucket, and to get, put and delete objects in it.",
    ),
    Cause(
        r"Could not connect|Cannot connect", "nothing listens there", "Start it, or correct PARLEY_S3_URL."
    ),
    *network_causes("S3", "PARLEY_S3_URL"),
)


def checks(settings: Settings) -> list[Check]:
    """Return the checks of control's parts."""
    return [
        *_of_databases(settings),
        Check("redis", lambda: redis(settings.redis_url)),
        Check("rabbitmq", lambda: rabbitmq(settings.amqp_url)),
        Check("mail", lambda: mail(settings), settings.smtp_timeout_s),  # some greet late, to deter
        Check("files", lambda: files(settings)),
        Check("files (cors)", lambda: cors(settings)),
    ]


def _of_databases(settings: Settings) -> Iterator[Check]:
    for number, (url, replica) in enumerate(settings.databases):
        suffix = f" {number}" if number else ""
        yield Check(f"database{suffix}", partial(database, url))
        if replica is not None:
            yield Check(f"replica{suffix}", partial(database, replica))


async def database(url: DatabaseUrl) -> Verdict:
    """Look whether the database answers, and whether its tables are of this version."""
    path = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    if path is not None and not path.exists():
        return warning(f"there is no {path} yet", "Start control once: it makes the file.")
    there = Database(url, readers=1, writers=1)
    try:
        async with there.snapshot() as connection:
            revision = await revision_of(connection)
    except (SQLAlchemyError, OSError) as error:
        causes = _POSTGRESQL if path is None else _SQLITE
        return failure(str(there), getattr(error, "orig", None) or error, causes, "PARLEY_DATABASE_URL")
    finally:
        await there.close()
    return _of_revision(str(there), revision)


def _of_revision(name: str, revision: str | None) -> Verdict:
    newest = known_revisions()[0]
    if revision is None:
        return warning(f"{name} answers, and has no tables", "Start control: it makes them.")
    if revision not in known_revisions():
        return failed(
            f"{name}: its tables ({revision}) are of a later version than this",
            "Run that version, or restore a backup of this one.",
        )
    if revision != newest:
        return warning(
            f"{name}: its tables are of {revision}, not {newest}",
            "Start this version's control: it migrates.",
        )
    return ok(f"{name} answers, its tables are of this version")


async def redis(url: str | None) -> Verdict:
    """Look whether Redis answers."""
    if url is None:
        return unset("listeners hear of their own control process alone, so run one (PARLEY_REDIS_URL)")
    name = _without_password(url)
    client = Redis.from_url(url)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return failure(name, error, _REDIS, "PARLEY_REDIS_URL")
    finally:
        await client.aclose()
    return ok(f"{name} answers")


async def rabbitmq(url: str | None) -> Verdict:
    """Look whether RabbitMQ answers."""
    if url is None:
        return unset("control does its jobs itself (PARLEY_AMQP_URL)")
    name = _without_password(url)
    try:
        connection = await aio_pika.connect(url)
        async with connection, connection.channel():
            pass
    except (AMQPError, OSError) as error:
        return failure(name, f"{type(error).__name__} {error}", _RABBITMQ, "PARLEY_AMQP_URL")
    return ok(f"{name} answers")


async def files(settings: Settings) -> Verdict:
    """Look whether files can be stored, read back and deleted."""
    if settings.s3_url is None:
        return _folder(settings.data)
    name = f"{settings.s3_url}"
    store = S3(bucket_of(settings, settings.s3_url), settings.public_url)
    content, key = secrets.token_bytes(64), f"{NO_MEETING}/{secrets.token_hex(16)}"
    try:
        await store.connect(0)
        await store.put(key, _only(content), "application/octet-stream")
        try:
            got = b"".join([chunk async for chunk in store.get(key)])
        finally:
            await store.delete(key)
    except (Away, Missing, Unreachable) as error:
        return failure(name, error, _S3, "PARLEY_S3_URL")
    finally:
        await store.close()
    if got != content:
        return failed(
            f"{name}: another content comes back", "Look at what stands between it and this machine."
        )
    return ok(f"{name} stores, gives back and deletes")


def _folder(data: Path) -> Verdict:
    if not data.exists():
        return unset(f"files will be in {data}/objects, which control makes (PARLEY_S3_URL)")
    if not os.access(data, os.W_OK | os.X_OK):
        return failed(f"nobody with this user's rights may write into {data}", f"chown or chmod {data}.")
    free = shutil.disk_usage(data).free
    if free < FREE_BYTES:
        return warning(f"{free >> 20} MiB are free for {data}", "Make room, or set PARLEY_RETENTION_DAYS.")
    return unset(f"files are in {data}/objects, {free >> 30} GiB are free (PARLEY_S3_URL)")


async def cors(settings: Settings) -> Verdict:
    """Look whether a browser would let our pages upload to the bucket."""
    if settings.s3_url is None:
        return unset("the page's own server keeps the files")
    public = settings.s3_public_url or settings.s3_url.origin()
    page = str(settings.public_url.origin()) if settings.public_url else "https://pages.example"
    asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
    address = public / settings.s3_url.name
    try:
        async with aiohttp.request("OPTIONS", address, headers=asked) as answer:
            allowed = answer.headers.get("Access-Control-Allow-Origin")
    except (aiohttp.ClientError, OSError) as error:
        return failure(str(address), error, network_causes("S3", "PARLEY_S3_PUBLIC_URL"), "the bucket")
    if allowed not in ("*", page):
        return failed(
            f"{address} lets no pages of {page} upload",
            "Start control, which sets the bucket's CORS rules if there are none, or set them: POST and GET "
            "from the page's origin.",
        )
    return ok(f"{address} lets pages of {page} upload")


def _without_password(url: str) -> str:
    parsed = URL(url)
    return str(parsed.with_password("***") if parsed.password else parsed)


async def _only(content: bytes) -> AsyncIterator[bytes]:
    yield content
