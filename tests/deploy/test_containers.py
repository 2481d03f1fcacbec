"""The image's recipe and the compose file, as far as they can be tried where there is no container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import DEPLOY, REPOSITORY
from tests.deploy.proxies import moved
from tests.support.certificate import write_certificate

RECIPE = DEPLOY / "container" / "Dockerfile"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
ENVIRONMENT = {
    "DOMAIN": "meet.example.org",
    "PUBLIC_ADDRESS": "203.0.113.1",
    "POSTGRES_PASSWORD": "one",
    "RABBITMQ_PASSWORD": "two",
    "TURN_SECRET": "three",
    "GRAFANA_PASSWORD": "four",
}
BEGIN = """
import click, parley
from click.testing import CliRunner
commands = parley.main.list_commands(click.Context(parley.main))
for command in commands:
    assert CliRunner().invoke(parley.main, [command, "--help"]).exit_code == 0, command
print(parley.__file__)
print(*commands)
"""
"""Asks each of the image's commands for help."""
OURS = {"control-1", "control-2", "worker", "sfu"}


def ran(*command: str, **options: Any) -> str:
    """Return what a command prints; it must not fail."""
    told = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def copied() -> Iterator[tuple[Path, str]]:
    """Yield what the recipe copies out of the repository, and to where in the build's folder."""
    for line in RECIPE.read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *sources, target = line.split()[1:]
            for source in sources:
                yield REPOSITORY / source, source if target == "./" else target


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipe installs of Parley itself, from what it copies and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in copied():
        if source.is_dir():
            shutil.copytree(source, folder / "build" / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / "build").mkdir(exist_ok=True)
            shutil.copy(source, folder / "build" / target)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    ran(*pip, "--target", str(folder / "parley"), str(folder / "build"))
    return folder / "parley"


def test_linters_find_nothing_in_the_recipe() -> None:
    assert ran("hadolint", str(RECIPE), env=_with_tools()) == ""


def test_the_image_is_not_root_s() -> None:
    lines = RECIPE.read_text().splitlines()
    last_stage = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM ")) :]
    (user,) = [line for line in last_stage if line.startswith("USER ")]
    assert user == "USER 10001:10001"


def test_all_that_parley_is_made_of_is_in_the_image(image: Path) -> None:
    parts = [path.name for path, _ in copied() if path.is_dir()]
    kinds = {".py", ".html", ".css", ".js", ".svg", ".json", ".mako", ".ini"}
    for path in (path for part in parts for path in (REPOSITORY / part).rglob("*") if path.suffix in kinds):
        if not {"node_modules", "__pycache__"} & set(path.parts) and path.parent != REPOSITORY / "web":
            assert (image / path.relative_to(REPOSITORY)).is_file()


def test_the_image_s_commands_begin(image: Path, tmp_path: Path) -> None:
    told = ran(sys.executable, "-P", "-c", BEGIN, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(image)})
    at, commands = told.splitlines()
    assert Path(at) == image / "parley.py"
    services = {"run", "control", "worker", "sfu"}
    here = {"bots"}  # an editable installation shows the checkout's
    assert set(commands.split()) - here == services | {"jobs", "nodes", "backup", "restore", "doctor"}


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    lines = RECIPE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == {
        str(path.relative_to(REPOSITORY)) for path, _ in copied()
    }


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The compose file's services, judged and filled in by docker-compose."""
    text = ran("docker-compose", "-f", str(COMPOSE), "config", env={**os.environ, **ENVIRONMENT})
    described: dict[str, Any] = yaml.safe_load(text)["services"]
    return described


def test_services_of_ours_may_do_little(services: dict[str, Any]) -> None:
    assert set(services) >= OURS
    for name in OURS:
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    assert {secret["source"] for secret in services["sfu"]["secrets"]} == {"ticket-verifying", "cluster"}
    assert not [name for name, service in services.items() if service.get("privileged")]


def test_only_what_people_need_is_open(services: dict[str, Any]) -> None:
    ports = {name: json.dumps(service["ports"]) for name, service in services.items() if "ports" in service}
    assert set(ports) == {"haproxy", "sfu", "grafana"}
    assert "127.0.0.1:3000:3000" in ports["grafana"]


def test_without_a_password_nothing_starts() -> None:
    command = ["docker-compose", "-f", str(COMPOSE), "config", "--quiet"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert told.returncode != 0
    assert "Missing mandatory value" in told.stderr
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert required == ENVIRONMENT.keys()


def test_mounted_files_are_there(services: dict[str, Any]) -> None:
    secrets = DEPLOY / "compose" / "secrets"
    mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
    files = [Path(mount.partition(":")[0]) for mount in mounts if mount.startswith("/")]
    assert files
    assert [path for path in files if not path.exists() and not path.is_relative_to(secrets)] == []


def test_haproxy_takes_the_servers_of_the_compose_file(tmp_path: Path) -> None:
    both = tmp_path / "tls.pem"
    certificate, key = tmp_path / "crt", tmp_path / "key"
    write_certificate("localhost", certificate, key)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    usual = moved(DEPLOY / "haproxy" / "haproxy.cfg", tmp_path, {"/etc/parley/tls.pem": str(both)})
    ran("haproxy", "-c", "-f", str(usual), "-f", str(COMPOSE.with_name("servers.cfg")))


def _with_tools() -> dict[str, str]:
    """Return the environment with Python's own tools in the PATH."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
