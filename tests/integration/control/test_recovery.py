"""New passwords for those who have forgotten theirs: by a letter, once, and what ends with the old one."""

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
import sqlalchemy
from aiohttp import WSCloseCode, WSMsgType

from control.accounts import store
from control.accounts.store import Account
from control.database import Database
from control.rates.port import Rate
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import PASSWORD, Client, Control, Reply
from tests.integration.control.planning import QUICK, Letterbox

NEW = "another horse battery"
HOUR_S = 3600

Open = Callable[..., Awaitable["Site"]]


@dataclasses.dataclass
class Site:
    """A service, and its outgoing mail."""

    control: Control
    letters: Letterbox

    async def forgotten(self, email: str) -> Reply:
        return await self.control.client().post("/api/password/forgotten", {"email": email})

    async def token(self, person: Client) -> str:
        """Have somebody ask for a letter, and return the token of its link."""
        assert (await self.forgotten(f" {person.user['email'].upper()}")).status == 204
        (letter,) = await self.letters.take(person.user["email"])
        (token,) = re.findall(r"http://127\.0\.0\.1:\d+/new-password#(\S+)", letter.text)
        return str(token)

    async def reset(self, token: str, password: str = NEW) -> Reply:
        return await self.control.client().post("/api/password", {"token": token, "password": password})

    async def sign_in(self, person: Client, password: str) -> Reply:
        credentials = {"email": person.user["email"], "password": password}
        return await self.control.client().post("/api/session", credentials)


@pytest.fixture
async def open_site(start: Start, database: sqlalchemy.URL, tmp_path: Path) -> Open:
    async def open_one(**settings: Any) -> Site:
        control = await start(**{"jobs": QUICK} | settings)
        return Site(control, Letterbox(tmp_path / "data", [database], control.clock))

    return open_one


@pytest.fixture
async def site(open_site: Open) -> Site:
    return await open_site()


async def test_a_new_password_ends_all_that_acted_by_the_old_one(site: Site) -> None:
    ann, bo = await site.control.person("Ann"), await site.control.person("Bo")
    phone = (await site.sign_in(ann, PASSWORD)).json
    robot = await site.control.program(ann, "account:read")
    code = (await site.control.meeting(ann))["code"]
    assert (await robot.get("/api/me")).status == 200
    async with await ann.listen(code) as ear:
        assert (await site.reset(await site.token(ann))).status == 204
        closed = await ear.receive(timeout=20)
        while closed.type is WSMsgType.TEXT:  # what the meeting's beginning tells
            closed = await ear.receive(timeout=20)
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION)
    for ended in (ann, site.control.client(phone["access_token"]), robot):
        assert (await ended.get("/api/me")).status == 401
    renewal = {"refresh_token": phone["refresh_token"]}
    assert (await site.control.client().post("/api/session/refresh", renewal)).status == 401
    assert [(await site.sign_in(ann, password)).status for password in (PASSWORD, NEW)] == [401, 200]
    assert (await bo.get("/api/me")).status == 200
    assert (await site.sign_in(bo, PASSWORD)).status == 200


async def test_whether_there_is_an_account_is_told_to_nobody(open_site: Open) -> None:
    site = await open_site(rates=dataclasses.replace(PLENTY, reset_per_email=Rate(2, 60)))
    ann = await site.control.person("Ann")
    for email in (ann.user["email"], "nobody@example.org"):
        replies = [await site.forgotten(email) for _ in range(3)]
        assert [reply.status for reply in replies] == [204, 204, 429]
        assert {reply.text for reply in replies[:2]} == {""}
    await site.letters.take(ann.user["email"], ann.user["email"])
    site.control.clock.forward(30)
    assert (await site.forgotten(ann.user["email"])).status == 204


async def test_asking_and_guessing_are_limited_by_caller(open_site: Open) -> None:
    site = await open_site(rates=dataclasses.replace(PLENTY, reset_per_address=Rate(2, 60)))
    assert [(await site.forgotten(f"{n}@example.org")).status for n in range(3)] == [204, 204, 429]
    assert (await site.reset("x")).status == 429
    site.control.clock.forward(60)
    assert [(await site.reset("x")).status for _ in range(3)] == [410, 410, 429]


