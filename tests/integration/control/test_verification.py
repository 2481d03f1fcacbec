"""Letters by which people prove that an account's address is theirs, and what is kept from them before."""

import dataclasses
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import sqlalchemy

from control.database import Database
from control.rates.port import Rate
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Client, Control, connected, rows
from tests.integration.control.planning import QUICK, Letter, Letterbox, at, invite
from tests.integration.control.test_pages import browser

DAY_S = 24 * 3600

Open = Callable[..., Awaitable["Site"]]


@dataclasses.dataclass
class Site:
    """A service whose accounts must verify their addresses, and its outgoing mail."""

    control: Control
    letters: Letterbox

    async def newcomer(self, name: str = "Bo") -> tuple[Client, str]:
        """Somebody with a new account, and the path of the link in the letter to them."""
        person = await self.control.person(name)
        (letter,) = await self.letters.take(person.user["email"])
        return person, path_in(letter)


def path_in(letter: Letter) -> str:
    """The path of the link to verify an address by."""
    (path,) = re.findall(r"http://127\.0\.0\.1:\d+(/verify/\S+)", letter.text)
    return str(path)


@pytest.fixture
async def open_site(start: Start, database: sqlalchemy.URL, tmp_path: Path) -> Open:
    async def open_one(**settings: Any) -> Site:
        control = await start(**{"email_verification": "required", "jobs": QUICK} | settings)
        return Site(control, Letterbox(tmp_path / "data", [database], control.clock))

    return open_one


@pytest.fixture
async def site(open_site: Open) -> Site:
    return await open_site()


async def is_verified(person: Client) -> bool:
    verified: bool = (await person.get("/api/me")).json["email_verified"]
    return verified


async def listed(person: Client) -> list[str]:
    """The codes of the meetings that the person is shown."""
    return [each["code"] for each in (await person.get("/api/meetings")).json["items"]]


async def test_who_has_not_verified_is_not_shown_what_the_address_is_invited_to(site: Site) -> None:
    (ann, _), (bo, path) = await site.newcomer("Ann"), await site.newcomer("Bo")
    meeting = await site.control.meeting(ann, **at(site.control, 60))
    await invite(ann, meeting, bo.user["email"])
    assert (bo.user["email_verified"], await listed(bo)) == (False, [])
    assert await listed(ann) == [meeting["code"]]  # what one hosts is one's own whatever the address
    assert (await bo.post(f"/api/meetings/{meeting['code']}/cancel")).code == "not_the_host"
    stranger = site.control.client()
    for _ in range(2):  # mail programs, and scanners, look at links by themselves
        page = await stranger.get(path)
        assert (page.status, bo.user["email"] in page.text) == (200, True)
    assert not await is_verified(bo)
    for _ in range(2):
        assert (await stranger.post(path)).status == 200
    assert await is_verified(bo)
    assert await listed(bo) == [meeting["code"]]


async def test_the_letter_says_nothing_that_another_made_up(site: Site) -> None:
    person = await site.control.person("Visit http://evil.example/")
    (letter,) = await site.letters.take(person.user["email"])
    assert "evil" not in letter.message.as_string()
    assert "until Wednesday, 7 May 2031, 12:00 UTC" in letter.text


async def test_another_letter_is_sent_to_who_needs_it(site: Site) -> None:
    bo, first = await site.newcomer()
    site.control.clock.forward(60)
    assert (await bo.post("/api/me/verification")).status == 204
    (letter,) = await site.letters.take(bo.user["email"])
    assert path_in(letter) != first
    assert (await site.control.client().post(first)).status == 200  # the one does not end the other
    assert (await bo.post("/api/me/verification")).status == 204
    await site.letters.stays_empty()


async def test_letters_are_limited_by_account(open_site: Open) -> None:
    site = await open_site(rates=dataclasses.replace(PLENTY, verify_per_account=Rate(2, 60)))
    (bo, _), (cy, _) = await site.newcomer("Bo"), await site.newcomer("Cy")
    assert [(await bo.post("/api/me/verification")).status for _ in range(3)] == [204, 204, 429]
    assert (await cy.post("/api/me/verification")).status == 204
    site.control.clock.forward(30)
    assert (await bo.post("/api/me/verification")).status == 204


async def test_a_link_is_good_for_its_time(open_site: Open) -> None:
    site = await open_site(verify_link_s=DAY_S)
    _, path = await site.newcomer()
    site.control.clock.forward(DAY_S - 1)
    assert (await site.control.client().get(path)).status == 200
    site.control.clock.forward(1)
    for reply in (await site.control.client().get(path), await site.control.client().post(path)):
        assert (reply.status, "not good any more" in reply.text) == (410, True)


