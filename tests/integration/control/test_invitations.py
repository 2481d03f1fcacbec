"""Invitations, mails about them, reminders, answers: on each kind of database, and on two."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from control.database import database_url
from control.rates.port import Rate
from control.settings import Limits, MeetingSettings
from control.shards.ids import shard_of
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Client, Control, rows
from tests.integration.control.planning import QUICK, Letterbox, at, invite
from tests.support.postgres import Postgres

NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
"""When the tests' clock begins: 14:00 in Berlin."""


@dataclass
class Site:
    """A service with these databases, and its outgoing mail."""

    control: Control
    urls: list[sqlalchemy.URL]
    letters: Letterbox

    async def meeting(self, host: Client, **fields: Any) -> dict[str, Any]:
        """Make a meeting, in the last of the databases."""
        for _ in range(200):
            meeting = await self.control.meeting(host, **fields)
            if shard_of(meeting["id"]) == len(self.urls) - 1:
                return meeting
            assert (await host.post(f"/api/meetings/{meeting['code']}/end")).status == 200  # reminds nobody
        raise AssertionError("no meeting was made in the last database")


@pytest.fixture(params=["sqlite", "postgresql", "two"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[sqlalchemy.URL]:
    if request.param == "sqlite":
        return [database_url(f"sqlite:///{tmp_path / 'test.sqlite'}")]
    running: Postgres = request.getfixturevalue("server")
    return [database_url(running.make_database()) for _ in range(2 if request.param == "two" else 1)]


@pytest.fixture
def database(urls: list[sqlalchemy.URL]) -> sqlalchemy.URL:
    return urls[0]


@pytest.fixture
async def site(start: Start, urls: list[sqlalchemy.URL], tmp_path: Path) -> Site:
    return await site_with(start, urls, tmp_path)


async def site_with(start: Start, urls: list[sqlalchemy.URL], data: Path, **settings: Any) -> Site:
    control = await start(shard_urls=tuple(urls[1:]), jobs=QUICK, **settings)
    return Site(control, urls, Letterbox(data / "data", urls, control.clock))


async def test_the_invited_get_a_mail_with_link_and_entry(site: Site) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann, title="Review", **at(site.control, 60))
    invited = await invite(ann, meeting, " Bo@Example.org", "cy@example.org", "bo@example.org")
    assert [(each["address"], each["declined"]) for each in invited] == [
        ("bo@example.org", False),
        ("cy@example.org", False),
    ]
    to_bo, to_cy = await site.letters.take("bo@example.org", "cy@example.org")
    assert to_bo.subject == "Invitation: Review"
    assert "Ann invites you" in to_bo.text
    assert "Sunday, 4 May 2031, 15:00 to 16:00 (Europe/Berlin, CEST)" in to_bo.text
    assert meeting["url"] in to_bo.text
    assert (to_bo.calendar["METHOD"], to_bo.event["SEQUENCE"]) == ("REQUEST", 0)
    assert to_bo.start == NOON + timedelta(hours=1)
    assert to_bo.event["ATTENDEE"] == "mailto:bo@example.org"
    assert to_bo.event["ORGANIZER"] == f"mailto:{ann.user['email']}"
    assert to_bo.message["Reply-To"] == ann.user["email"]
    assert to_cy.event["UID"] == to_bo.event["UID"]
    assert "bo@example.org" not in to_cy.message.as_string()
    assert await invite(ann, meeting, "bo@example.org") == invited[:1]
    await site.letters.stays_empty()


async def test_changes_of_time_and_title_are_told_and_others_not(site: Site) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann, **at(site.control, 60))
    path = f"/api/meetings/{meeting['code']}"
    await invite(ann, meeting, "bo@example.org")
    (first,) = await site.letters.take("bo@example.org")
    changed = await ann.send("PATCH", path, at(site.control, 120))
    assert (changed.status, changed.json["starts_at"]) == (200, "2031-05-04T14:00:00Z")
    (moved,) = await site.letters.take("bo@example.org")
    assert (moved.subject, moved.start) == ("Changed: Weekly", NOON + timedelta(hours=2))
    assert (moved.event["UID"], moved.event["SEQUENCE"]) == (first.event["UID"], 1)
    assert (await ann.send("PATCH", path, {"title": " New\n name "})).json["title"] == "New name"
    (renamed,) = await site.letters.take("bo@example.org")
    assert (renamed.event["SUMMARY"], renamed.event["SEQUENCE"]) == ("New name", 2)
    for nothing in ({}, {"guests_allowed": False}, {"title": "New name"}, at(site.control, 120)):
        assert (await ann.send("PATCH", path, nothing)).status == 200
    await site.letters.stays_empty()
    assert (await ann.get(path)).json["guests_allowed"] is False


