import asyncio
import dataclasses

import jwt
import pytest
from yarl import URL

from control.rates.port import Rate
from control.settings import Limits
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import PASSWORD, Control

ANN = {"email": "Ann@Example.org ", "name": " Ann  Lee ", "password": PASSWORD}


async def sign_in(control: Control, password: str = PASSWORD, email: str = "ann@example.org"):
    return await control.client().post("/api/session", {"email": email, "password": password})


async def refresh(control: Control, token: str):
    return await control.client().post("/api/session/refresh", {"refresh_token": token})


async def test_registering_signs_in(control: Control) -> None:
    reply = await control.client().post("/api/accounts", ANN)
    assert reply.status == 201
    body = reply.json
    assert body["user"] == {
        "id": body["user"]["id"],
        "email": "ann@example.org",
        "name": "Ann Lee",
        "email_verified": True,
    }
    assert body["expires_in"] == 3600
    me = await control.client(body["access_token"]).get("/api/me")
    assert (me.status, me.json) == (200, body["user"])


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(control: Control) -> None:
    cookies = (await control.client().post("/api/accounts", ANN)).cookies
    for name, path in (("parley_access", "/"), ("parley_refresh", "/api/session")):
        assert cookies[name]["httponly"]
        assert cookies[name]["samesite"] == "Lax"
        assert cookies[name]["path"] == path
        assert not cookies[name]["secure"]


async def test_cookies_are_secure_when_the_page_is(start: Start) -> None:
    control = await start(public_url=URL("https://meet.example.org"))
    reply = await control.client().post("/api/accounts", ANN, headers={"Origin": "https://meet.example.org"})
    assert reply.status == 201
    assert all(reply.cookies[name]["secure"] for name in ("parley_access", "parley_refresh"))


@pytest.mark.parametrize("email", ["ann@example.org", "ANN@EXAMPLE.ORG"])
async def test_an_address_has_one_account(control: Control, email: str) -> None:
    await control.client().post("/api/accounts", ANN)
    reply = await control.client().post("/api/accounts", ANN | {"email": email})
    assert (reply.status, reply.code) == (409, "email_taken")


async def test_the_same_address_at_the_same_time_makes_one_account(control: Control) -> None:
    replies = await asyncio.gather(*(control.client().post("/api/accounts", ANN) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"email": "nobody"}, {"email"}),
        ({"email": "a b@c"}, {"email"}),
        ({"email": "a\x00@c"}, {"email"}),
        ({"email": "a" * 250 + "@b.org"}, {"email"}),
        ({"name": ""}, {"name"}),
        ({"name": " \u202e\x07 "}, {"name"}),
        ({"name": "n" * 81}, {"name"}),
        ({"password": "seven77"}, {"password"}),
        ({"password": "p" * 73}, {"password"}),
        ({"password": "é" * 37}, {"password"}),
        ({"password": 12345678}, {"password"}),
        ({"email": 1, "name": None, "password": []}, {"email", "name", "password"}),
    ],
)
async def test_wrong_fields_are_named(control: Control, change: dict, wrong: set) -> None:
    reply = await control.client().post("/api/accounts", ANN | change)
    assert (reply.status, reply.code) == (422, "invalid")
    assert set(reply.json["error"]["fields"]) == wrong


@pytest.mark.parametrize("password", ["p" * 8, "p" * 72, "é" * 36, "with\x00inside", "日本語のパスワード"])
async def test_passwords_are_checked_whole(control: Control, password: str) -> None:
    assert (await control.client().post("/api/accounts", ANN | {"password": password})).status == 201
    assert (await sign_in(control, password)).status == 200
    assert (await sign_in(control, password[:-1])).status == 401
    assert (await sign_in(control, password + "x")).status == 401


async def test_wrong_password_and_unknown_address_look_the_same(control: Control) -> None:
    await control.client().post("/api/accounts", ANN)
    wrong, unknown = await sign_in(control, "wrong password"), await sign_in(control, email="no@example.org")
    assert (wrong.status, wrong.code) == (unknown.status, unknown.code) == (401, "bad_credentials")
    assert wrong.json["error"]["message"] == unknown.json["error"]["message"]
    assert not wrong.cookies


