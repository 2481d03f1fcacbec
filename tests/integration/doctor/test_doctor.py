"""`parley doctor` against a running service, and what it says when a client's way is blocked somewhere."""

import asyncio
import hmac
import json
import socket
import sqlite3
import ssl
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner
from yarl import URL

from doctor import machine, stun
from doctor.cli import command
from doctor.finding import State, Verdict
from doctor.machine import NodePlace
from doctor.page import Page
from doctor.relay import Relay
from doctor.stun import Answer, Candidate, Credentials
from sfu.transport.settings import NetworkSettings
from tests.load.cluster import cluster
from tests.support.certificate import certify
from tests.support.coturn import SECRET, TurnServer, coturn
from tests.support.ports import free_ports

LOCAL = NetworkSettings(bind_v4="127.0.0.1", bind_v6="")
BOUND = {"PARLEY_SFU_BIND_V4": "127.0.0.1", "PARLEY_SFU_BIND_V6": ""}


@dataclass(frozen=True)
class Report:
    code: int
    checks: dict[str, dict[str, str]]

    def states(self) -> dict[str, str]:
        return {name: check["state"] for name, check in self.checks.items()}


async def doctor(url: str, data: Path, **settings: str) -> Report:
    """Run the command as an operator does."""
    variables = {"PARLEY_DATA": str(data), "PATH": "/usr/bin:/bin", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parley", "doctor", "--url", url, "--json",
        env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 100)
    assert b"Traceback" not in err, err.decode()
    told = json.loads(out)
    assert told["ok"] == (process.returncode == 0)
    return Report(process.returncode or 0, {each["check"]: each for each in told["checks"]})


async def examined(url: str, data: Path, **settings: str) -> Report:
    """Run the command here, which saves the time that a process takes to begin."""
    arguments = ["--url", url, "--json", "--data", str(data)]
    result = await asyncio.to_thread(CliRunner().invoke, command, arguments, env=settings)
    assert isinstance(result.exception, SystemExit), result.exception
    return Report(result.exit_code, {each["check"]: each for each in json.loads(result.stdout)["checks"]})


def told(verdict: Verdict, state: State, *said: str) -> None:
    text = f"{verdict.seen} {verdict.fix}"
    assert verdict.state is state, text
    assert all(each in text for each in said), text


async def test_a_system_that_is_well(tmp_path: Path) -> None:
    media, port = free_ports(2)
    settings = {"PARLEY_SFU_MEDIA_PORT": str(media), "PARLEY_SFU_PORT": str(port)}
    async with cluster(tmp_path, changed=settings) as running:
        report = await doctor(
            running.url, tmp_path / "data", **settings, **BOUND, PARLEY_SFU_ADVERTISE="127.0.0.1"
        )
        with sqlite3.connect(tmp_path / "data" / "control.sqlite") as database:
            meetings = database.execute("SELECT ended_at IS NOT NULL FROM meetings").fetchall()
    assert report.code == 0, report
    assert meetings == [(1,), (1,)]
    unset = ("redis", "rabbitmq", "mail", "files", "files (cors)", "tls", "turn")
    assert {name for name, state in report.states().items() if state == "unset"} == set(unset)
    others = {name: state for name, state in report.states().items() if name not in unset}
    machine = ("buffers", "open files", "segmentation")
    assert {state for name, state in others.items() if name not in machine} == {"ok"}, report
    assert report.checks["udp"]["seen"] == f"127.0.0.1:{media} answers"
    assert "3 bots heard and saw each other" in report.checks["call"]["seen"]


async def test_udp_that_is_blocked_is_told_from_all_that_works(tmp_path: Path) -> None:
    media, port = free_ports(2)
    settings = {
        "PARLEY_SFU_MEDIA_PORT": str(media),
        "PARLEY_SFU_PORT": str(port),
        "PARLEY_SFU_ADVERTISE": "127.0.0.9",
        "PARLEY_SFU_MEDIA_TCP_PORT": "0",
    }
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as firewall:
        firewall.bind(("127.0.0.9", media))  # takes all that comes, and says nothing
        async with cluster(tmp_path, changed=settings) as running:
            report = await examined(running.url, tmp_path / "data", **BOUND, **settings)
    assert report.code == 1
    failed = [name for name, state in report.states().items() if state == "failed"]
    assert failed == ["udp"]
    assert report.checks["udp"]["seen"] == f"127.0.0.9:{media} does not answer"
    assert f"Open UDP port {media}" in report.checks["udp"]["fix"]
    assert report.states()["call"] == "skipped"


async def test_nothing_runs(tmp_path: Path) -> None:
    (port,), data = free_ports(1), tmp_path / "data"
    report = await examined(f"http://127.0.0.1:{port}", data)
    assert report.code == 1
    assert "nothing listens there" in report.checks["page"]["seen"]
    assert "Start control" in report.checks["page"]["fix"]
    assert "nothing listens there" in report.checks["ticket"]["seen"]
    assert report.states()["clock"] == "skipped"
    assert not data.exists()


