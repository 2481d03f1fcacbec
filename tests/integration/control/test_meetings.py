import asyncio
import dataclasses
import re

import pytest

from control.rates.port import Rate
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Client, Control


async def pages(client: Client, path: str, limit: int) -> list[list[dict]]:
    """All pages of a list."""
    found: list[list[dict]] = []
    first = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    query = ""
    while True:
        reply = await client.get(first + query)
        assert reply.status == 200, reply.text
        found.append(reply.json["items"])
        if reply.json["next_cursor"] is None:
            return found
        query = f"&cursor={reply.json['next_cursor']}"


async def test_a_new_meeting(control: Control) -> None:
    ann = await control.person("Ann")
    meeting = await control.meeting(ann, title="  Design \n review ")
    assert meeting == {
        "id": meeting["id"],
        "code": meeting["code"],
        "title": "Design review",
        "host": {"id": ann.user["id"], "name": "Ann"},
        "guests_allowed": True,
        "starts_at": None,
        "ends_at": None,
        "time_zone": None,
        "cancelled": False,
        "created_at": "2031-05-04T12:00:00Z",
        "ended_at": None,
        "url": f"{control.base.origin()}/m/{meeting['code']}",
    }
    assert re.fullmatch(r"[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){2}", meeting["code"])


@pytest.mark.parametrize(
    "body", [{}, {"title": ""}, {"title": "t" * 121}, {"title": "x", "guests_allowed": "no"}]
)
async def test_a_meeting_needs_a_title(control: Control, body: dict) -> None:
    ann = await control.person()
    reply = await ann.post("/api/meetings", body)
    assert (reply.status, reply.code) == (422, "invalid")


async def test_anyone_with_the_code_sees_the_public_view(control: Control) -> None:
    ann, bob = await control.person("Ann"), await control.person("Bob")
    code = (await control.meeting(ann, guests_allowed=False))["code"]
    public = {
        "code": code,
        "title": "Weekly",
        "host": {"name": "Ann"},
        "guests_allowed": False,
        "starts_at": None,
        "ends_at": None,
        "time_zone": None,
        "cancelled": False,
        "ended_at": None,
        "is_host": False,
    }
    assert (await control.client().get(f"/api/meetings/{code}")).json == public
    assert (await bob.get(f"/api/meetings/{code}")).json == public
    assert (await ann.get(f"/api/meetings/{code}")).json == public | {"is_host": True}


async def test_how_a_code_is_typed_does_not_matter(control: Control) -> None:
    code = (await control.meeting(await control.person()))["code"]
    for typed in (code.upper(), code.replace("-", ""), code.replace("-", "%20"), f"{code[0]}-{code[1:]}"):
        assert (await control.client().get(f"/api/meetings/{typed}")).json["code"] == code


async def test_meetings_hosted_and_attended_are_listed_newest_first(control: Control) -> None:
    ann, bob = await control.person("Ann"), await control.person("Bob")
    made = []
    for number in range(7):
        control.clock.forward(number % 3)  # some at the same moment
        made.append(await control.meeting(bob if number == 3 else ann, title=f"m{number}"))
    await control.meeting(bob, title="not Ann's")
    await control.report()
    assert (await ann.post(f"/api/meetings/{made[3]['code']}/join")).status == 200

    found = await pages(ann, "/api/meetings", 3)
    assert [len(page) for page in found] == [3, 3, 1]
    listed = [meeting for page in found for meeting in page]
    assert sorted(meeting["title"] for meeting in listed) == [f"m{number}" for number in range(7)]
    moments = [meeting["created_at"] for meeting in listed]
    assert moments == sorted(moments, reverse=True)
    assert (await pages(control.client((await control.person("Cy")).token), "/api/meetings", 3)) == [[]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=9999999", "limit=%C2%B2"]
)
async def test_page_sizes_are_bounded(control: Control, query: str) -> None:
    reply = await (await control.person()).get(f"/api/meetings?{query}")
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["limit"])


@pytest.mark.parametrize(
    "cursor", ["", "x", "%00", "AAAA", "%C3%A9", "IjEi", "MQ", "bnVsbA", "Iici", "W10" * 99]
)
async def test_made_up_cursors_are_refused(control: Control, cursor: str) -> None:
    ann = await control.person()
    reply = await ann.get(f"/api/meetings?cursor={cursor}")
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["cursor"])
    code = (await control.meeting(ann))["code"]
    if cursor not in ("MQ",):  # a number is a cursor of messages
        assert (await ann.get(f"/api/meetings/{code}/messages?cursor={cursor}")).status == 422


async def test_the_host_ends_a_meeting_once(control: Control) -> None:
    ann, bob = await control.person("Ann"), await control.person("Bob")
    code = (await control.meeting(ann))["code"]
    refused = await bob.post(f"/api/meetings/{code}/end")
    assert (refused.status, refused.code) == (403, "not_the_host")
    control.clock.forward(60)
    ended = await ann.post(f"/api/meetings/{code}/end")
    assert (ended.status, ended.json["ended_at"]) == (200, "2031-05-04T12:01:00Z")
    control.clock.forward(60)
    assert (await ann.post(f"/api/meetings/{code}/end")).json == ended.json
    assert (await control.client().get(f"/api/meetings/{code}")).json["ended_at"] == "2031-05-04T12:01:00Z"


async def test_ending_at_the_same_time_ends_once(control: Control) -> None:
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    await asyncio.gather(*(ann.post(f"/api/meetings/{code}/end") for _ in range(5)))
    async with await ann.listen(code, after=0) as socket:
        frames = [await socket.receive_json(timeout=20) for _ in range(3)]
    assert [frame["type"] for frame in frames] == ["ready", "message", "ended"]
    assert frames[0]["id"] == 2


async def test_meetings_per_account_are_limited(start: Start) -> None:
    control = await start(rates=dataclasses.replace(PLENTY, create_per_account=Rate(1, 60)))
    ann, bob = await control.person("Ann"), await control.person("Bob")
    assert [(await ann.post("/api/meetings", {"title": "x"})).status for _ in range(2)] == [201, 429]
    assert (await bob.post("/api/meetings", {"title": "x"})).status == 201


async def test_guessing_codes_ends_soon_and_then_tells_nothing(start: Start) -> None:
    control = await start(rates=dataclasses.replace(PLENTY, guess_per_address=Rate(3, 30)))
    code = (await control.meeting(await control.person()))["code"]
    wrong = [await control.client().get("/api/meetings/aaaa-aaaa-aaaa") for _ in range(3)]
    assert [(reply.status, reply.code) for reply in wrong] == [(404, "meeting_unknown")] * 3
    for path in (f"/api/meetings/{code}", "/api/meetings/aaaa-aaaa-aaab"):
        assert (await control.client().get(path)).status == 429
    assert (await control.client().post(f"/api/meetings/{code}/join", {"name": "G"})).status == 429
    assert (await control.client().get(f"/m/{code}")).status == 429
    control.clock.forward(10)
    assert (await control.client().get(f"/api/meetings/{code}")).status == 200