async def test_a_link_is_good_once(site: Site) -> None:
    ann = await site.control.person("Ann")
    token, later = await site.token(ann), await site.token(ann)
    too_short = await site.reset(token, "seven77")
    assert (too_short.status, list(too_short.json["error"]["fields"])) == (422, ["password"])
    too_long = await site.reset(token, "é" * 37)
    assert (too_long.status, list(too_long.json["error"]["fields"])) == (422, ["password"])
    replies = await asyncio.gather(*(site.reset(token, f"{NEW} {n}") for n in range(3)))
    assert sorted(reply.status for reply in replies) == [204, 410, 410]
    for used in (token, later):
        reply = await site.reset(used)
        assert (reply.status, reply.code) == (410, "link_expired")
    assert (await site.reset(await site.token(ann))).status == 204


async def test_a_link_is_good_for_its_time(open_site: Open) -> None:
    site = await open_site(reset_link_s=HOUR_S)
    ann = await site.control.person("Ann")
    token = await site.token(ann)
    site.control.clock.forward(HOUR_S)
    assert (await site.reset(token)).code == "link_expired"
    token = await site.token(ann)
    site.control.clock.forward(HOUR_S - 1)
    assert (await site.reset(token)).status == 204


async def test_who_sets_a_password_by_a_letter_has_verified_the_address(open_site: Open) -> None:
    site = await open_site(email_verification="required")
    ann = await site.control.person("Ann")
    (letter,) = await site.letters.take(ann.user["email"])
    (other,) = re.findall(r"/verify/(\S+)", letter.text)
    assert (await site.reset(other)).code == "link_expired"  # a link is for one purpose
    token = await site.token(ann)
    assert (await site.control.client().post(f"/verify/{token}")).status == 410
    assert (await site.reset(token)).status == 204
    assert (await site.sign_in(ann, NEW)).json["user"]["email_verified"] is True


async def test_forged_links_set_nothing(site: Site) -> None:
    ann, bo = await site.control.person("Ann"), await site.control.person("Bo")
    secret = site.control.secrets.session
    claims = jwt.decode(await site.token(ann), options={"verify_signature": False})
    for change, key in (
        ({}, b"x" * 32),
        ({"sub": bo.user["id"]}, secret),
        ({"aud": "parley-verify"}, secret),
        ({"state": ""}, secret),
        ({"exp": int(site.control.clock().timestamp())}, secret),
    ):
        reply = await site.reset(jwt.encode(claims | change, key, algorithm="HS256"))
        assert (reply.status, reply.code) == (410, "link_expired"), change
    for token in ("", "x", jwt.encode(claims, None, algorithm="none"), ann.token):
        assert (await site.reset(token)).code == "link_expired", token
    assert (await site.reset("x" * 1001)).code == "invalid"
    assert [(await site.sign_in(person, PASSWORD)).status for person in (ann, bo)] == [200, 200]


async def test_an_old_password_that_was_checked_before_signs_nobody_in(database: sqlalchemy.URL) -> None:
    """Signing in checks the password in one transaction, and begins the session in another."""
    now = datetime(2031, 1, 1, tzinfo=UTC)
    first = Database(database, readers=2, writers=2)
    try:
        async with first.write() as session:
            made = Account(id="a" * 32, email="a@b", name="A", password_hash="old", created_at=now)
            assert await store.add_account(session, made)
        async with first.read() as session:
            checked = await store.by_email(session, "a@b")
        assert checked is not None
        async with first.write() as session:
            assert await store.hold_password(session, checked)
            assert await store.replace_password(session, checked, "new", now)
        async with first.write() as session:
            assert not await store.hold_password(session, checked)
            assert not await store.replace_password(session, checked, "newer", now)
    finally:
        await first.close()
