"""The command `control`: settings from options and environment variables, then `serve`."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click
from redis.asyncio import Redis
from yarl import URL

from control.app import serve
from control.database import DatabaseUrl, Unreachable, database_url
from control.rates import Rate
from control.settings import Limits, Network, Rates, Settings

Command = Callable[..., None]


class RateType(click.ParamType[Rate]):
    """`count/seconds`."""

    name = "count/seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Rate:
        """Return the rate."""
        if isinstance(value, Rate):
            return value
        try:
            return Rate.parse(value)
        except ValueError as error:
            self.fail(f"{value!r} is not a rate such as 30/60: {error}", param, ctx)


class NetworksType(click.ParamType[tuple[Network, ...]]):
    """Networks with commas between them."""

    name = "networks"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Network, ...]:
        """Return the networks."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class BaseUrlType(click.ParamType[URL]):
    """Scheme, host and port of a server."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> URL:
        """Return the address."""
        url = URL(value)
        if url.scheme not in ("http", "https") or not url.host or url.path != "/":
            self.fail(f"{value!r} is not an address such as https://meet.example.org", param, ctx)
        return url.origin()


class BucketType(click.ParamType[URL]):
    """The address of a bucket: scheme, host and port of the endpoint, and the bucket as the path."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> URL:
        """Return the address. What was given is not repeated: there may be a secret in it."""
        url = URL(value)
        if url.scheme not in ("http", "https") or not url.host or url.user or len(url.parts) != 2:
            self.fail("not an address such as https://s3.example.org/bucket", param, ctx)
        return url


class DatabaseType(click.ParamType[DatabaseUrl]):
    """The address of a database."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DatabaseUrl:
        """Return the address. What was given is not repeated: there may be a password in it."""
        if not isinstance(value, str):
            url: DatabaseUrl = value
            return url
        try:
            return database_url(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class RedisType(click.ParamType[str]):
    """The address of a Redis."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address. What was given is not repeated: there may be a password in it."""
        try:
            Redis.from_url(value)
        except ValueError:
            self.fail("not an address of Redis: redis://…, rediss://… or unix://…", param, ctx)
        return str(value)


BASE, BUCKET, DATABASE, NETWORKS, RATE, REDIS = (
    BaseUrlType(),
    BucketType(),
    DatabaseType(),
    NetworksType(),
    RateType(),
    RedisType(),
)
DEFAULTS: dict[str, Any] = {**vars(Settings()), **vars(Rates()), **vars(Limits())}

COUNT = click.IntRange(min=1)
SECONDS = click.FloatRange(min=0.1)
LIFE = click.IntRange(min=60)
PORT = click.IntRange(0, 65535)
FOLDER = click.Path(file_okay=False, path_type=Path)
LEVEL = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False)


def _option(flag: str, variable: str, field: str, kind: Any, text: str) -> Callable[[Command], Command]:
    """Return the option of one field of the settings; the environment variable sets it as well."""
    return click.option(
        flag,
        field,
        type=kind,
        default=DEFAULTS[field],
        help=text,
        envvar=variable,
        show_envvar=True,
        show_default=True,
    )


