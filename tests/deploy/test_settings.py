"""What `deploy` sets, control and the nodes know; and the secrets it makes, they can use."""

import re
import stat
import subprocess
from pathlib import Path

import click
import pytest

import parley
from control import cli as control
from control.backup import backup_cli
from control.events.sockets import PING_EVERY_S
from control.keys import load_secrets
from control.settings import Settings as ControlSettings
from sfu.node import cli as sfu
from sfu.node.service import load_keys
from sfu.node.settings import Settings
from sfu.node.websocket import HEARTBEAT_S
from tests.deploy import DEPLOY
from tests.load import cli as bots

FILES = [path for path in DEPLOY.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
SETTING = re.compile(r"PARLEY_[A-Z0-9_]*[A-Z0-9]")
OWN = {"PARLEY_VERSION"}
"""Of the compose file alone: which image."""

COMMAND = re.compile(r"(?:^|`)parley ([a-z]+)", re.MULTILINE)


def known() -> set[str]:
    commands = (control.command, sfu.command, backup_cli.command, bots.command)
    options = [each for command in commands for each in command.params if isinstance(each, click.Option)]
    return {str(option.envvar) for option in options} | OWN


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_setting_is_known(path: Path) -> None:
    assert set(SETTING.findall(path.read_text())) <= known()


def test_the_runbook_s_commands_are_there() -> None:
    named = set(COMMAND.findall((DEPLOY / "RUNBOOK.md").read_text()))
    assert {"backup", "restore", "jobs", "bots"} <= named <= parley.COMMANDS.keys()


@pytest.mark.parametrize(
    ("file", "timeout"),
    [("haproxy/haproxy.cfg", "timeout tunnel"), ("nginx/parley.conf", "proxy_read_timeout")],
)
def test_balancers_bear_the_silence_between_pings(file: str, timeout: str) -> None:
    (minutes,) = re.findall(rf"{timeout} (\d+)m", (DEPLOY / file).read_text())
    longest_s = max(PING_EVERY_S, HEARTBEAT_S, ControlSettings().socket_ping_s)
    assert int(minutes) * 60 > 2 * longest_s


def test_nginx_lets_through_what_control_takes() -> None:
    megabytes = re.findall(r"client_max_body_size (\d+)m", (DEPLOY / "nginx" / "parley.conf").read_text())
    usual, files = (int(number) * 1024 * 1024 for number in megabytes)
    limits = ControlSettings().limits
    assert usual > max(limits.body_bytes, limits.report_bytes)
    assert files > max(limits.file_bytes, limits.recording_bytes) + limits.body_bytes


def test_secrets_are_as_control_makes_them(tmp_path: Path) -> None:
    make = [str(DEPLOY / "make-secrets"), str(tmp_path / "secrets")]
    subprocess.run(make, check=True)
    made = {path: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o600] * 4
    subprocess.run(make, check=True)
    assert {path: path.read_bytes() for path in made} == made
    secrets = load_secrets(tmp_path / "secrets")
    key, cluster = load_keys(Settings(data=tmp_path / "secrets"))
    assert (key, cluster) == (secrets.ticket_key.public_key(), secrets.cluster)
    assert secrets.session != secrets.cluster