async def test_a_meeting_gets_times_later(site: Site) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann)
    await invite(ann, meeting, "bo@example.org")
    (plain,) = await site.letters.take("bo@example.org")
    assert list(plain.message.iter_attachments()) == []
    assert meeting["url"] in plain.text
    await ann.send("PATCH", f"/api/meetings/{meeting['code']}", at(site.control, 60))
    (dated,) = await site.letters.take("bo@example.org")
    assert dated.start == NOON + timedelta(hours=1)


async def test_a_cancelled_meeting_is_told_and_takes_nobody_in(site: Site) -> None:
    await site.control.report()
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann, **at(site.control, 60))
    path = f"/api/meetings/{meeting['code']}"
    await invite(ann, meeting, "bo@example.org")
    await site.letters.take("bo@example.org")
    cancelled = await ann.post(f"{path}/cancel")
    assert (cancelled.json["cancelled"], cancelled.json["ended_at"]) == (True, "2031-05-04T12:00:00Z")
    (letter,) = await site.letters.take("bo@example.org")
    assert letter.subject == "Cancelled: Weekly"
    assert (letter.calendar["METHOD"], letter.event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert letter.event["SEQUENCE"] == 1
    assert (await ann.post(f"{path}/cancel")).json == cancelled.json
    assert (await ann.post(f"{path}/end")).json == cancelled.json
    for refused in (
        await ann.post(f"{path}/join"),
        await site.control.client().post(f"{path}/join", {"name": "Gus"}),
        await ann.send("PATCH", path, {"title": "x"}),
        await ann.post(f"{path}/invitations", {"addresses": ["cy@example.org"]}),
    ):
        assert (refused.status, refused.code) == (410, "meeting_cancelled")
    site.control.clock.forward(7200)
    await site.letters.stays_empty()


async def test_an_ended_meeting_cannot_be_changed_or_cancelled(site: Site) -> None:
    ann = await site.control.person("Ann")
    path = f"/api/meetings/{(await site.meeting(ann))['code']}"
    await ann.post(f"{path}/end")
    for refused in (await ann.post(f"{path}/cancel"), await ann.send("PATCH", path, {"title": "x"})):
        assert (refused.status, refused.code) == (410, "meeting_ended")


async def test_an_invitation_can_be_taken_back(site: Site) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann, **at(site.control, 60))
    path = f"/api/meetings/{meeting['code']}/invitations"
    bo, _ = await invite(ann, meeting, "bo@example.org", "cy@example.org")
    await site.letters.take("bo@example.org", "cy@example.org")
    assert (await ann.delete(f"{path}/{bo['id']}")).status == 204
    (letter,) = await site.letters.take("bo@example.org")
    assert (letter.calendar["METHOD"], letter.event["SEQUENCE"]) == ("CANCEL", 1)
    assert [each["address"] for each in (await ann.get(path)).json["items"]] == ["cy@example.org"]
    gone = await ann.delete(f"{path}/{bo['id']}")
    assert (gone.status, gone.code) == (404, "not_found")
    site.control.clock.forward(3600 - 600)
    await site.letters.take("cy@example.org", ann.user["email"])


