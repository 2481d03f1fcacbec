"""The kinds of values that options have. What is wrong with one is said without repeating a password."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

import click
import msgspec
from redis.asyncio import Redis
from yarl import URL

from control.database import DatabaseUrl, database_url
from control.mail.message import parsed_sender
from control.mail.smtp import parsed_server
from control.rates.port import Rate
from control.settings import Network
from sfu.contract.operations import Label

MAX_DIGITS = 5
DAY_S = 86_400


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


class RegionType(click.ParamType[str]):
    """The name of a region, as nodes have it."""

    name = "region"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        try:
            return msgspec.convert(value, Label)
        except msgspec.ValidationError:
            self.fail("must be 64 printable characters of ASCII at most", param, ctx)


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


class OriginsType(click.ParamType[tuple[URL, ...]]):
    """Origins of web pages, with commas between them."""

    name = "urls"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[URL, ...]:
        """Return the origins."""
        if isinstance(value, tuple):
            return value
        return tuple(BASE.convert(part.strip(), param, ctx) for part in value.split(",") if part.strip())


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


class DatabasesType(click.ParamType[tuple[DatabaseUrl, ...]]):
    """Addresses of databases with commas between them."""

    name = "urls"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[DatabaseUrl, ...]:
        """Return the addresses."""
        if isinstance(value, tuple):
            return value
        return tuple(DATABASE.convert(part.strip(), param, ctx) for part in value.split(",") if part.strip())


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


class BrokerType(click.ParamType[str]):
    """The address of a RabbitMQ."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address. What was given is not repeated: there may be a password in it."""
        try:
            url = URL(value)
        except ValueError:
            url = URL()
        if url.scheme not in ("amqp", "amqps") or not url.host:
            self.fail("not an address of RabbitMQ: amqp://user:password@host/ or amqps://…", param, ctx)
        return str(value)


class MailServerType(click.ParamType[str]):
    """The address of a mail server."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address. What was given is not repeated: there may be a password in it."""
        try:
            parsed_server(value, "offered")
        except ValueError:
            self.fail("not a mail server: smtp://user:password@host:587 or smtps://…", param, ctx)
        return str(value)


class MailboxType(click.ParamType[str]):
    """Somebody's name and address."""

    name = "mailbox"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the mailbox."""
        try:
            parsed_sender(value)
        except ValueError:
            self.fail(f"{value!r} is not one mailbox such as Parley <parley@example.org>", param, ctx)
        return str(value)


class TurnServersType(click.ParamType[tuple[str, ...]]):
    """Addresses of TURN servers (RFC 7065) with commas between them."""

    name = "urls"

    _form = re.compile(r"turns?:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(\?transport=(udp|tcp))?")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the addresses."""
        if isinstance(value, tuple):
            return value
        urls = tuple(part.strip() for part in value.split(",") if part.strip())
        for url in urls:
            if not self._form.fullmatch(url):
                self.fail(f"{url!r} is not an address such as turns:turn.example.org:443", param, ctx)
        return urls


class DurationType(click.ParamType[float]):
    """A time such as `90s`, `10m` or `2h`."""

    name = "duration"
    _UNITS: ClassVar = {"s": 1, "m": 60, "h": 3600}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        number, unit = str(value)[:-1], str(value)[-1:]
        if not number.isdecimal() or len(number) > MAX_DIGITS or unit not in self._UNITS:
            self.fail(f"{value!r} is not a time such as 90s, 10m or 2h", param, ctx)
        seconds = float(int(number) * self._UNITS[unit])
        if seconds > DAY_S:
            self.fail("more than 24h", param, ctx)
        return seconds


BASE = BaseUrlType()
BROKER = BrokerType()
BUCKET = BucketType()
DATABASE = DatabaseType()
DATABASES = DatabasesType()
MAILBOX = MailboxType()
MAIL_SERVER = MailServerType()
NETWORKS = NetworksType()
ORIGINS = OriginsType()
RATE = RateType()
REDIS = RedisType()
REGION = RegionType()
TURN_SERVERS = TurnServersType()
DURATION = DurationType()
COUNT = click.IntRange(min=1)
SECONDS = click.FloatRange(min=0.1)
LIFE = click.IntRange(min=60)
OFF_OR_SECONDS = click.IntRange(min=0)
PORT = click.IntRange(0, 65535)
FOLDER = click.Path(file_okay=False, path_type=Path)
LEVEL = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False)
