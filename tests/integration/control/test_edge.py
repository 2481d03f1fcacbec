import asyncio
import logging
import re
from ipaddress import ip_network

import pytest
from yarl import URL

from control.database import database_url
from control.meetings import store
from control.settings import Limits
from tests.integration.control.conftest import Start
from tests.integration.control.harness import PASSWORD, Control


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/nothing", 404),
        ("/api/me", 401),
        ("/api/nothing", 404),
        ("/healthz", 200),
        ("/static/x", 404),
    ],
)
async def test_every_answer_is_protected(control: Control, path: str, status: int) -> None:
    reply = await control.client().get(path)
    assert reply.status == status
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert "camera=(self)" in reply.headers["Permissions-Policy"]
    assert re.fullmatch("[0-9a-f]{16}", reply.headers["X-Request-Id"])
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self' ws: wss:"
    assert re.fullmatch(r"'self' 'nonce-[\w-]{22}'", policy["script-src"])


async def test_each_page_has_its_own_nonce(control: Control) -> None:
    first, second = [(await control.client().get("/")) for _ in range(2)]
    assert first.headers["Content-Security-Policy"] != second.headers["Content-Security-Policy"]
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


async def test_a_page_over_tls_opens_no_sockets_in_the_clear(start: Start) -> None:
    control = await start(public_url=URL("https://meet.example.org"))
    policy = (await control.client().get("/")).headers["Content-Security-Policy"]
    assert "connect-src 'self' wss:;" in policy


@pytest.mark.parametrize(
    ("path", "code"),
    [("/api/nothing", "not_found"), ("/internal/x", "not_found"), ("/static/", "not_found")],
)
async def test_programs_get_errors_as_json(control: Control, path: str, code: str) -> None:
    reply = await control.client().get(path)
    error = reply.json["error"]
    assert (reply.status, error["code"]) == (404, code)
    assert error["request_id"] == reply.headers["X-Request-Id"]
    assert error["message"].endswith(".")
    assert "fields" not in error


async def test_people_get_errors_as_pages(control: Control) -> None:
    for path, sentence in (("/nothing", "nothing at this address"), ("/m/aaaa", "no meeting with this code")):
        reply = await control.client().get(path)
        assert (reply.status, reply.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert sentence in reply.text


@pytest.mark.parametrize(
    ("data", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "bad_request"),
        (b"{", "application/json", 400, "bad_request"),
        (b"\xff\xfe", "application/json", 400, "bad_request"),
        (b'{"email": "\\ud800"}', "application/json", 400, "bad_request"),
        (b"[" * 50_000, "application/json", 400, "bad_request"),
        (b'{"email":' * 5_000, "application/json", 400, "bad_request"),
        (b"{}", "text/plain", 400, "bad_request"),
        (b"email=a", "application/x-www-form-urlencoded", 400, "bad_request"),
        (b"[]", "application/json", 422, "invalid"),
        (b"null", "application/json", 422, "invalid"),
        (b'"' + b"x" * 70_000 + b'"', "application/json", 413, "too_large"),
    ],
)
async def test_bodies_that_are_no_use(
    control: Control, data: bytes, kind: str, status: int, code: str
) -> None:
    url = control.base / "api/session"
    async with control.http.post(url, data=data, headers={"Content-Type": kind}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)


async def test_a_body_of_unknown_length_is_bounded_too(start: Start) -> None:
    control = await start(limits=Limits(body_bytes=2000))

    async def endless():
        for _ in range(100):
            yield b"x" * 1000

    headers = {"Content-Type": "application/json"}
    async with control.http.post(control.base / "api/session", data=endless(), headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "SELF"}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "SELF.evil.example"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({}, 403),
    ],
)
async def test_cookies_count_only_from_our_own_pages(control: Control, headers: dict, status: int) -> None:
    ann = await control.person()
    headers = {name: value.replace("SELF", str(control.base.origin())) for name, value in headers.items()}
    headers["Cookie"] = f"parley_access={ann.token}"
    reply = await control.client().post("/api/meetings", {"title": "x"}, headers=headers)
    assert reply.status == status
    if status == 403:
        assert reply.code == "cross_site"


async def test_another_site_cannot_even_sign_in_or_out_for_its_visitor(control: Control) -> None:
    evil = {"Origin": "https://evil.example"}
    for method, path in (("POST", "/api/session"), ("DELETE", "/api/session"), ("POST", "/api/accounts")):
        assert (await control.client().send(method, path, {}, headers=evil)).code == "cross_site"