@pytest.mark.parametrize(
    ("is_bound", "answer"), [(True, Answer.SILENT), (False, Answer.CLOSED)], ids=["silent", "closed"]
)
async def test_ports_that_are_silent_or_closed(is_bound: bool, answer: Answer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if not is_bound:
            other.close()
        agents = Credentials("ours", "password of ours"), Credentials("theirs", "password of theirs")
        assert await stun.ask(Candidate("udp", "127.0.0.1", port), *agents) is answer


async def test_the_media_port_is_anothers_or_nobodys() -> None:
    media, port = free_ports(2)
    place = NodePlace(replace(LOCAL, port=media), port, 100)
    told(await machine.media_port(place), State.WARNING, "is free", "Start the node")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", media))
        told(await machine.media_port(place), State.FAILED, "is taken, and no node answers", "ss -ulpn")
    nowhere = replace(place, network=replace(place.network, bind_v4="192.0.2.200"))
    told(await machine.media_port(nowhere), State.FAILED, "none of this machine's", "PARLEY_SFU_BIND_V4")
    none = replace(place, network=replace(place.network, bind_v4=""))
    told(await machine.media_port(none), State.FAILED, "No address to listen on")


async def test_what_the_kernel_does_not_give() -> None:
    greedy = replace(LOCAL, receive_buffer_bytes=(1 << 31) - 1)
    told(await machine.buffers(greedy), State.WARNING, "bursts of packets", "net.core.rmem_max")
    told(await machine.open_files(1), State.OK)
    told(await machine.open_files(1 << 40), State.WARNING, "LimitNOFILE")


async def test_addresses_that_nobody_outside_can_use() -> None:
    private = replace(LOCAL, addresses=("10.1.2.3",))
    told(await machine.advertised(private, "1.1.1.1"), State.FAILED, "10.1.2.3", "PARLEY_SFU_ADVERTISE")
    told(await machine.advertised(private, "127.0.0.1"), State.OK, "10.1.2.3 is not of this machine")
    told(
        await machine.advertised(replace(LOCAL, addresses=("x",)), "127.0.0.1"), State.FAILED, "IP addresses"
    )
    told(await machine.advertised(private, "nowhere.invalid"), State.SKIPPED, "no host nowhere.invalid")


@asynccontextmanager
async def serving(
    status: int = 200, ahead_s: float = 0.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[URL]:
    """A server that is no Parley, but answers as one might."""

    async def answer(_request: web.Request) -> web.Response:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
        return web.Response(status=status, headers={"Date": date})

    app = web.Application()
    app.router.add_get("/readyz", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield URL(f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(url: URL) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession() as http:
        yield Page(http, url)


@pytest.mark.parametrize(
    ("ahead_s", "state", "said"),
    [
        (0, State.OK, "agree"),
        (10, State.WARNING, "behind that of 127.0.0.1"),
        (-10, State.WARNING, "ahead of that of 127.0.0.1"),
        (3600, State.FAILED, "behind that of 127.0.0.1"),
        (-3600, State.FAILED, "ahead of that of 127.0.0.1"),
    ],
)
async def test_clocks(ahead_s: float, state: State, said: str) -> None:
    async with serving(ahead_s=ahead_s) as url, opened(url) as page:
        told(await page.clock(), State.SKIPPED)
        told(await page.page(), State.OK)
        told(await page.clock(), state, said)


@pytest.mark.parametrize(
    ("status", "said"), [(502, "the proxy"), (503, "not its database"), (404, "as Parley does not")]
)
async def test_pages_that_are_not_well(status: int, said: str) -> None:
    async with serving(status) as url, opened(url) as page:
        told(await page.page(), State.FAILED, said)


@pytest.mark.parametrize(
    ("certificate", "state", "said"),
    [
        ({"days": 60}, State.OK, "good for 60 days"),
        ({"days": 5}, State.WARNING, "Renew it"),
        ({"days": -5}, State.FAILED, "expired"),
        ({"days": 60, "host": "127.0.0.2"}, State.FAILED, "mismatch"),
        ({"days": 60, "trusted": False}, State.FAILED, "self"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
async def test_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: dict[str, Any], state: State, said: str
) -> None:
    certified = certify(tmp_path, certificate.get("host", "127.0.0.1"), days=certificate["days"])
    if certificate.get("trusted", True):
        monkeypatch.setenv("SSL_CERT_FILE", str(certified.certificate))
    async with serving(tls=certified.for_server()) as url, opened(url) as page:
        told(await page.tls(), state, said)


async def test_a_page_that_is_not_encrypted() -> None:
    async with opened(URL("http://127.0.0.1:1")) as page:
        told(await page.tls(), State.UNSET)
    async with opened(URL("http://meet.example.org")) as page:
        told(await page.tls(), State.FAILED, "no camera", "PARLEY_PUBLIC_URL")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--s3-url", "http://127.0.0.1:1/bucket", "--s3-key", "x"], "need each other"),
        (["--replica-urls", "postgresql://a/x,postgresql://b/x"], "more replicas than databases"),
        (["--url", "meet.example.org"], "is not an address"),
    ],
)
def test_options_that_make_no_sense_are_refused_as_control_refuses_them(wrong: list[str], said: str) -> None:
    result = CliRunner().invoke(command, wrong)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    with coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_turn_server_relays(turn: TurnServer, transport: str) -> None:
    ends = int(time.time()) + 600
    password = b64encode(hmac.digest(SECRET.encode(), f"{ends}:x".encode(), "sha1")).decode()
    await Relay.at(turn.url(transport)).allocate(f"{ends}:x", password)
    with pytest.raises(PermissionError, match="credentials are not taken"):
        await Relay.at(turn.url(transport)).allocate(f"{ends}:x", "wrong")


async def test_a_turn_server_is_not_there_or_not_trusted(turn: TurnServer) -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConnectionRefusedError):
        await Relay.at(f"turn:127.0.0.1:{port}?transport=tcp").allocate("x", "x")
    with pytest.raises(ssl.SSLCertVerificationError):
        await Relay.at(turn.url("tls")).allocate("x", "x")
