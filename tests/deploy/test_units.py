"""systemd's units, judged by systemd."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import parley
from tests.deploy import DEPLOY
from tests.deploy.proxies import moved

FOLDER = DEPLOY / "systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
EXPOSURE_MAX = 15
"""Tenths of what `systemd-analyze security` calls exposure; below 20 it is content."""


def analyze(*words: str) -> str:
    """Return what systemd says, which is nothing when all is well; it must not fail."""
    told = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stderr


def here(name: str, folder: Path) -> str:
    """Copy a unit with a program in it that is there."""
    return str(moved(FOLDER / name, folder, {"/opt/parley/bin/parley": sys.executable}))


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_sound_and_may_do_little(name: str, tmp_path: Path) -> None:
    unit = here(name, tmp_path)
    assert analyze("verify", unit) == ""
    analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)


def test_the_timer_is_sound(tmp_path: Path) -> None:
    here("parley-backup.service", tmp_path)
    assert analyze("verify", str(moved(FOLDER / "parley-backup.timer", tmp_path, {}))) == ""


@pytest.mark.parametrize("name", SERVICES)
def test_services_run_commands_that_there_are(name: str) -> None:
    (line,) = [line for line in (FOLDER / name).read_text().splitlines() if line.startswith("ExecStart=")]
    program, command, *options = line.removeprefix("ExecStart=").split()
    assert program == "/opt/parley/bin/parley"
    assert CliRunner().invoke(parley.main, [command, *options, "--help"]).exit_code == 0
