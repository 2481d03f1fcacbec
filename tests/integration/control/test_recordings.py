"""Recordings, from being handed in to the sweep, on each kind of store."""

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy
from yarl import URL

from control.settings import JobSettings, Limits
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, Reply, rows
from tests.integration.control.stores import Place, fetch, send_form
from tests.integration.control.test_meetings import pages
from tests.integration.control.test_webhooks import Endpoint, endpoint, is_signed, registered
from tests.support.socket_io import talking
from tests.support.waiting import until

__all__ = ["endpoint"]

CONTENT = b"webm, so to say"
HOUR_S = 3600
BEGUN = {"title": "Weekly, part 1", "type": "video/webm", "size": len(CONTENT), "duration": 60}


@pytest.fixture
async def control(start: Start, place: Place) -> Control:
    made = await start(
        **place.settings,
        sweep_s=0.2,
        retention_days=30,
        webhooks_private=True,
        jobs=JobSettings(jobs_poll_s=0.1),
    )
    await made.report()
    return made


@pytest.fixture
async def ann(control: Control) -> Client:
    return await control.person("Ann")


@pytest.fixture
async def path(control: Control, ann: Client) -> str:
    """That of the recordings of a meeting of Ann's."""
    return of_meeting(await control.meeting(ann))


def of_meeting(meeting: dict[str, Any]) -> str:
    return f"/api/meetings/{meeting['code']}/recordings"


async def begin(client: Client, path: str, key: str | None = None, **fields: Any) -> Reply:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = BEGUN | {"started_at": "2031-05-04T12:00:00Z"} | fields
    return await client.post(path, body, headers=headers)


async def upload(client: Client, begun: Reply, content: bytes = CONTENT, **fields: str) -> int:
    assert begun.status == 201, begun.text
    return await send_form(client.http, client.base, begun.json, content, fields)


async def handed_in(client: Client, path: str, **fields: Any) -> str:
    """Do what a recorder does when it is done; return the recording's id."""
    begun = await begin(client, path, **fields)
    assert await upload(client, begun) == 204
    completed = await client.post(f"{path}/{begun.json['id']}/complete")
    assert completed.status == 200, completed.text
    recording: str = completed.json["id"]
    return recording


async def listed(client: Client, path: str) -> list[str]:
    return [each["id"] for each in (await client.get(path)).json["items"]]


async def download(client: Client, path: str) -> Reply:
    sent_on = await client.get(path)
    assert sent_on.status == 302, sent_on.text
    return await fetch(client.http, client.base.join(URL(sent_on.headers["Location"], encoded=True)))


async def test_a_recording_is_there_once_it_is_complete(
    control: Control, ann: Client, path: str, database: sqlalchemy.URL, endpoint: Endpoint
) -> None:
    """The host's program hands it in; members see it, hear of it and get it; the host's webhook is told."""
    code = path.split("/")[3]
    gus, robot = await control.guest(code), await control.program(ann, "recordings:write")
    hook = await registered(ann, endpoint.url, "recording.ready")
    listener = await gus.listen(code)
    assert (await listener.receive_json())["type"] == "ready"
    begun = await begin(robot, path)
    assert begun.json["expires_at"] == "2031-05-04T18:00:00Z"
    one = f"{path}/{begun.json['id']}"
    assert await listed(ann, path) == []
    assert (await ann.get(one)).status == 404
    assert await upload(robot, begun) == 204
    control.clock.forward(60)
    async with talking(control.base, gus.token) as talker:
        await talker.call("join", {"meeting": code})
        completed = await robot.post(f"{one}/complete")
        over_socket_io = await talker.event("recording-ready")
    recording = {
        "id": begun.json["id"],
        "title": "Weekly, part 1",
        "type": "video/webm",
        "size": len(CONTENT),
        "started_at": "2031-05-04T12:00:00Z",
        "ended_at": "2031-05-04T12:01:00Z",
    }
    assert (completed.status, completed.json) == (200, recording)
    heard = await listener.receive_json()
    assert (heard["type"], heard["recording"]) == ("recording", recording)
    assert over_socket_io == {"meeting": code, "id": heard["id"], "recording": recording}
    await endpoint.until_told(1)
    headers, body = endpoint.told[0]
    assert is_signed(hook["secret"], headers, body)
    told = msgspec.json.decode(body)
    assert (told["type"], told["data"]["recording"]) == ("recording.ready", recording)
    assert (await gus.get(path)).json == {"items": [recording], "next_cursor": None}
    got = await download(gus, one)
    assert got.text.encode() == CONTENT
    assert 'attachment; filename="recording-2031-05-04-1200.webm"' in got.headers["Content-Disposition"]
    assert (await robot.post(f"{one}/complete")).json == recording
    assert len(rows(database, "SELECT id FROM jobs WHERE kind = 'webhooks.announce.v1'")) == 1


