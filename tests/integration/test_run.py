"""`parley run` on an empty folder: secrets, both parts up, a meeting made and joined, a clean end."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import jwt

from tests.support.ports import free_ports

TIMEOUT_S = 60


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run the whole house; yield its process and the address it prints."""
    control, node, media = free_ports(3)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parley",
        "run",
        env={
            **os.environ,
            "PARLEY_DATA": str(data),
            "PARLEY_CONTROL_PORT": str(control),
            "PARLEY_SFU_PORT": str(node),
            "PARLEY_SFU_MEDIA_PORT": str(media),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while b"Parley is running" not in (line := await process.stdout.readline()):
                assert line, "parley ended before it was ready"
        yield process, f"http://localhost:{control}"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def test_a_newcomer_gets_a_ticket_and_ctrl_c_ends_everything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data) as (process, url), aiohttp.ClientSession(url) as http:
        person = {"email": "anna@example.org", "name": "Anna", "password": "correct horse"}
        async with http.post("/api/accounts", json=person) as response:
            assert response.status == 201
            token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with http.post("/api/meetings", json={"title": "First"}, headers=headers) as response:
            assert response.status == 201
            code = (await response.json())["code"]
        async with http.post(f"/api/meetings/{code}/join", json={}, headers=headers) as response:
            assert response.status == 200
            joined = await response.json()
        assert jwt.decode(joined["ticket"], options={"verify_signature": False})["sub"] == joined["peer"]
        async with http.ws_connect(joined["signal_url"]) as socket:
            assert not socket.closed
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
    secrets = [data / name for name in ("ticket-signing.pem", "cluster.secret", "session.secret")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in secrets] == [0o600] * 3


async def test_what_was_made_is_there_at_the_next_run(tmp_path: Path) -> None:
    person = {"email": "ben@example.org", "name": "Ben", "password": "correct horse"}
    async with running(tmp_path) as (_, url), aiohttp.ClientSession(url) as http:
        async with http.post("/api/accounts", json=person) as response:
            assert response.status == 201
    async with running(tmp_path) as (_, url), aiohttp.ClientSession(url) as http:
        async with http.post("/api/session", json=person) as response:
            assert response.status == 200


async def test_a_taken_port_is_told_and_ends_the_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, url):
        port = url.rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "parley",
            "run",
            env={
                **os.environ,
                "PARLEY_DATA": str(tmp_path / "second"),
                "PARLEY_CONTROL_PORT": port,
                **dict(
                    zip(("PARLEY_SFU_PORT", "PARLEY_SFU_MEDIA_PORT"), map(str, free_ports(2)), strict=True)
                ),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(second.communicate(), TIMEOUT_S)
        assert second.returncode == 1
        assert b"address already in use" in output
