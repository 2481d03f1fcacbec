"""Who may do what: every route, seen by everybody. A route that is not in the table fails the test."""

import re
from dataclasses import dataclass

import pytest

from control.app import build
from control.settings import Settings
from tests.integration.control.harness import Client, Control

NOBODY, STRANGER, ELSEWHERE, GUEST, MEMBER, HOST = (
    "nobody",
    "stranger",
    "elsewhere",
    "guest",
    "member",
    "host",
)
EVERYBODY = (NOBODY, STRANGER, ELSEWHERE, GUEST, MEMBER, HOST)

ACCOUNTS = {NOBODY: 401, ELSEWHERE: 401, GUEST: 401}
MEMBERS = {NOBODY: 401, STRANGER: 403, ELSEWHERE: 403}
HOSTS = ACCOUNTS | {STRANGER: 403, MEMBER: 403}


@dataclass(frozen=True)
class Rule:
    """What each of EVERYBODY gets: `otherwise`, unless named in `but`."""

    otherwise: int
    but: dict[str, int]
    body: object = None


RULES: dict[tuple[str, str], Rule] = {
    ("POST", "/api/accounts"): Rule(422, {}, {}),
    ("POST", "/api/session"): Rule(422, {}, {}),
    ("DELETE", "/api/session"): Rule(204, {}),
    ("POST", "/api/session/refresh"): Rule(401, {}, {}),
    ("GET", "/api/session/resume"): Rule(303, {}),
    ("GET", "/api/me"): Rule(200, ACCOUNTS),
    ("POST", "/api/me/verification"): Rule(204, ACCOUNTS),
    ("POST", "/api/password/forgotten"): Rule(422, {}, {}),
    ("POST", "/api/password"): Rule(422, {}, {}),
    ("POST", "/api/keys"): Rule(201, ACCOUNTS, {"name": "x", "scopes": ["chat:read"]}),
    ("GET", "/api/keys"): Rule(200, ACCOUNTS),
    ("DELETE", "/api/keys/{key}"): Rule(404, ACCOUNTS),  # 404: allowed, but there is no such key
    ("POST", "/api/webhooks"): Rule(422, ACCOUNTS, {}),
    ("GET", "/api/webhooks"): Rule(200, ACCOUNTS),
    ("DELETE", "/api/webhooks/{webhook}"): Rule(404, ACCOUNTS),
    ("POST", "/api/webhooks/{webhook}/enable"): Rule(404, ACCOUNTS),
    ("GET", "/api/webhooks/{webhook}/deliveries"): Rule(404, ACCOUNTS),
    ("POST", "/api/webhooks/{webhook}/replay"): Rule(422, ACCOUNTS, {}),
    ("POST", "/api/meetings"): Rule(201, ACCOUNTS, {"title": "x"}),
    ("GET", "/api/meetings"): Rule(200, ACCOUNTS),
    ("GET", "/api/meetings/{code}"): Rule(200, {}),
    ("POST", "/api/meetings/{code}/join"): Rule(200, {}, {"name": "x"}),
    ("GET", "/api/meetings/{code}/messages"): Rule(200, MEMBERS),
    ("POST", "/api/meetings/{code}/messages"): Rule(201, MEMBERS, {"text": "x", "client_id": "x"}),
    ("POST", "/api/meetings/{code}/attachments"): Rule(
        201, MEMBERS, {"name": "x", "type": "text/plain", "size": 1}
    ),
    ("GET", "/api/meetings/{code}/attachments/{attachment}"): Rule(404, MEMBERS),
    ("GET", "/api/meetings/{code}/archives"): Rule(200, HOSTS),
    ("GET", "/api/meetings/{code}/archives/{archive}"): Rule(404, HOSTS),
    ("GET", "/api/meetings/{code}/recordings"): Rule(200, MEMBERS),
    ("POST", "/api/meetings/{code}/recordings"): Rule(
        201,
        HOSTS,
        {"title": "x", "type": "video/webm", "size": 1, "started_at": "2031-05-04T12:00:00Z", "duration": 1},
    ),
    ("POST", "/api/meetings/{code}/recordings/{recording}/complete"): Rule(404, HOSTS),
    ("GET", "/api/meetings/{code}/recordings/{recording}"): Rule(404, MEMBERS),
    ("DELETE", "/api/meetings/{code}/recordings/{recording}"): Rule(
        404, ACCOUNTS | {STRANGER: 403, MEMBER: 403}
    ),
    ("POST", "/objects/{grant}"): Rule(403, {}),
    ("GET", "/objects/{grant}"): Rule(403, {}),
    ("GET", "/api/meetings/{code}/people"): Rule(200, MEMBERS),
    ("GET", "/api/meetings/{code}/ice-servers"): Rule(200, MEMBERS),
    ("GET", "/api/meetings/{code}/events"): Rule(
        400, MEMBERS
    ),  # 400: allowed, but no WebSocket was asked for
    ("POST", "/api/meetings/{code}/end"): Rule(200, HOSTS, {}),
    ("PATCH", "/api/meetings/{code}"): Rule(200, HOSTS, {}),
    ("POST", "/api/meetings/{code}/cancel"): Rule(200, HOSTS, {}),
    ("POST", "/api/meetings/{code}/invitations"): Rule(201, HOSTS, {"addresses": ["bo@example.org"]}),
    ("GET", "/api/meetings/{code}/invitations"): Rule(200, HOSTS),
    ("DELETE", "/api/meetings/{code}/invitations/{invitation}"): Rule(404, HOSTS),
    ("GET", "/api/meetings/{code}/attendance"): Rule(200, MEMBERS | {GUEST: 403, MEMBER: 403}),
    ("POST", "/internal/nodes/report"): Rule(401, {}, {}),
    ("GET", "/api/openapi.json"): Rule(200, {}),
    ("GET", "/api/docs"): Rule(200, {}),
    ("GET", "/"): Rule(200, {}),
    ("GET", "/sign-up"): Rule(200, {}),
    ("GET", "/sign-in"): Rule(200, {}),
    ("GET", "/forgot-password"): Rule(200, {}),
    ("GET", "/new-password"): Rule(200, {}),
    ("GET", "/meetings"): Rule(303, {}),  # a page: cookies count there, not the bearer's token
    ("GET", "/settings"): Rule(303, {}),
    ("GET", "/m/{code}"): Rule(200, {}),
    ("GET", "/mail/{token}"): Rule(404, {}),  # of no mail that was sent
    ("POST", "/mail/{token}"): Rule(404, {}),
    ("POST", "/mail/{token}/decline"): Rule(404, {}),
    ("GET", "/verify/{token}"): Rule(410, {}),  # of no letter that was sent
    ("POST", "/verify/{token}"): Rule(410, {}),
    ("GET", "/static"): Rule(404, {}),
    ("GET", "/socket.io/"): Rule(400, {}),  # the token is asked for in the handshake, which this is not
    ("POST", "/socket.io/"): Rule(400, {}),
    ("OPTIONS", "/socket.io/"): Rule(400, {}),
    ("GET", "/healthz"): Rule(200, {}),
    ("GET", "/readyz"): Rule(200, {}),
    ("GET", "/metrics"): Rule(200, {}),
}