async def test_the_same_request_begins_one_recording(
    ann: Client, path: str, database: sqlalchemy.URL
) -> None:
    first, again = await begin(ann, path, "k-1"), await begin(ann, path, "k-1")
    assert (again.status, again.json["id"]) == (201, first.json["id"])
    assert await upload(ann, again) == 204
    reused = await begin(ann, path, "k-1", title="Another")
    assert (reused.status, reused.code) == (422, "idempotency_key_reused")
    assert len(rows(database, "SELECT id FROM recordings")) == 1
    one = f"{path}/{first.json['id']}"
    assert (await ann.post(f"{one}/complete")).status == 200
    assert (await begin(ann, path, "k-1")).json["id"] == first.json["id"]
    assert (await ann.delete(one)).status == 204
    assert (await begin(ann, path, "k-1")).status == 404


async def test_completed_at_once_twice_it_is_told_once(
    ann: Client, path: str, database: sqlalchemy.URL
) -> None:
    begun = await begin(ann, path)
    assert await upload(ann, begun) == 204
    complete = f"{path}/{begun.json['id']}/complete"
    replies = await asyncio.gather(*(ann.post(complete) for _ in range(5)))
    assert [reply.status for reply in replies] == [200] * 5
    events = "SELECT frame FROM events"
    assert sum('"recording"' in frame for (frame,) in rows(database, events)) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"size": 0}, "size"),
    ({"size": 1001}, "size"),
    ({"size": 901}, "size"),
    ({"type": "text/html"}, "type"),
    ({"type": "video/webm;codecs=vp9"}, "type"),
    ({"title": ""}, "title"),
    ({"title": " \n"}, "title"),
    ({"title": "x" * 121}, "title"),
    ({"duration": 0}, "duration"),
    ({"duration": 10**9}, "duration"),
    ({"started_at": "2031-05-04T12:00:00"}, "started_at"),
    ({"started_at": "2031-05-04T10:59:59Z"}, "started_at"),
    ({"started_at": "2031-05-04T13:00:01Z"}, "started_at"),
    ({"started_at": "0001-01-01T00:00:00+23:00"}, "started_at"),
    ({"started_at": "9999-12-31T23:59:59-23:00"}, "started_at"),
]


async def test_what_is_announced_wrongly_is_refused(start: Start) -> None:
    control = await start(limits=Limits(recording_bytes=1000, meeting_recordings_bytes=1000))
    ann = await control.person()
    path = of_meeting(await control.meeting(ann))
    assert (await begin(ann, path, size=100)).status == 201
    for fields, wrong in WRONG:
        refused = await begin(ann, path, **fields)
        assert (refused.status, list(refused.json["error"]["fields"])) == (422, [wrong]), fields


async def test_only_what_was_announced_is_completed(ann: Client, path: str) -> None:
    begun = await begin(ann, path)
    complete = f"{path}/{begun.json['id']}/complete"
    for content, fields in (
        (b"", {}),
        (CONTENT[1:], {}),
        (CONTENT + b"x", {}),
        (CONTENT, {"Content-Type": "video/mp4"}),
    ):
        assert await upload(ann, begun, content, **fields) >= 400
        refused = await ann.post(complete)
        assert (refused.status, refused.json["error"]["fields"]) == (422, {"file": "Has not been uploaded."})
    assert await listed(ann, path) == []
    assert await upload(ann, begun) == 204
    assert (await ann.post(complete)).status == 200


async def test_what_is_changed_after_it_was_completed_is_not_given_out(ann: Client, path: str) -> None:
    begun = await begin(ann, path)
    assert await upload(ann, begun) == 204
    one = f"{path}/{begun.json['id']}"
    assert (await ann.post(f"{one}/complete")).status == 200
    assert await upload(ann, begun, CONTENT[::-1]) == 204
    gone = await ann.get(one)
    assert (gone.status, gone.code) == (410, "file_gone")


