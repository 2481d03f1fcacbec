import dataclasses
from ipaddress import ip_network
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from yarl import URL

from control import cli
from control.database import database_url
from control.rates.port import Rate
from control.settings import JobSettings, Limits, MeetingSettings, Rates, Settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the command would have served."""
    seen: list[Settings] = []

    async def note(settings: Settings) -> None:
        seen.append(settings)

    monkeypatch.setattr(cli, "serve", note)
    return seen


def run(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(cli.command, arguments, env=environment or {}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_without_options_the_defaults_hold(settings: list[Settings]) -> None:
    run([])
    assert settings == [Settings()]


def test_every_setting_has_an_option_a_variable_and_a_word_of_help() -> None:
    fields = {
        field.name
        for kind in (Settings, Rates, Limits, JobSettings, MeetingSettings)
        for field in dataclasses.fields(kind)
    }
    options = [option for option in cli.command.params if isinstance(option, click.Option)]
    assert {option.name for option in options} == fields - {"rates", "limits", "jobs", "meetings"}
    text = run(["--help"])
    for option in options:
        assert str(option.envvar).startswith("PARLEY_")
        assert str(option.envvar) in text
        assert option.help
    assert len({option.envvar for option in options}) == len(options)


def test_options_and_variables_reach_their_settings(settings: list[Settings]) -> None:
    run(
        ["--port", "9000", "--rate-join", "5/2.5", "--trusted-proxies", "10.0.0.0/8, ::1"],
        {
            "PARLEY_DATA": "/srv/parley",
            "PARLEY_PUBLIC_URL": "https://meet.example.org/",
            "PARLEY_MAX_BODY": "2048",
            "PARLEY_METRICS_FROM": "",
            "PARLEY_SOCKET_ORIGINS": "https://app.example.org, http://localhost:3000/",
            "PARLEY_TURN_URLS": "turn:[2001:db8::1]:3478?transport=udp, turns:turn.example.org",
            "PARLEY_TURN_SECRET": "hush",
            "PARLEY_LOG_LEVEL": "warning",
        },
    )
    (found,) = settings
    assert (found.port, found.data) == (9000, Path("/srv/parley"))
    assert found.public_url == URL("https://meet.example.org")
    assert found.socket_origins == (URL("https://app.example.org"), URL("http://localhost:3000"))
    assert found.turn_urls == ("turn:[2001:db8::1]:3478?transport=udp", "turns:turn.example.org")
    assert "hush" not in repr(found)
    assert found.rates.join_per_address == Rate(5, 2.5)
    assert found.limits.body_bytes == 2048
    assert found.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert found.log_level == "WARNING"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--rate-join", "many"],
        ["--public-url", "meet.example.org"],
        ["--public-url", "https://meet.example.org/path"],
        ["--trusted-proxies", "everybody"],
        ["--bcrypt-cost", "3"],
        ["--socket-origins", "*"],
        ["--socket-origins", "https://app.example.org,https://app.example.org/path"],
        ["--event-send-s", "0"],
        ["--database-url", "mysql://parley:hush@host/db"],
        ["--database-writers", "0"],
        ["--shard-urls", "postgresql://parley:hush@host/db,mysql://parley:hush@host/db"],
        ["--shard-urls", ",".join(["sqlite:///hush.sqlite"] * 32)],
        ["--replica-urls", "sqlite:///hush.sqlite,sqlite:///hush.sqlite"],
        ["--redis-url", "http://parley:hush@host/"],
        ["--redis-url", "redis://parley:hush@host:port/0"],
        ["--amqp-url", "http://parley:hush@host/"],
        ["--amqp-url", "amqp://parley:hush@host:port/"],
        ["--amqp-url", "amqp:hush"],
        ["--smtp-url", "http://parley:hush@host/", "--mail-from", "parley@example.org"],
        ["--smtp-url", "smtp://parley:hush@host:port", "--mail-from", "parley@example.org"],
        ["--smtp-url", "smtp://parley:hush@host"],
        ["--smtp-url", "smtp://parley:hush@host", "--mail-from", "parley@example.org"],
        ["--turn-urls", "turn:turn.example.org"],
        ["--turn-secret", "hush"],
        ["--turn-secret", "hush", "--turn-urls", "https://turn.example.org"],
        ["--turn-secret", "hush", "--turn-urls", "turn:a.example.org,turn:b.example.org?transport=tls"],
        ["--meeting-reminder-s", "-1"],
        ["--mail-from", "parley"],
        ["--mail-from", "a@example.org, b@example.org"],
        ["--mail-from", "Parley\r\nBcc: b@example.org <a@example.org>"],
        ["--smtp-starttls", "perhaps"],
        ["--region", "x" * 65],
        ["--region", "a\nb"],
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: list[Settings], arguments: list[str]) -> None:
    """Without repeating a password that was among them."""
    result = CliRunner().invoke(cli.command, arguments)
    assert result.exit_code == 2
    assert settings == []
    assert "hush" not in result.output


def test_the_embedded_database_is_in_the_data_folder(tmp_path: Path) -> None:
    ((first, replica),) = Settings(data=tmp_path).databases
    assert str(first) == f"sqlite+aiosqlite:///{tmp_path}/control.sqlite"
    assert replica is None


def test_each_database_may_have_a_replica() -> None:
    one, two, copy = (database_url(f"postgresql://host/{name}") for name in ("one", "two", "copy"))
    settings = Settings(database_url=one, shard_urls=(two,), replica_urls=(copy,))
    assert settings.databases == [(one, copy), (two, None)]


@pytest.mark.parametrize(
    ("asked", "smtp", "must"),
    [(None, False, False), (None, True, True), ("off", True, False), ("required", False, True)],
)
def test_addresses_must_be_verified_where_letters_are_sent_unless_set(
    settings: list[Settings], asked: str | None, smtp: bool, must: bool
) -> None:
    server = ["--smtp-url", "smtp://mail.example.org", "--mail-from", "parley@example.org"]
    server += ["--public-url", "https://meet.example.org"]
    environment = {} if asked is None else {"PARLEY_EMAIL_VERIFICATION": asked}
    run(server if smtp else [], environment)
    assert settings[0].must_verify_email is must
