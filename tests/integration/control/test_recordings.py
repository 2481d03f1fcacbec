"""Recordings, which somebody made before: listed, got, deleted, and gone when their meeting is long over."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy
from yarl import URL

from control.database import Database
from control.objects.folder import Folder
from control.objects.grants import Grants
from control.recordings import store
from control.recordings.store import Recording
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, rows
from tests.integration.control.stores import Place, fetch
from tests.integration.control.test_meetings import pages
from tests.support.waiting import until

CONTENT = b"webm, so to say"


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path / "data" / "objects")


@pytest.fixture
async def control(start: Start) -> Control:
    made = await start(sweep_s=0.2, retention_days=30)
    await made.report()
    return made


@pytest.fixture
async def ann(control: Control) -> Client:
    return await control.person("Ann")


async def record(control: Control, database: sqlalchemy.URL, place: Place, meeting: str) -> str:
    """Do what a recorder does when it is done: store, then note it. Return the recording's id."""
    recording, began = uuid4().hex, control.clock()
    key = f"{meeting}/{recording}"

    async def content() -> AsyncIterator[bytes]:
        yield CONTENT

    await Folder(place.folder, Grants(b"", control.clock)).put(key, content(), "video/webm")
    control.clock.forward(60)
    reached = Database(database, readers=1, writers=1)
    async with reached.write() as session:
        made = Recording(
            id=recording,
            meeting_id=meeting,
            key=key,
            content_type="video/webm",
            size=len(CONTENT),
            started_at=began,
            ended_at=began + timedelta(minutes=1),
        )
        await store.add(session, made)
    await reached.close()
    return recording


async def test_members_list_and_get_recordings(
    control: Control, ann: Client, database: sqlalchemy.URL, place: Place
) -> None:
    meeting = await control.meeting(ann)
    gus = await control.guest(meeting["code"])
    made = [await record(control, database, place, meeting["id"]) for _ in range(3)]
    path = f"/api/meetings/{meeting['code']}/recordings"
    listed = await pages(gus, path, 2)
    assert [len(each) for each in listed] == [2, 1]
    assert [each["id"] for page in listed for each in page] == made[::-1]
    assert listed[1][0] == {
        "id": made[0],
        "type": "video/webm",
        "size": len(CONTENT),
        "started_at": "2031-05-04T12:00:00Z",
        "ended_at": "2031-05-04T12:01:00Z",
    }
    sent_on = await gus.get(f"{path}/{made[0]}")
    assert sent_on.status == 302
    got = await fetch(gus.http, gus.base.join(URL(sent_on.headers["Location"], encoded=True)))
    assert got.text.encode() == CONTENT
    assert 'attachment; filename="recording-2031-05-04-1200.webm"' in got.headers["Content-Disposition"]


async def test_the_host_alone_deletes(
    control: Control, ann: Client, database: sqlalchemy.URL, place: Place
) -> None:
    meeting, other = await control.meeting(ann), await control.meeting(ann)
    bob = await control.person("Bob")
    await bob.post(f"/api/meetings/{meeting['code']}/join")
    made = await record(control, database, place, meeting["id"])
    path = f"/api/meetings/{meeting['code']}/recordings/{made}"
    refused = await bob.delete(path)
    assert (refused.status, refused.code) == (403, "not_the_host")
    assert (await ann.delete(f"/api/meetings/{other['code']}/recordings/{made}")).status == 404
    assert (await ann.get(f"/api/meetings/{other['code']}/recordings/{made}")).status == 404
    assert (await ann.delete(path)).status == 204
    assert (await ann.delete(path)).status == 404
    assert (await ann.get(path)).status == 404
    await until("the object is gone", place.keys, accept=lambda keys: not keys)


async def test_strangers_learn_nothing(
    control: Control, ann: Client, database: sqlalchemy.URL, place: Place
) -> None:
    meeting = await control.meeting(ann)
    made = await record(control, database, place, meeting["id"])
    eve = await control.person("Eve")
    path = f"/api/meetings/{meeting['code']}/recordings"
    for reply in (await eve.get(path), await eve.get(f"{path}/{made}")):
        assert (reply.status, reply.code) == (403, "not_a_member")
    assert (await eve.delete(f"{path}/{made}")).code == "not_a_member"
    assert (await control.client().get(path)).status == 401


async def test_recordings_go_when_their_meeting_is_long_over(
    control: Control, ann: Client, database: sqlalchemy.URL, place: Place
) -> None:
    over, open_ = await control.meeting(ann), await control.meeting(ann)
    gone, kept = [await record(control, database, place, each["id"]) for each in (over, open_)]
    await ann.post(f"/api/meetings/{over['code']}/end")
    control.clock.forward(31 * 24 * 3600)
    (key,) = await until("one is gone", place.keys, accept=lambda keys: len(keys) == 1)
    assert key.endswith(kept)
    assert rows(database, "SELECT id FROM recordings") == [(kept,)]
    assert gone != kept