@click.command("control")
@_option("--host", "PARLEY_CONTROL_HOST", "host", str, "Address to listen on.")
@_option("--port", "PARLEY_CONTROL_PORT", "port", PORT, "TCP port to listen on.")
@_option("--data", "PARLEY_DATA", "data", FOLDER, "Folder of keys, secrets and the embedded database.")
@_option(
    "--database-url",
    "PARLEY_DATABASE_URL",
    "database_url",
    DATABASE,
    "postgresql://… or sqlite:///…; SQLite in the data folder if absent.",
)
@_option(
    "--database-readers",
    "PARLEY_DATABASE_READERS",
    "database_readers",
    COUNT,
    "Connections to the database that read.",
)
@_option(
    "--database-writers",
    "PARLEY_DATABASE_WRITERS",
    "database_writers",
    COUNT,
    "Connections to the database that write; SQLite has one.",
)
@_option(
    "--database-wait-s",
    "PARLEY_DATABASE_WAIT_S",
    "database_wait_s",
    SECONDS,
    "How long the database may keep us waiting at the start.",
)
@_option(
    "--redis-url",
    "PARLEY_REDIS_URL",
    "redis_url",
    REDIS,
    "redis://… if there are several control processes: they tell each other of events.",
)
@_option(
    "--s3-url",
    "PARLEY_S3_URL",
    "s3_url",
    BUCKET,
    "https://host/bucket that keeps files; a folder in the data folder if absent.",
)
@_option(
    "--s3-public-url",
    "PARLEY_S3_PUBLIC_URL",
    "s3_public_url",
    BASE,
    "Where browsers reach the S3 server, if that is not where control does.",
)
@_option("--s3-region", "PARLEY_S3_REGION", "s3_region", str, "Region of the bucket.")
@_option("--s3-key", "PARLEY_S3_KEY", "s3_key", str, "Access key id; if absent, AWS' usual places are asked.")
@_option(
    "--s3-secret", "PARLEY_S3_SECRET", "s3_secret", str, "Secret access key; rather not on a command line."
)
@_option(
    "--s3-wait-s", "PARLEY_S3_WAIT_S", "s3_wait_s", SECONDS, "How long S3 may keep us waiting at the start."
)
@_option(
    "--public-url",
    "PARLEY_PUBLIC_URL",
    "public_url",
    BASE,
    "What people open; if absent, what a request names.",
)
@_option(
    "--trusted-proxies",
    "PARLEY_TRUSTED_PROXIES",
    "trusted_proxies",
    NETWORKS,
    "Whose X-Forwarded-* to believe.",
)
@_option("--metrics-from", "PARLEY_METRICS_FROM", "metrics_from", NETWORKS, "Who may read /metrics.")
@_option("--access-token-s", "PARLEY_ACCESS_TOKEN_S", "access_token_s", LIFE, "Life of an access token.")
@_option(
    "--refresh-token-s",
    "PARLEY_REFRESH_TOKEN_S",
    "refresh_token_s",
    LIFE,
    "How long an unused device stays signed in.",
)
@_option("--guest-token-s", "PARLEY_GUEST_TOKEN_S", "guest_token_s", LIFE, "Life of a guest's token.")
@_option(
    "--bcrypt-cost",
    "PARLEY_BCRYPT_COST",
    "bcrypt_cost",
    click.IntRange(4, 16),
    "Hashing rounds, a power of two.",
)
@_option("--bcrypt-threads", "PARLEY_BCRYPT_THREADS", "bcrypt_threads", COUNT, "Passwords hashed at a time.")
@_option(
    "--password-queue", "PARLEY_PASSWORD_QUEUE", "password_queue", COUNT, "Passwords that may wait for that."
)
@_option(
    "--node-lease-s",
    "PARLEY_NODE_LEASE_S",
    "node_lease_s",
    SECONDS,
    "A node silent for so long counts as gone.",
)
@_option(
    "--rate-register", "PARLEY_RATE_REGISTER", "register_per_address", RATE, "Accounts made by one address."
)
@_option("--rate-sign-in", "PARLEY_RATE_SIGN_IN", "sign_in_per_address", RATE, "Sign-ins by one address.")
@_option(
    "--rate-sign-in-email", "PARLEY_RATE_SIGN_IN_EMAIL", "sign_in_per_email", RATE, "Sign-ins to one account."
)
@_option(
    "--rate-refresh", "PARLEY_RATE_REFRESH", "refresh_per_address", RATE, "Token refreshes by one address."
)
@_option("--rate-join", "PARLEY_RATE_JOIN", "join_per_address", RATE, "Tickets given to one address.")
@_option(
    "--rate-guess", "PARLEY_RATE_GUESS", "guess_per_address", RATE, "Wrong meeting codes from one address."
)
@_option("--rate-create", "PARLEY_RATE_CREATE", "create_per_account", RATE, "Meetings made by one account.")
@_option("--rate-chat", "PARLEY_RATE_CHAT", "chat_per_author", RATE, "Messages of one author in one meeting.")
@_option(
    "--rate-upload", "PARLEY_RATE_UPLOAD", "upload_per_author", RATE, "Files of one author in one meeting."
)
@_option(
    "--rate-download",
    "PARLEY_RATE_DOWNLOAD",
    "download_per_author",
    RATE,
    "Files that one member of a meeting opens.",
)
@_option("--upload-life-s", "PARLEY_UPLOAD_LIFE_S", "upload_life_s", LIFE, "How long an upload may take.")
@_option(
    "--download-life-s",
    "PARLEY_DOWNLOAD_LIFE_S",
    "download_life_s",
    LIFE,
    "Life of the address that a file is got from.",
)
@_option(
    "--retention-days",
    "PARLEY_RETENTION_DAYS",
    "retention_days",
    COUNT,
    "Days after a meeting's end when its files are deleted; never if absent.",
)
@_option("--sweep-s", "PARLEY_SWEEP_S", "sweep_s", SECONDS, "How often files that may go are looked for.")
@_option("--max-file", "PARLEY_MAX_FILE", "file_bytes", COUNT, "Bytes in a file.")
@_option("--max-uploads", "PARLEY_MAX_UPLOADS", "uploads", COUNT, "Uploads into the folder at a time.")
@_option("--max-files-each", "PARLEY_MAX_FILES_EACH", "files_each", COUNT, "Files in one chat message.")
@_option(
    "--max-meeting-files",
    "PARLEY_MAX_MEETING_FILES",
    "meeting_files_bytes",
    COUNT,
    "Bytes in all files of one meeting's chat.",
)
@_option("--max-body", "PARLEY_MAX_BODY", "body_bytes", COUNT, "Bytes in a request's body.")
@_option("--max-report", "PARLEY_MAX_REPORT", "report_bytes", COUNT, "Bytes in a node's report.")
@_option("--max-sockets", "PARLEY_MAX_SOCKETS", "sockets", COUNT, "Event WebSockets in all.")
@_option(
    "--max-sockets-each", "PARLEY_MAX_SOCKETS_EACH", "sockets_each", COUNT, "Event WebSockets of one member."
)
@_option(
    "--event-history",
    "PARLEY_EVENT_HISTORY",
    "event_history",
    COUNT,
    "Events kept per meeting for reconnecting.",
)
@_option(
    "--event-outbox", "PARLEY_EVENT_OUTBOX", "event_outbox", COUNT, "Events that may wait for one listener."
)
@_option(
    "--event-send-s", "PARLEY_EVENT_SEND_S", "event_send_s", SECONDS, "How long sending one event may take."
)
@_option("--log-level", "PARLEY_LOG_LEVEL", "log_level", LEVEL, "What is logged.")
def command(**options: Any) -> None:
    """Run the control service: accounts, meetings, chat, tickets.

    Rates are count/seconds, networks are separated by commas, lives are in seconds.
    """
    settings = _settings(options)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for library in ("aiosqlite", "alembic", "botocore"):  # would log what people write, much, and signatures
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        asyncio.run(serve(settings))
    except Unreachable as error:
        raise click.ClickException(str(error)) from error


def _settings(options: dict[str, Any]) -> Settings:
    """Return the settings that the options, each named as its field, make up."""
    rates = Rates(**{field.name: options.pop(field.name) for field in dataclasses.fields(Rates)})
    limits = Limits(**{field.name: options.pop(field.name) for field in dataclasses.fields(Limits)})
    if (options["s3_key"] is None) != (options["s3_secret"] is None):
        raise click.UsageError("--s3-key and --s3-secret need each other")
    return Settings(**options, rates=rates, limits=limits)


if __name__ == "__main__":
    command()