def test_every_route_has_its_rule(tmp_path) -> None:
    app = build(Settings(data=tmp_path, bcrypt_cost=4))
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    assert {route for route in routes if route[0] != "HEAD"} == set(RULES)


async def test_the_document_says_the_same(control: Control) -> None:
    """Those who show nothing are admitted where the API's document says so."""
    paths = (await control.client().get("/api/openapi.json")).json["paths"]
    for (method, path), rule in RULES.items():
        if path.startswith("/api/"):
            security = paths[path][method.lower()]["security"]
            needs_nobody = not security or {} in security
            assert needs_nobody == (rule.but.get(NOBODY) != 401), path
            admits_guests = needs_nobody or {"guestToken": []} in security
            assert admits_guests == (rule.but.get(GUEST) != 401), path


@pytest.fixture
async def cast(control: Control) -> tuple[dict[str, Client], str]:
    """All callers, and the code of the meeting they relate to."""
    await control.report()
    host, member = await control.person("Host"), await control.person("Member")
    code = (await control.meeting(host))["code"]
    assert (await member.post(f"/api/meetings/{code}/join")).status == 200
    return {
        NOBODY: control.client(),
        STRANGER: await control.person("Stranger"),
        ELSEWHERE: await control.guest((await control.meeting(host))["code"]),
        GUEST: await control.guest(code),
        MEMBER: member,
        HOST: host,
    }, code


@pytest.mark.parametrize("route", RULES, ids=" ".join)
async def test_the_rules_hold(cast: tuple[dict[str, Client], str], route: tuple[str, str]) -> None:
    callers, code = cast
    (method, path), rule = route, RULES[route]
    path = re.sub(r"{\w+}", "0" * 32, path.replace("{code}", code))
    seen = {}
    for who in EVERYBODY:
        reply = await callers[who].send(method, path, rule.body)
        seen[who] = reply.status
    assert seen == {who: rule.but.get(who, rule.otherwise) for who in EVERYBODY}


async def test_a_method_no_route_has_is_refused(control: Control) -> None:
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"):
        reply = await control.client("x").send(method, "/api/meetings")
        assert (reply.status, reply.code) == (405, "method_not_allowed")