async def test_reminders_come_before_the_start_and_follow_it(site: Site) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann, **at(site.control, 60))
    await invite(ann, meeting, "bo@example.org")
    await site.letters.take("bo@example.org")
    site.control.clock.forward(49 * 60)
    await ann.send("PATCH", f"/api/meetings/{meeting['code']}", at(site.control, 60))
    await site.letters.take("bo@example.org")
    site.control.clock.forward(49 * 60)
    await site.letters.stays_empty()
    site.control.clock.forward(60)
    both = await site.letters.take("bo@example.org", ann.user["email"])
    assert {letter.subject for letter in both} == {"Soon: Weekly"}
    assert all(meeting["url"] in letter.text for letter in both)
    site.control.clock.forward(60)
    await site.letters.stays_empty()


async def test_a_meeting_that_begins_at_once_reminds_nobody(site: Site) -> None:
    ann = await site.control.person("Ann")
    await site.meeting(ann, **at(site.control, 5))
    site.control.clock.forward(300)
    await site.letters.stays_empty()


async def test_who_declines_is_not_reminded_until_the_time_is_another(site: Site) -> None:
    ann, bo = await site.control.person("Ann"), await site.control.person("Bo")
    meeting = await site.meeting(ann, **at(site.control, 60))
    path = f"/api/meetings/{meeting['code']}"
    await invite(ann, meeting, bo.user["email"])
    (letter,) = await site.letters.take(bo.user["email"])
    page = await site.control.client().get(letter.answer_path)
    assert (page.status, "Weekly" in page.text) == (200, True)
    assert (await site.control.client().post(f"{letter.answer_path}/decline")).status == 200
    (invited,) = (await ann.get(f"{path}/invitations")).json["items"]
    assert invited["declined"] is True
    assert (await bo.get("/api/meetings")).json["items"] == []
    site.control.clock.forward(50 * 60)
    await site.letters.take(ann.user["email"])
    await ann.send("PATCH", path, at(site.control, 60))
    await site.letters.take(bo.user["email"])
    assert (await ann.get(f"{path}/invitations")).json["items"][0]["declined"] is False
    site.control.clock.forward(50 * 60)
    await site.letters.take(bo.user["email"], ann.user["email"])


async def test_who_wishes_no_mail_gets_none_from_anybody(site: Site) -> None:
    ann, eve = await site.control.person("Ann"), await site.control.person("Eve")
    meeting = await site.meeting(ann, **at(site.control, 60))
    await invite(ann, meeting, "bo@example.org")
    (letter,) = await site.letters.take("bo@example.org")
    assert letter.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    one_click = {"List-Unsubscribe": "One-Click"}
    nobody = site.control.client()
    for _ in range(2):  # a mail program may be told twice
        async with nobody.http.post(nobody.base.with_path(letter.answer_path), data=one_click) as reply:
            assert reply.status == 200
    await ann.send("PATCH", f"/api/meetings/{meeting['code']}", at(site.control, 90))
    other = await site.meeting(eve)
    invited = await invite(eve, other, "bo@example.org", "cy@example.org")
    assert [each["declined"] for each in invited] == [False, False]
    assert [letter.to for letter in await site.letters.take("cy@example.org")] == ["cy@example.org"]
    assert rows(site.urls[0], "SELECT address FROM unsubscriptions") == [("bo@example.org",)]


async def test_links_that_are_not_ours_answer_nothing(site: Site) -> None:
    nobody = site.control.client()
    for method, path in (("GET", "/mail/x"), ("POST", "/mail/x.y.z"), ("POST", "/mail/x/decline")):
        assert (await nobody.send(method, path)).status == 404


async def test_the_accounts_list_shows_what_it_is_invited_to(site: Site) -> None:
    ann, bo = await site.control.person("Ann"), await site.control.person("Bo")
    meeting = await site.meeting(ann, **at(site.control, 60))
    assert (await bo.get("/api/meetings?when=coming")).json["items"] == []
    await invite(ann, meeting, bo.user["email"].upper())
    for path in ("/api/meetings", "/api/meetings?when=coming"):
        assert [each["code"] for each in (await bo.get(path)).json["items"]] == [meeting["code"]]
    await ann.post(f"/api/meetings/{meeting['code']}/cancel")
    assert (await bo.get("/api/meetings?when=coming")).json["items"] == []
    (past,) = (await bo.get("/api/meetings?when=past")).json["items"]
    assert (past["cancelled"], "attendance" in past) == (True, False)