async def test_no_other_site_may_read_answers(control: Control) -> None:
    reply = await control.client().get("/healthz", headers={"Origin": "https://evil.example"})
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("host", ["", "a b", "user@host", "host/path", "[::1", "host:99999999", "host:x"])
async def test_hosts_that_make_no_sense(control: Control, host: str) -> None:
    ann = await control.person()
    reply = await ann.get("/api/meetings", headers={"Host": host})
    assert reply.status == 400


async def test_behind_a_trusted_proxy_its_word_counts(start: Start) -> None:
    control = await start(trusted_proxies=(ip_network("127.0.0.0/8"),))
    ann = await control.person()
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "meet.example.org"}
    meeting = await ann.post("/api/meetings", {"title": "x"}, headers=proxied)
    assert meeting.json["url"].startswith("https://meet.example.org/m/")
    assert (await ann.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"})).status == 403
    assert (await ann.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5, 127.0.0.1"})).status == 403
    assert (await ann.get("/metrics", headers={"X-Forwarded-For": "10.1.2.3"})).status == 200


async def test_anyone_elses_word_does_not(control: Control) -> None:
    ann = await control.person()
    claims = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "meet.example.org"}
    meeting = await ann.post("/api/meetings", {"title": "x"}, headers=claims)
    assert meeting.json["url"].startswith(str(control.base.origin()))
    assert (await ann.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).code == "forbidden"


async def test_metrics_are_for_those_they_are_meant_for(start: Start) -> None:
    control = await start(metrics_from=())
    assert (await control.client().get("/metrics")).code == "forbidden"


async def test_requests_and_refusals_are_counted(control: Control) -> None:
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    await control.client("x").get("/api/me")
    await ann.get(f"/api/meetings/{code}")
    await control.client().send("PROPFIND", "/api/meetings")
    text = (await ann.get("/metrics")).text
    assert "process_cpu_seconds_total " in text
    assert 'parley_control_refusals_total{reason="unauthenticated"} 1.0' in text
    assert 'requests_total{method="GET",route="/api/meetings/{code}",status="200"} 1.0' in text
    assert 'requests_total{method="OTHER",route="(none)",status="405"} 1.0' in text
    assert code not in text


async def test_logs_have_one_line_per_request_and_no_secret(control: Control, caplog) -> None:
    caplog.set_level(logging.INFO)
    await control.report()
    body = {"email": "ann@example.org", "name": "Ann", "password": PASSWORD}
    signed_in = (await control.client().post("/api/accounts", body)).json
    ann = control.client(signed_in["access_token"])
    meeting = await control.meeting(ann)
    joined = (await ann.post(f"/api/meetings/{meeting['code']}/join")).json
    guest = await control.guest(meeting["code"])
    await control.client().get(f"/m/{meeting['code']}?token={guest.token}")
    lines = [record.getMessage() for record in caplog.records if record.name == "control.edge.middleware"]
    assert len(lines) == 5
    assert re.fullmatch(r"POST /api/accounts 201 \d+\.\d ms id=[0-9a-f]{16}", lines[0])
    hidden = [PASSWORD, "ann@example.org", meeting["code"], guest.token, joined["ticket"]]
    hidden += [signed_in["access_token"], signed_in["refresh_token"]]
    for secret in hidden:
        assert secret not in caplog.text


async def test_what_a_bug_says_stays_in_the_log(start: Start, monkeypatch, caplog) -> None:
    control = await start()
    ann = await control.person()

    async def fail(*_args: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(store, "of_account", fail)
    reply = await ann.get("/api/meetings")
    assert (reply.status, reply.code) == (500, "internal")
    assert "inside" not in reply.text
    assert "a secret of the inside" in caplog.text
    assert reply.headers["X-Request-Id"] in caplog.text


async def test_a_database_that_is_gone_is_told_plainly(start: Start, tmp_path) -> None:
    control = await start(database_url=database_url(f"sqlite:///{tmp_path / 'gone.sqlite'}"))
    ann = await control.person()
    assert (await ann.get("/readyz")).status == 200
    for file in tmp_path.glob("gone.sqlite*"):
        file.unlink()
    (tmp_path / "gone.sqlite").mkdir()
    replies = await asyncio.gather(*(ann.get("/api/meetings") for _ in range(10)))
    assert {reply.status for reply in replies} <= {200, 503}
    assert (await ann.get("/healthz")).status == 200
