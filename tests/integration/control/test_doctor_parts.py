"""The doctor and the parts of control: each is broken for real, and the cause named."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from yarl import URL

from control.database import Database, database_url, known_revisions
from control.files import bucket_of
from control.objects.s3 import S3
from control.settings import Settings
from doctor import parts
from doctor.finding import State, Verdict
from doctor.mail import mail
from doctor.visit import Visit
from tests.integration.control.conftest import bucket_of as new_bucket
from tests.integration.control.harness import Control
from tests.integration.control.stores import Place
from tests.support.certificate import certify
from tests.support.ports import free_ports
from tests.support.postgres import Postgres
from tests.support.rabbitmq import RabbitMQ
from tests.support.radosgw import RadosGateway
from tests.support.redis import redis
from tests.support.smtp import PASSWORD, USER, mail_server

SECRET = "no-secret-of-yours"


def told(verdict: Verdict, state: State, *said: str) -> None:
    """The verdict is this one, and its text says this without any password."""
    text = f"{verdict.seen} {verdict.fix}"
    assert verdict.state is state, text
    assert all(each in text for each in said), text
    assert SECRET not in text


def closed() -> int:
    (port,) = free_ports(1)
    return port


async def test_a_database_that_is_well_or_not_brought_up_to_date(server: Postgres, tmp_path: Path) -> None:
    for url in (
        database_url(server.make_database()),
        database_url(f"sqlite:///{tmp_path / 'test.sqlite'}"),
    ):
        made = Database(url, readers=1, writers=1)
        if url.get_backend_name() == "sqlite":
            told(await parts.database(url), State.WARNING, "there is no", "Start control")
            assert not (tmp_path / "test.sqlite").exists()
        else:
            told(await parts.database(url), State.WARNING, "has no tables", "Start control")
        newest, older, *_ = known_revisions()
        await made.migrate(older)
        told(await parts.database(url), State.WARNING, f"of {older}, not {newest}")
        await made.migrate()
        told(await parts.database(url), State.OK, "of this version")
        async with made.remake() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v9999'")
        told(await parts.database(url), State.FAILED, "later version", "Run that version")
        await made.close()


async def test_a_database_that_cannot_be_used(server: Postgres) -> None:
    there = f"127.0.0.1:{database_url(server.url).port}"
    demand_password(server, "careful")
    for broken, *said in (
        (f"careful:{SECRET}@{there}/postgres", "refuses the user's password", "user and password"),
        (f"postgres@{there}/nowhere", "no such database", "createdb"),
        (f"nobody@{there}/postgres", "no such user", "CREATE ROLE"),
        (f"postgres:{SECRET}@127.0.0.1:{closed()}/postgres", "nothing listens there", "Start PostgreSQL"),
        (f"postgres:{SECRET}@database.invalid/postgres", "no host of that name", "PARLEY_DATABASE_URL"),
    ):
        told(await parts.database(database_url(f"postgresql://{broken}")), State.FAILED, *said)


def demand_password(server: Postgres, user: str) -> None:
    """Make a user who has to show a password."""
    rules = f"('host all {user} 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'right'")
        (path,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        connection.execute(f"COPY (VALUES {rules}) TO '{path}'")
        connection.execute("SELECT pg_reload_conf()")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite"
    path.write_bytes(b"nothing of the kind" * 100)
    told(
        await parts.database(database_url(f"sqlite:///{path}")), State.FAILED, "no database", "parley restore"
    )


async def test_redis() -> None:
    told(await parts.redis(None), State.UNSET, "PARLEY_REDIS_URL")
    with redis() as running:
        told(await parts.redis(running.url), State.OK, "answers")
        wrong = str(URL(running.url).with_password(SECRET))
        client = parts.Redis.from_url(running.url)
        await client.config_set("requirepass", "right")
        await client.aclose()
        for url in (running.url, wrong):
            told(await parts.redis(url), State.FAILED, "refuses the password", "PARLEY_REDIS_URL")
    told(await parts.redis(wrong), State.FAILED, "nothing listens there", "Start Redis")
    told(await parts.redis("redis://redis.invalid"), State.FAILED, "no host of that name")


async def test_rabbitmq(broker: RabbitMQ) -> None:
    told(await parts.rabbitmq(None), State.UNSET, "PARLEY_AMQP_URL")
    url = URL(broker.url)
    told(await parts.rabbitmq(str(url)), State.OK, "answers")
    wrong = url.with_password(SECRET)
    told(await parts.rabbitmq(str(wrong)), State.FAILED, "refuses user or password")
    told(await parts.rabbitmq(str(url.with_path("/nowhere"))), State.FAILED, "no such virtual host")
    down = wrong.with_port(closed())
    told(await parts.rabbitmq(str(down)), State.FAILED, "nothing listens there", "Start RabbitMQ")


def by_smtp(port: int, scheme: str = "smtp", user: str = "", **more: Any) -> Settings:
    """The settings of who sends by the mail server at this port."""
    url = f"{scheme}://{user}127.0.0.1:{port}"
    return Settings(smtp_url=url, mail_from="Parley <parley@meet.example.org>", smtp_timeout_s=3, **more)


async def test_a_mail_server_that_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(await mail(Settings()), State.UNSET, "data/mail", "PARLEY_SMTP_URL")
    certified = certify(tmp_path, "127.0.0.1")
    context = certified.for_server()
    monkeypatch.setenv("SSL_CERT_FILE", str(certified.certificate))
    who = f"{USER}:{PASSWORD}@"
    async with mail_server() as plain:
        told(await mail(by_smtp(plain.port)), State.OK, "not encrypted")
    async with mail_server(asks_who=True) as open_:
        told(await mail(by_smtp(open_.port, user=who)), State.WARNING, "in the clear", "required")
    async with mail_server(starttls=context, asks_who=True) as safe:
        required = by_smtp(safe.port, user=who, smtp_starttls="required")
        told(await mail(required), State.OK, "encrypted, and takes us as parley")
    async with mail_server(tls=context, asks_who=True) as safe:
        told(await mail(by_smtp(safe.port, "smtps", who)), State.OK, "encrypted, and takes us as parley")
    assert plain.received == safe.received == []


async def test_a_mail_server_that_cannot_be_used(tmp_path: Path) -> None:
    context = certify(tmp_path, "127.0.0.1").for_server()
    wrong = f"{USER}:{SECRET}@"
    async with mail_server() as plain, mail_server(asks_who=True) as asking:
        required = by_smtp(plain.port, smtp_starttls="required")
        told(await mail(required), State.FAILED, "does not offer to encrypt", "PARLEY_SMTP_STARTTLS")
        told(await mail(by_smtp(plain.port, "smtps")), State.FAILED, "do not agree whether to encrypt")
        told(await mail(by_smtp(asking.port, user=wrong)), State.FAILED, "refuses user or password")
        told(await mail(by_smtp(plain.port, user=wrong)), State.FAILED, "takes no password")
        plain.to_sender = "550 not yours"
        told(await mail(by_smtp(plain.port)), State.FAILED, "send from PARLEY_MAIL_FROM")
    async with mail_server(tls=context) as tls, mail_server(starttls=context) as starttls:
        told(await mail(by_smtp(tls.port)), State.FAILED, "says nothing", "smtps://")
        for unknown in (by_smtp(tls.port, "smtps"), by_smtp(starttls.port)):
            told(await mail(unknown), State.FAILED, "not one that this machine trusts")
    told(await mail(by_smtp(closed(), user=wrong)), State.FAILED, "nothing listens", "Start the mail server")
    nowhere = dataclasses.replace(by_smtp(25), smtp_url="smtp://mail.invalid")
    told(await mail(nowhere), State.FAILED, "no host of that name", "PARLEY_SMTP_URL")


async def test_a_mail_server_that_lets_nobody_in() -> None:
    async def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 not from there\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(turn_away, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told(await mail(by_smtp(port)), State.FAILED, "lets nobody in from this machine")


@pytest.fixture
async def bucket(gateway: RadosGateway, tmp_path: Path) -> AsyncIterator[Place]:
    yield await new_bucket(gateway, tmp_path)


async def test_s3(bucket: Place) -> None:
    settings = Settings(**bucket.settings)
    url = settings.s3_url
    assert url is not None
    told(await parts.files(settings), State.OK, "stores, gives back and deletes")
    assert await bucket.keys() == []
    for changed, *said in (
        ({"s3_secret": SECRET}, "refuses the key or the secret", "PARLEY_S3_SECRET"),
        ({"s3_key": "nobody"}, "refuses the key or the secret"),
        ({"s3_url": url.with_path("/nowhere")}, "no such bucket"),
        ({"s3_url": url.with_port(closed())}, "nothing listens there"),
    ):
        told(await parts.files(dataclasses.replace(settings, **changed)), State.FAILED, *said)


async def test_pages_that_may_not_upload(bucket: Place) -> None:
    settings = Settings(**bucket.settings, public_url=URL("https://meet.example.org"))
    assert settings.s3_url is not None
    told(await parts.cors(settings), State.FAILED, "lets no pages of https://meet.example.org upload", "CORS")
    store = S3(bucket_of(settings, settings.s3_url), settings.public_url)
    await store.prepare(5)
    await store.close()
    told(await parts.cors(settings), State.OK, "lets pages of https://meet.example.org upload")
    moved = dataclasses.replace(settings, public_url=URL("https://other.example.org"))
    told(await parts.cors(moved), State.FAILED, "lets no pages of https://other.example.org")


async def test_files_in_a_folder(tmp_path: Path) -> None:
    told(await parts.files(Settings(data=tmp_path / "none")), State.UNSET, "which control makes")
    told(await parts.files(Settings(data=tmp_path)), State.UNSET, "are free")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_there_is_no_node_or_nothing_where_it_is_said_to_be(control: Control) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        visit = Visit(http, control.base)
        told(await visit.ticket(), State.FAILED, "no node that is alive", "PARLEY_CONTROL_URL")
        told(await visit.signalling(), State.SKIPPED, "needs a ticket")
        await visit.close()
        await control.report(signal_port=closed())
        visit = Visit(http, control.base)
        told(await visit.ticket(), State.OK, "a guest is let in")
        told(await visit.signalling(), State.FAILED, "nothing listens there", "PARLEY_SFU_SIGNAL_URL")
        for later in (visit.udp, visit.tcp):
            told(await later(), State.SKIPPED, "needs signalling")
        told(await visit.call(), State.SKIPPED, "needs udp")
        await visit.close()