async def test_a_link_is_for_the_address_it_went_to(site: Site, database: sqlalchemy.URL) -> None:
    bo, path = await site.newcomer()
    with connected(database) as connection:
        connection.execute(sqlalchemy.text("UPDATE accounts SET email = 'other@example.org'"))
        connection.commit()
    assert (await site.control.client().post(path)).status == 410
    assert not await is_verified(bo)


async def test_forged_links_verify_nothing(site: Site) -> None:
    bo, path = await site.newcomer()
    secret, stranger = site.control.secrets.session, site.control.client()
    claims = jwt.decode(path.removeprefix("/verify/"), options={"verify_signature": False})
    for change, key in (
        ({}, b"x" * 32),
        ({}, site.control.secrets.cluster),
        ({"aud": "parley-account"}, secret),
        ({"aud": "parley-mail"}, secret),
        ({"iss": "elsewhere"}, secret),
        ({"state": "0" * 64}, secret),
        ({"state": "é"}, secret),
        ({"sub": "0" * 32}, secret),
        ({"exp": int(site.control.clock().timestamp())}, secret),
        ({"exp": "never"}, secret),
    ):
        token = jwt.encode(claims | change, key, algorithm="HS256")
        assert (await stranger.post(f"/verify/{token}")).status == 410, change
    for token in ("x", "a.b.c", jwt.encode(claims, None, algorithm="none"), bo.token):
        assert (await stranger.post(f"/verify/{token}")).status == 410, token
    assert not await is_verified(bo)
    assert (await stranger.post(f"/verify/{jwt.encode(claims, secret, algorithm='HS256')}")).status == 200
    assert await is_verified(bo)  # so the forger's art is sound


async def test_the_links_token_signs_nobody_in(site: Site) -> None:
    _, path = await site.newcomer()
    assert (await site.control.client(path.removeprefix("/verify/")).get("/api/me")).status == 401


async def test_the_pages_tell_who_has_not_verified(site: Site) -> None:
    bo, path = await site.newcomer()
    for page in ("/settings", "/meetings"):
        told = await site.control.client().get(page, headers=browser(site.control, bo.token))
        assert "is not verified yet" in told.text
    await site.control.client().post(path)
    for page in ("/settings", "/meetings"):
        told = await site.control.client().get(page, headers=browser(site.control, bo.token))
        assert (told.status, "is not verified yet" in told.text) == (200, False)


async def test_where_no_mail_is_sent_addresses_count_until_they_must_be_verified(
    start: Start, database: sqlalchemy.URL, tmp_path: Path
) -> None:
    control = await start(jobs=QUICK)
    ann, bo = await control.person("Ann"), await control.person("Bo")
    meeting = await control.meeting(ann)
    await invite(ann, meeting, bo.user["email"])
    letters = Letterbox(tmp_path / "data", [database], control.clock)
    await letters.take(bo.user["email"])  # the invitation, and no other letter
    assert (bo.user["email_verified"], await listed(bo)) == (True, [meeting["code"]])
    assert (await bo.post("/api/me/verification")).status == 204
    await letters.stays_empty()
    later = await start(email_verification="required", jobs=QUICK)
    bo = dataclasses.replace(bo, base=later.base, http=later.http)
    assert (await is_verified(bo), await listed(bo)) == (False, [])


async def test_no_letter_goes_where_nobody_can_read_it(site: Site) -> None:
    account = {"email": "doctor@doctor.invalid", "name": "Doctor", "password": "correct horse"}
    assert (await site.control.client().post("/api/accounts", account)).status == 201
    await site.letters.stays_empty()


async def test_accounts_of_before_count_as_verified(empty_database: sqlalchemy.URL) -> None:
    database = Database(empty_database, readers=1, writers=1)
    try:
        await database.migrate("v0012")
        with connected(empty_database) as connection:
            connection.execute(
                sqlalchemy.text(
                    "INSERT INTO accounts (id, email, name, password_hash, created_at)"
                    " VALUES ('a', 'ann@example.org', 'Ann', 'h', '2031-01-01 00:00:00+00:00')"
                )
            )
            connection.commit()
        await database.migrate()
        counted = "SELECT count(*) FROM accounts WHERE email_verified_at = created_at"
        assert rows(empty_database, counted) == [(1,)]
        await database.migrate("v0012")
        assert rows(empty_database, "SELECT email FROM accounts") == [("ann@example.org",)]
    finally:
        await database.close()
