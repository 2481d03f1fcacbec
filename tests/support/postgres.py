"""A PostgreSQL server of the tests' own, which they may kill and start again; it ends with its context.

It refuses to run as root, so a root's tests run it as Debian's user `postgres`. Its data live in a folder
of their own outside pytest's, which that user could not enter.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

USER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "max_connections": "200",
    "log_min_messages": "error",
}


class Postgres:
    """The server. `url` is that of a database made with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._port,) = free_ports(1)
        self._process: Process | None = None
        initdb = [str(_program("initdb")), "-D", str(self._data), "-A", "trust", "-U", USER, "--no-sync"]
        subprocess.run([*_as_user(), *initdb], check=True, capture_output=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def url(self) -> str:
        """The address of the database that is always there."""
        return self._url("postgres")

    def _url(self, name: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{name}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = {**SETTINGS, "port": str(self._port), "unix_socket_directories": str(self._folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        argv = [*_as_user(), str(_program("postgres")), "-D", str(self._data), *options]
        process = self._process = Process(argv, self._folder / "postgres.log", by=SIGINT)
        until_now("PostgreSQL answers", lambda: process.alive() and self._answers())

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End the server as a power cut would."""
        assert self._process is not None
        self._process.kill()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End the server, whoever is connected."""
        assert self._process is not None
        self._process.stop()

    def make_database(self, *, like: str = "template1") -> str:
        """Make a database and return its address."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(like)))
        return self._url(name)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server."""
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        server = Postgres(folder)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> Path:
    """Return the newest version's program, which Debian keeps out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found, f"no {name}: install Debian's postgresql"
    return found[-1]


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