async def test_access_ends_after_its_hour_and_refresh_renews_it(control: Control) -> None:
    body = (await control.client().post("/api/accounts", ANN)).json
    control.clock.forward(3599)
    assert (await control.client(body["access_token"]).get("/api/me")).status == 200
    control.clock.forward(1)
    assert (await control.client(body["access_token"]).get("/api/me")).code == "unauthenticated"
    renewed = (await refresh(control, body["refresh_token"])).json
    assert (await control.client(renewed["access_token"]).get("/api/me")).status == 200
    assert renewed["refresh_token"] != body["refresh_token"]


async def test_a_refresh_token_used_twice_ends_the_sign_in_for_both(control: Control) -> None:
    first = (await control.client().post("/api/accounts", ANN)).json["refresh_token"]
    second = (await refresh(control, first)).json["refresh_token"]
    control.clock.forward(21)
    assert (await refresh(control, first)).code == "unauthenticated"
    assert (await refresh(control, second)).code == "unauthenticated"
    assert (await sign_in(control)).status == 200


async def test_refreshing_at_the_same_time_gives_both_the_same_successor(control: Control) -> None:
    first = (await control.client().post("/api/accounts", ANN)).json["refresh_token"]
    replies = await asyncio.gather(*(refresh(control, first) for _ in range(4)))
    assert {reply.status for reply in replies} == {200}
    (successor,) = {reply.json["refresh_token"] for reply in replies}
    assert (await refresh(control, successor)).status == 200


async def test_an_older_token_is_reuse_even_within_the_grace(control: Control) -> None:
    tokens = [(await control.client().post("/api/accounts", ANN)).json["refresh_token"]]
    for _ in range(2):
        tokens.append((await refresh(control, tokens[-1])).json["refresh_token"])
    assert (await refresh(control, tokens[0])).status == 401
    assert (await refresh(control, tokens[2])).status == 401


async def test_one_sign_in_ending_leaves_the_others(control: Control) -> None:
    await control.client().post("/api/accounts", ANN)
    laptop, phone = (await sign_in(control)).json, (await sign_in(control)).json
    assert (
        await control.client().send("DELETE", "/api/session", {"refresh_token": laptop["refresh_token"]})
    ).status == 204
    assert (await refresh(control, laptop["refresh_token"])).status == 401
    assert (await refresh(control, phone["refresh_token"])).status == 200


async def test_an_unused_device_is_signed_out_in_the_end(control: Control) -> None:
    token = (await control.client().post("/api/accounts", ANN)).json["refresh_token"]
    control.clock.forward(30 * 24 * 3600)
    assert (await refresh(control, token)).status == 401


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "." * 20,
        "0" * 32,
        "0" * 32 + ".",
        "0" * 32 + "." + "a" * 43,
        "é" * 10,
        "0" * 32 + ".\x00" * 20,
    ],
)
async def test_made_up_refresh_tokens_are_refused(control: Control, token: str) -> None:
    assert (await refresh(control, token)).status == 401


async def test_browsers_refresh_and_sign_out_by_cookie(control: Control) -> None:
    cookies = (await control.client().post("/api/accounts", ANN)).cookies
    ours = {
        "Origin": str(control.base.origin()),
        "Cookie": f"parley_refresh={cookies['parley_refresh'].value}",
    }
    renewed = await control.client().send("POST", "/api/session/refresh", headers=ours)
    assert renewed.status == 200
    ours["Cookie"] = f"parley_refresh={renewed.cookies['parley_refresh'].value}"
    out = await control.client().delete("/api/session", headers=ours)
    assert out.status == 204
    assert {out.cookies[name]["max-age"] for name in ("parley_access", "parley_refresh")} == {"0"}
    again = await control.client().send("POST", "/api/session/refresh", headers=ours)
    assert again.status == 401
    assert again.cookies["parley_access"]["max-age"] == "0"


def forged(control: Control, change: dict, secret: bytes | None = None, algorithm: str = "HS256") -> str:
    now = control.clock().timestamp()
    claims = {"iss": "parley-control", "aud": "parley-account", "sub": "0" * 32, "exp": int(now + 60)}
    key = control.secrets.session if secret is None else secret
    return jwt.encode(claims | change, None if algorithm == "none" else key, algorithm=algorithm)