async def test_invitations_are_the_hosts_alone(site: Site) -> None:
    ann, eve = await site.control.person("Ann"), await site.control.person("Eve")
    meeting = await site.meeting(ann, **at(site.control, 60))
    (bo,) = await invite(ann, meeting, "bo@example.org")
    path = f"/api/meetings/{meeting['code']}"
    theirs = await site.meeting(eve)
    for refused in (
        await eve.post(f"{path}/invitations", {"addresses": ["eve@example.org"]}),
        await eve.get(f"{path}/invitations"),
        await eve.delete(f"{path}/invitations/{bo['id']}"),
        await eve.send("PATCH", path, {"title": "x"}),
        await eve.post(f"{path}/cancel"),
    ):
        assert (refused.status, refused.code) == (403, "not_the_host")
    elsewhere = await eve.delete(f"/api/meetings/{theirs['code']}/invitations/{bo['id']}")
    assert (elsewhere.status, elsewhere.code) == (404, "not_found")
    stranger = site.control.client()
    assert (await stranger.get(f"{path}/invitations")).status == 401
    assert [letter.to for letter in await site.letters.take("bo@example.org")] == ["bo@example.org"]


async def test_invitations_come_in_pages(site: Site) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann)
    names = sorted(f"p{number}@example.org" for number in range(7))
    await invite(ann, meeting, *reversed(names))
    path, found = f"/api/meetings/{meeting['code']}/invitations?limit=3", []
    cursor = ""
    while cursor is not None:
        page = (await ann.get(path + (cursor and f"&cursor={cursor}"))).json
        found += [each["address"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert found == names


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["bo"],
        ["bo@example.org\r\nBcc: eve@example.org"],
        ["bo@exa mple.org"],
        ["b" * 250 + "@example.org"],
        [f"p{number}@example.org" for number in range(51)],
        "bo@example.org",
        [7],
    ],
)
async def test_what_is_no_address_is_refused(site: Site, addresses: Any) -> None:
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann)
    reply = await ann.post(f"/api/meetings/{meeting['code']}/invitations", {"addresses": addresses})
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["addresses"])


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_invitations_are_bounded_by_meeting_and_by_host(
    start: Start, urls: list[sqlalchemy.URL], tmp_path: Path
) -> None:
    rates = dataclasses.replace(PLENTY, invite_per_host=Rate(4, 60))
    site = await site_with(start, urls, tmp_path, rates=rates, limits=Limits(invitations=3))
    ann = await site.control.person("Ann")
    meeting = await site.meeting(ann, **at(site.control, 600))
    path = f"/api/meetings/{meeting['code']}"
    await invite(ann, meeting, "a@example.org", "b@example.org", "c@example.org")
    reply = await ann.post(f"{path}/invitations", {"addresses": ["d@example.org"]})
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["addresses"])
    reply = await ann.send("PATCH", path, {"title": "Other"})
    assert (reply.status, reply.headers["Retry-After"]) == (429, "30")
    assert (await ann.get(path)).json["title"] == "Weekly"
    assert (await ann.post(f"{path}/cancel")).status == 200
    site.control.clock.forward(30)
    assert (await invite(ann, await site.meeting(ann), "d@example.org")) != []


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_reminders_can_be_turned_off(start: Start, urls: list[sqlalchemy.URL], tmp_path: Path) -> None:
    site = await site_with(start, urls, tmp_path, meetings=MeetingSettings(meeting_reminder_s=0))
    await site.meeting(await site.control.person("Ann"), **at(site.control, 60))
    site.control.clock.forward(3600)
    await site.letters.stays_empty()
