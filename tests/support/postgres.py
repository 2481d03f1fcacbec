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
import sqlalchemy
from psycopg import sql

from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

USER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "log_min_messages": "error",
}
MEMORY_BYTES = 4 << 30


class Postgres:
    """The server. `url` is that of a database made with it."""

    def __init__(self, folder: Path, *make_data: str) -> None:
        """Have the program `make_data` make the server's data in a part of the folder."""
        self._folder = folder
        (self._port,) = free_ports(1)
        self._process: Process | None = None
        program, *arguments = make_data
        command = [*_as_user(), str(_program(program)), "-D", str(self._data), *arguments, "--no-sync"]
        subprocess.run(command, check=True, capture_output=True)

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
        self._process = None
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End the server, whoever is connected, unless it was killed."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def make_database(self, *, like: str = "template1") -> str:
        """Make a database and return its address."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            command = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(like)))
        return self._url(name)

    def drop_database(self, url: sqlalchemy.URL) -> None:
        """Take a database away, whoever is connected to it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            command = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(command.format(sql.Identifier(url.database or "")))

    def url_like(self, url: sqlalchemy.URL) -> str:
        """Return the address of a database that is called the same on another server."""
        return self._url(url.database or "")

    @contextmanager
    def standby(self) -> Iterator["Postgres"]:
        """Run a server that copies this one."""
        source = ("-h", "127.0.0.1", "-p", str(self._port), "-U", USER)
        with _running("pg_basebackup", *source, "--write-recovery-conf", "--checkpoint=fast") as server:
            yield server

    def catch_up_with(self, source: "Postgres") -> None:
        """Wait until this standby has all that its source has by now."""
        with psycopg.connect(source.url) as connection:
            position = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert position is not None
        with psycopg.connect(self.url) as connection:
            reached = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            until_now(
                "the standby has caught up", lambda: connection.execute(reached, position).fetchone()[0]
            )

    def stand_still(self) -> None:
        """Have this standby fall behind from now on."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SELECT pg_wal_replay_pause()")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server."""
    with _running("initdb", "-A", "trust", "-U", USER) as server:
        yield server


@contextmanager
def _running(*make_data: str) -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-", dir=_quick_folder()))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        server = Postgres(folder, *make_data)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


def _quick_folder() -> Path | None:
    """Return a folder in memory, if the machine has one with room enough: there is no disk to wait for."""
    memory = Path("/dev/shm")
    is_large = memory.is_dir() and shutil.disk_usage(memory).free >= MEMORY_BYTES
    return memory if is_large else None


def _program(name: str) -> Path:
    """Return the newest version's program, which Debian keeps out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found, f"no {name}: install Debian's postgresql"
    return found[-1]


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