async def test_forged_access_tokens_are_refused(control: Control) -> None:
    ann = await control.person()
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    own = {"sub": ann.user["id"], "sid": claims["sid"]}
    assert (
        await control.client(forged(control, own)).get("/api/me")
    ).status == 200  # the forger's art is sound
    tokens = [
        forged(control, own, b"x" * 32),
        forged(control, own, control.secrets.cluster),
        forged(control, own, algorithm="none"),
        forged(control, own, algorithm="HS512", secret=control.secrets.session * 2),
        forged(control, own | {"aud": "parley-node"}),
        forged(control, own | {"aud": ["parley-account"]}),
        forged(control, own | {"iss": "elsewhere"}),
        forged(control, own | {"exp": int(control.clock().timestamp())}),
        forged(control, own | {"exp": "never"}),
        forged(control, own | {"aud": "parley-guest"}),
        forged(control, own | {"sid": "0" * 32}),
        forged(control, {"sub": ann.user["id"]}),
        forged(control, {}),
        "",
        "a.b.c",
    ]
    for token in tokens:
        assert (await control.client(token).get("/api/me")).code == "unauthenticated", token


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "bearer ", "nonsense"])
async def test_other_ways_to_authorise_are_refused(control: Control, header: str) -> None:
    reply = await control.client().get("/api/me", headers={"Authorization": header})
    assert reply.status == 401


async def test_sign_in_is_limited_by_address(start: Start) -> None:
    control = await start(rates=dataclasses.replace(PLENTY, sign_in_per_address=Rate(3, 30)))
    replies = [await sign_in(control, email=f"n{number}@example.org") for number in range(4)]
    assert [reply.status for reply in replies] == [401, 401, 401, 429]
    assert replies[-1].code == "rate_limited"
    assert replies[-1].headers["Retry-After"] == "10"
    control.clock.forward(10)
    assert [(await sign_in(control)).status for _ in range(2)] == [401, 429]


async def test_sign_in_is_limited_by_email_address(start: Start) -> None:
    control = await start(rates=dataclasses.replace(PLENTY, sign_in_per_email=Rate(2, 60)))
    await control.client().post("/api/accounts", ANN)
    assert [(await sign_in(control, "wrong one")).status for _ in range(2)] == [401, 401]
    assert (await sign_in(control, email=" ANN@example.org")).status == 429
    assert (await sign_in(control, email="bob@example.org")).status == 401
    control.clock.forward(30)
    assert (await sign_in(control)).status == 200


async def test_registering_and_refreshing_are_limited_by_address(start: Start) -> None:
    rates = dataclasses.replace(PLENTY, register_per_address=Rate(1, 60), refresh_per_address=Rate(1, 60))
    control = await start(rates=rates)
    assert (await control.client().post("/api/accounts", ANN)).status == 201
    assert (await control.client().post("/api/accounts", ANN)).status == 429
    assert [(await refresh(control, "x")).status for _ in range(2)] == [401, 429]
    assert (await control.client().get("/api/session/resume")).status == 429


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/meetings", "/meetings"),
        ("/m/abc?x=1", "/m/abc?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/\t/evil.example", "/"),
        ("/\r\nSet-Cookie: a=b", "/Set-Cookie:%20a=b"),
        ("", "/"),
    ],
)
async def test_resuming_leads_back_to_our_pages_alone(control: Control, target: str, leads_to: str) -> None:
    path = str(URL("/api/session/resume").with_query(next=target))
    reply = await control.client().get(path)
    assert (reply.status, reply.headers["Location"]) == (303, leads_to)


async def test_a_browser_whose_access_expired_resumes(control: Control) -> None:
    cookies = (await control.client().post("/api/accounts", ANN)).cookies
    control.clock.forward(4000)
    header = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())}
    away = await control.client().get("/sign-in?next=/x", headers=header)
    assert away.status == 303
    back = await control.client().get(away.headers["Location"], headers=header)
    assert (back.status, back.headers["Location"]) == (303, "/sign-in?next=/x")
    renewed = {"Cookie": f"parley_access={back.cookies['parley_access'].value}"}
    assert (await control.client().get("/api/me", headers=renewed)).status == 200


async def test_more_passwords_than_may_wait_are_turned_away(start: Start) -> None:
    control = await start(limits=Limits(password_queue=1), bcrypt_threads=1, bcrypt_cost=8)
    replies = await asyncio.gather(*(sign_in(control) for _ in range(12)))
    statuses = [reply.status for reply in replies]
    assert set(statuses) == {401, 503}
    assert (await sign_in(control)).status == 401