async def test_the_host_alone_hands_in_and_deletes(
    control: Control, ann: Client, path: str, place: Place
) -> None:
    other, bob = of_meeting(await control.meeting(ann)), await control.person("Bob")
    await bob.post(f"{path.removesuffix('/recordings')}/join")
    reader = await control.program(ann, "files:read", "files:write")
    begun, made = await begin(ann, path), await handed_in(ann, path)
    one, unfinished = f"{path}/{made}", f"{path}/{begun.json['id']}"
    for refused in (await begin(bob, path), await bob.post(f"{unfinished}/complete"), await bob.delete(one)):
        assert (refused.status, refused.code) == (403, "not_the_host")
    for refused in (await begin(reader, path), await reader.post(f"{unfinished}/complete")):
        assert (refused.status, refused.code) == (403, "insufficient_scope")
    recorder = await control.program(ann, "recordings:write")
    assert (await recorder.delete(one)).code == "insufficient_scope"
    elsewhere = f"{other}/{made}"
    for missing in (
        await ann.get(elsewhere),
        await ann.delete(elsewhere),
        await ann.post(f"{other}/{begun.json['id']}/complete"),
    ):
        assert (missing.status, missing.code) == (404, "not_found")
    assert (await reader.delete(one)).status == 204
    for gone in (await ann.delete(one), await ann.get(one), await ann.post(f"{one}/complete")):
        assert (gone.status, gone.code) == (404, "not_found")
    assert await listed(ann, path) == []
    await until("the object is gone", place.keys, accept=lambda keys: not keys)


async def test_strangers_learn_nothing(control: Control, ann: Client, path: str) -> None:
    made, eve = await handed_in(ann, path), await control.person("Eve")
    for reply in (
        await eve.get(path),
        await eve.get(f"{path}/{made}"),
        await eve.delete(f"{path}/{made}"),
        await eve.post(f"{path}/{made}/complete"),
        await begin(eve, path),
    ):
        assert (reply.status, reply.code) == (403, "not_a_member")
    assert (await control.client().get(path)).status == 401


async def test_they_are_listed_in_pages_the_latest_first(control: Control, ann: Client, path: str) -> None:
    made = []
    for minute in range(3):
        made.append(await handed_in(ann, path, started_at=f"2031-05-04T12:0{minute}:00Z"))
    listed_ = await pages(await control.guest(path.split("/")[3]), path, 2)
    assert [len(each) for each in listed_] == [2, 1]
    assert [each["id"] for page in listed_ for each in page] == made[::-1]


async def test_what_is_not_completed_in_time_is_forgotten(
    control: Control, ann: Client, path: str, place: Place, database: sqlalchemy.URL
) -> None:
    """So is what was uploaded by an old form after the recording had been deleted."""
    kept, begun = await handed_in(ann, path), await begin(ann, path)
    assert await upload(ann, begun) == 204
    doomed = await begin(ann, path)
    assert (await ann.delete(f"{path}/{doomed.json['id']}")).status == 204
    await until("what there was is deleted", lambda: doomed_objects(database), accept=lambda found: not found)
    assert await upload(ann, doomed) == 204
    assert len(await place.keys()) == 3
    control.clock.forward(7 * HOUR_S + 1)
    (key,) = await until("they are gone", place.keys, accept=lambda keys: len(keys) == 1)
    assert key.endswith(kept)
    assert (await ann.post(f"{path}/{begun.json['id']}/complete")).status in (401, 404)
    assert rows(database, "SELECT id FROM recordings") == [(kept,)]


async def doomed_objects(database: sqlalchemy.URL) -> list[Any]:
    return await asyncio.to_thread(rows, database, "SELECT key FROM doomed_objects")


async def test_recordings_go_when_their_meeting_is_long_over(
    control: Control, ann: Client, place: Place, database: sqlalchemy.URL
) -> None:
    over, open_ = await control.meeting(ann), await control.meeting(ann)
    await ann.post(f"/api/meetings/{over['code']}/end")
    gone, kept = [await handed_in(ann, of_meeting(each)) for each in (over, open_)]
    control.clock.forward(31 * 24 * HOUR_S)
    (key,) = await until("one is gone", place.keys, accept=lambda keys: len(keys) == 1)
    assert key.endswith(kept)
    assert rows(database, "SELECT id FROM recordings") == [(kept,)]
    assert gone != kept
