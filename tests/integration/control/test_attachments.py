"""Files in chat, from the announcement to the sweep, on each kind of store."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy
from yarl import URL

from control.rates.port import Rate
from control.settings import Limits
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Client, Control, Reply, rows
from tests.integration.control.stores import PNG, Place, fetch, send_form
from tests.support.waiting import until

DAY_S = 24 * 3600


@pytest.fixture
async def control(start: Start, place: Place) -> Control:
    made = await start(**place.settings)
    await made.report()
    return made


@pytest.fixture
async def ann(control: Control) -> Client:
    return await control.person("Ann")


@pytest.fixture
async def code(control: Control, ann: Client) -> str:
    meeting: str = (await control.meeting(ann))["code"]
    return meeting


async def announce(client: Client, code: str, **fields: Any) -> Reply:
    body = {"name": "picture.png", "type": "image/png", "size": len(PNG)} | fields
    return await client.post(f"/api/meetings/{code}/attachments", body)


async def uploaded(client: Client, code: str, content: bytes = PNG, **fields: Any) -> str:
    """Announce a file and upload it; return its id."""
    announced = await announce(client, code, size=len(content), **fields)
    assert announced.status == 201, announced.text
    assert await send_form(client.http, client.base, announced.json, content) == 204
    attachment: str = announced.json["id"]
    return attachment


async def post(client: Client, code: str, *attachments: str, **fields: Any) -> Reply:
    body = {"client_id": uuid4().hex, "attachments": attachments} | fields
    return await client.post(f"/api/meetings/{code}/messages", body)


async def download(client: Client, code: str, attachment: str) -> Reply:
    """Get a file as a browser does: sent on to where it is."""
    sent_on = await client.get(f"/api/meetings/{code}/attachments/{attachment}")
    assert sent_on.status == 302, sent_on.text
    return await fetch(client.http, client.base.join(URL(sent_on.headers["Location"], encoded=True)))


async def test_everybody_in_the_meeting_gets_the_file(control: Control, ann: Client, code: str) -> None:
    gus = await control.guest(code)
    listener = await ann.listen(code)
    assert (await listener.receive_json())["type"] == "ready"
    attachment = await uploaded(gus, code)
    posted = await post(gus, code, attachment, text="look")
    assert posted.status == 201, posted.text
    shown = [{"id": attachment, "name": "picture.png", "type": "image/png", "size": len(PNG)}]
    assert posted.json["attachments"] == shown
    assert (await listener.receive_json())["message"] == posted.json
    for member in (ann, gus):
        listed = (await member.get(f"/api/meetings/{code}/messages?limit=1")).json["items"][0]
        assert listed == posted.json
        got = await download(member, code, attachment)
        assert (got.status, got.text.encode("latin-1")) == (200, PNG)
        assert got.headers["Content-Disposition"].startswith('inline; filename="picture.png"')


async def test_pages_may_reach_the_store_and_nothing_else(control: Control, place: Place) -> None:
    policy = (await control.client().get("/")).headers["Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    elsewhere = [] if place.gateway is None else [place.gateway.url]
    assert rules["connect-src"] == ["'self'", "ws:", "wss:", *elsewhere]
    assert rules["img-src"] == ["'self'", "data:", "blob:", *elsewhere]
    assert rules["script-src"][0] == rules["form-action"][0] == "'self'"


async def test_what_is_no_picture_is_saved_and_not_shown(ann: Client, code: str) -> None:
    attachment = await uploaded(ann, code, b"<script>", name="a/b\n.html", type="text/html")
    assert (await post(ann, code, attachment)).status == 201
    got = await download(ann, code, attachment)
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert (
        got.headers["Content-Disposition"]
        == "attachment; filename=\"a_b .html\"; filename*=UTF-8''a%2Fb%20.html"
    )


async def test_a_message_may_be_files_alone_but_not_nothing(ann: Client, code: str) -> None:
    files = [await uploaded(ann, code, name=f"{number}.png") for number in range(3)]
    posted = await post(ann, code, *files, text=" ")
    assert posted.json["text"] == ""
    assert [each["id"] for each in posted.json["attachments"]] == files
    assert (await post(ann, code)).json["error"]["fields"] == {"text": "Is required."}


async def test_a_message_sent_again_is_posted_once(ann: Client, code: str) -> None:
    attachment = await uploaded(ann, code)
    first = await post(ann, code, attachment, client_id="x")
    again = await post(ann, code, attachment, client_id="x")
    assert (again.status, again.json) == (201, first.json)


async def test_only_ones_own_finished_uploads_are_named_once(
    control: Control, ann: Client, code: str
) -> None:
    gus = await control.guest(code)
    other = (await control.meeting(ann))["code"]
    posted = await uploaded(ann, code)
    assert (await post(ann, code, posted)).status == 201
    mine = await uploaded(ann, code)
    unfinished = (await announce(ann, code)).json["id"]
    for ids in (
        [posted],
        [mine, mine],
        [mine, unfinished],
        [mine, uuid4().hex],
        [mine, "../../x"],
        [await uploaded(gus, code)],
        [await uploaded(ann, other)],
    ):
        refused = await post(ann, code, *ids)
        assert (refused.status, list(refused.json["error"]["fields"])) == (422, ["attachments"])
    assert len((await ann.get(f"/api/meetings/{code}/messages")).json["items"]) == 2
    assert (await post(ann, code, mine)).status == 201


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/gif", "image/webp"])
async def test_a_picture_must_begin_like_one(ann: Client, code: str, kind: str) -> None:
    attachment = await uploaded(ann, code, b"<svg onload=alert(1)>", type=kind)
    refused = await post(ann, code, attachment)
    assert (refused.status, list(refused.json["error"]["fields"])) == (422, ["attachments"])


async def test_what_is_changed_after_it_was_posted_is_not_given_out(ann: Client, code: str) -> None:
    announced = (await announce(ann, code)).json
    assert await send_form(ann.http, ann.base, announced, PNG) == 204
    assert (await post(ann, code, announced["id"])).status == 201
    assert await send_form(ann.http, ann.base, announced, PNG[:-1] + b"!") == 204
    gone = await ann.get(f"/api/meetings/{code}/attachments/{announced['id']}")
    assert (gone.status, gone.code) == (410, "file_gone")


async def test_strangers_learn_nothing(control: Control, ann: Client, code: str) -> None:
    attachment = await uploaded(ann, code)
    await post(ann, code, attachment)
    eve = await control.person("Eve")
    evening = (await control.meeting(eve))["code"]
    path = f"/api/meetings/{code}/attachments"
    for client, status, reason in (
        (eve, 403, "not_a_member"),
        (control.client(), 401, "unauthenticated"),
        (await control.guest(evening), 403, "not_a_member"),
    ):
        for reply in (await client.get(f"{path}/{attachment}"), await announce(client, code)):
            assert (reply.status, reply.code) == (status, reason)
    elsewhere = await eve.get(f"/api/meetings/{evening}/attachments/{attachment}")
    assert (elsewhere.status, elsewhere.code) == (404, "not_found")
    unposted = await uploaded(ann, code)
    assert (await ann.get(f"{path}/{unposted}")).status == 404
    assert (await ann.get(f"{path}/..%2F..%2Fx")).status == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("size", 10_001),
        ("size", "1"),
        ("size", 2**70),
        ("name", ""),
        ("name", "\n\t"),
        ("name", "x" * 256),
        ("type", "png"),
        ("type", "image/png; charset=x"),
        ("type", "image/png\r\nX: y"),
        ("type", "x/" + "y" * 127),
    ],
)
async def test_a_wrong_announcement_is_refused(start: Start, field: str, value: Any) -> None:
    control = await start(limits=Limits(file_bytes=10_000))
    ann = await control.person()
    refused = await announce(ann, (await control.meeting(ann))["code"], **{field: value})
    assert (refused.status, list(refused.json["error"]["fields"])) == (422, [field])


async def test_there_are_bounds_on_files(start: Start) -> None:
    limits = Limits(files_each=2, meeting_files_bytes=3 * len(PNG))
    control = await start(limits=limits)
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    files = [await uploaded(ann, code) for _ in range(3)]
    assert (await post(ann, code, *files)).json["error"]["fields"] == {"attachments": "Must be at most 2."}
    full = await announce(ann, code, size=1)
    assert full.json["error"]["fields"] == {"size": "This meeting has no room for more files."}
    assert (await announce(ann, (await control.meeting(ann))["code"])).status == 201


async def test_who_uploads_too_often_waits(start: Start) -> None:
    control = await start(rates=replace(PLENTY, upload_per_author=Rate(2, 60)))
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    replies = [await announce(ann, code) for _ in range(3)]
    assert [reply.status for reply in replies] == [201, 201, 429]
    control.clock.forward(30)
    assert (await announce(ann, code)).status == 201


async def test_an_ended_meeting_takes_no_files_and_keeps_those_it_has(
    control: Control, ann: Client, code: str
) -> None:
    attachment, late = await uploaded(ann, code), await uploaded(ann, code)
    await post(ann, code, attachment)
    await ann.post(f"/api/meetings/{code}/end")
    for refused in (await announce(ann, code), await post(ann, code, late)):
        assert (refused.status, refused.code) == (410, "meeting_ended")
    assert (await download(ann, code, attachment)).status == 200


async def test_uploads_that_no_message_names_are_taken_away(
    start: Start, place: Place, database: sqlalchemy.URL
) -> None:
    replicas = [await start(**place.settings, sweep_s=0.2) for _ in range(2)]
    control = replicas[0]
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    posted, loose = await uploaded(ann, code), await uploaded(ann, code)
    await announce(ann, code)
    await post(ann, code, posted)
    assert len(await place.keys()) == 2
    control.clock.forward(2 * 3600)
    (key,) = await until("the loose one is gone", place.keys, accept=lambda keys: len(keys) == 1)
    assert key.endswith(posted)
    await until("it is forgotten", lambda: _count(database, "doomed_objects"), accept=lambda count: not count)
    assert rows(database, "SELECT id FROM attachments") == [(posted,)]
    refused = await post(await refreshed(control, ann), code, loose)
    assert refused.status == 422
    assert await _deleted(replicas, "expired") == 2


async def test_files_go_when_their_meeting_is_long_over(
    start: Start, place: Place, database: sqlalchemy.URL
) -> None:
    replicas = [await start(**place.settings, sweep_s=0.2, retention_days=30) for _ in range(2)]
    control = replicas[0]
    ann = await control.person()
    meetings = [await control.meeting(ann) for _ in range(2)]
    over, open_ = [meeting["code"] for meeting in meetings]
    gone, kept = [await uploaded(ann, code) for code in (over, open_)]
    await post(ann, over, gone)
    await post(ann, open_, kept)
    await ann.post(f"/api/meetings/{over}/end")
    for _ in range(29):
        control.clock.forward(DAY_S)
    ann = await refreshed(control, ann)
    assert (await download(ann, over, gone)).status == 200
    control.clock.forward(DAY_S + 1)
    keys = await until(
        "all of the one are gone",
        place.keys,
        accept=lambda keys: not any(key.startswith(meetings[0]["id"]) for key in keys),
    )
    assert f"{meetings[1]['id']}/{kept}" in keys
    ann = await refreshed(control, ann)
    refused = await ann.get(f"/api/meetings/{over}/attachments/{gone}")
    assert (refused.status, refused.code) == (410, "file_gone")
    assert (await download(ann, open_, kept)).status == 200
    listed = (await ann.get(f"/api/meetings/{over}/messages?limit=1")).json["items"][0]
    assert listed["attachments"][0]["name"] == "picture.png"
    await until("it is forgotten", lambda: _count(database, "doomed_objects"), accept=lambda count: not count)
    await until(
        "the file and the chat's archive are counted",
        lambda: _deleted(replicas, "retention"),
        accept=lambda count: count == 2,
    )


async def refreshed(control: Control, person: Client) -> Client:
    """Sign in anew: tokens do not last for days."""
    body = {"email": person.user["email"], "password": "correct horse battery"}
    reply = await control.client().post("/api/session", body)
    assert reply.status in (200, 201), reply.text
    return Client(control.http, control.base, reply.json["access_token"], person.user)


async def _count(database: sqlalchemy.URL, table: str) -> int:
    count: int = rows(database, f"SELECT count(*) FROM {table}")[0][0]
    return count


async def _deleted(replicas: list[Control], reason: str) -> float:
    """Return how many objects all replicas say they deleted."""
    line = f'parley_control_objects_deleted_total{{reason="{reason}"}} '
    pages = [(await each.client().get("/metrics")).text for each in replicas]
    counts = [row.removeprefix(line) for page in pages for row in page.splitlines() if row.startswith(line)]
    return sum(map(float, counts))
