"""An S3 server of the tests' own, which they may kill and start again: Ceph's RADOS Gateway.

It stands on a monitor and one storage daemon that keeps everything in memory; those two stay when the
gateway is killed, so what was stored is still there when it comes back.
"""

import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiobotocore.session import get_session

from tests.support.ports import free_ports
from tests.support.processes import Process
from tests.support.waiting import until_now

CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]
public_network = 127.0.0.0/8
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
log_file = {folder}/$name.log
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_client_watch_timeout = 2
rgw_frontends = beast endpoint=127.0.0.1:{gateway}
"""


class RadosGateway:
    """The server. `key` and `secret` belong to one user, who may make buckets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        mon_v2, mon_v1, self._port = free_ports(3)
        self.key, self.secret = secrets.token_hex(10), secrets.token_hex(20)
        self.url = f"http://127.0.0.1:{self._port}"
        self._daemons: list[Process] = []
        self._gateway: Process | None = None
        self._fsid = str(uuid4())
        (folder / "ceph.conf").write_text(
            CONFIGURATION.format(
                fsid=self._fsid, folder=folder, mon_v2=mon_v2, mon_v1=mon_v1, gateway=self._port
            )
        )
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        self._make_keys()
        monitor = f"[v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]"
        self._run(
            "monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", monitor, self._path("monmap")
        )

    def _make_keys(self) -> None:
        everything = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
        for number, name in enumerate(("mon.", "client.admin", "osd.0", "client.rgw.a")):
            create = ["--create-keyring"] if number == 0 else []
            keyring = self._path("keyring")
            self._run("ceph-authtool", keyring, *create, "--gen-key", "-n", name, *everything)

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    @property
    def _environment(self) -> dict[str, str]:
        return {"CEPH_CONF": self._path("ceph.conf"), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}

    def _run(self, *argv: str) -> None:
        done = subprocess.run(argv, check=False, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"

    def _daemon(self, *argv: str) -> Process:
        return Process(argv, self._folder / f"{argv[0]}.log", env=self._environment)

    def begin(self) -> None:
        """Start all of it, and make the user."""
        self._run(
            "ceph-mon",
            "--mkfs",
            "-i",
            "a",
            "--monmap",
            self._path("monmap"),
            "--keyring",
            self._path("keyring"),
        )
        self._daemons.append(self._daemon("ceph-mon", "-f", "-i", "a"))
        identity = str(uuid4())
        self._run("ceph", "--connect-timeout", "30", "osd", "new", identity)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        self._daemons.append(self._daemon("ceph-osd", "-f", "-i", "0"))
        self.start()
        user = (
            "--uid=tests",
            "--display-name=tests",
            f"--access-key={self.key}",
            f"--secret-key={self.secret}",
        )
        self._run("radosgw-admin", "user", "create", *user)

    def start(self) -> None:
        """Start the gateway, and wait until it answers."""
        process = self._gateway = self._daemon("radosgw", "-f", "-n", "client.rgw.a")
        until_now("the gateway answers", lambda: process.alive() and self._answers(), deadline_s=60)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End the gateway as a power cut would."""
        assert self._gateway is not None
        self._gateway.kill()

    def end(self) -> None:
        """End all of it; nothing here is worth waiting for an orderly end."""
        for process in (self._gateway, *reversed(self._daemons)):
            if process is not None:
                process.kill()

    def client(self) -> AbstractAsyncContextManager[Any]:
        """Return an S3 client of the user's."""
        return get_session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    async def make_bucket(self) -> str:
        """Make an empty bucket and return its address."""
        name = f"test-{uuid4().hex}"
        async with self.client() as client:
            await client.create_bucket(Bucket=name)
        return f"{self.url}/{name}"

    async def empty(self, bucket: str) -> None:
        """Delete all objects of the bucket with this name."""
        async with self.client() as client:
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                found = [{"Key": each["Key"]} for each in page.get("Contents", ())]
                if found:
                    await client.delete_objects(Bucket=bucket, Delete={"Objects": found})


@contextmanager
def radosgw() -> Iterator[RadosGateway]:
    """Run a server."""
    with tempfile.TemporaryDirectory(prefix="parley-radosgw-") as folder:
        server = RadosGateway(Path(folder))
        try:
            server.begin()
            yield server
        finally:
            server.end()
