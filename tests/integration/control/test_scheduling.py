"""Meetings with times: made, listed, ended by themselves; and who attended."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy

from control.settings import JobSettings, MeetingSettings
from sfu.contract.operations import NodeEvent, PeerEntered, PeerGone
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control
from tests.integration.control.planning import QUICK, at, idle
from tests.integration.control.test_meetings import pages

HOUR = 3600
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
async def control(start: Start) -> Control:
    """One that does its jobs quickly."""
    return await start(jobs=QUICK)


class Call:
    """Who comes to and leaves a meeting, as the node reports it."""

    seq = 0

    def __init__(self, control: Control, meeting: dict[str, Any]) -> None:
        self._control = control
        self._room = meeting["id"]
        self._path = f"/api/meetings/{meeting['code']}/join"

    async def enter(self, who: Client, name: str | None = None) -> str:
        """Let somebody in; return their peer."""
        await self._control.report()
        reply = await who.post(self._path, {"name": name} if name else {})
        assert reply.status == 200, reply.text
        peer: str = reply.json["peer"]
        await self._report(PeerEntered, peer=peer, ticket="t")
        return peer

    async def leave(self, peer: str) -> None:
        await self._report(PeerGone, peer=peer, code="left")

    async def _report(self, kind: type[NodeEvent], **fields: Any) -> None:
        Call.seq += 1
        now = self._control.clock().timestamp()
        reply = await self._control.report(kind(seq=Call.seq, at=now, room=self._room, **fields))
        assert reply.status == 200, reply.text


async def is_over(control: Control, meeting: dict[str, Any], database: sqlalchemy.URL) -> bool:
    """Tell whether the meeting has ended, once all jobs that are due are done."""
    await idle([database], control.clock)
    return (await control.client().get(f"/api/meetings/{meeting['code']}")).json["ended_at"] is not None


async def test_times_are_kept_as_moments_and_zone(control: Control) -> None:
    ann = await control.person()
    body = {
        "starts_at": "2031-10-26T01:30:00",
        "ends_at": "2031-10-26T02:30:00",
        "time_zone": "Europe/Berlin",
    }
    meeting = await control.meeting(ann, **body)
    times = {
        "starts_at": "2031-10-25T23:30:00Z",
        "ends_at": "2031-10-26T00:30:00Z",  # of the two half past twos the first
        "time_zone": "Europe/Berlin",
    }
    assert meeting | times == meeting
    seen = (await control.client().get(f"/api/meetings/{meeting['code']}")).json
    assert seen | times == seen


@ON_SQLITE
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"starts_at": "2031-05-05T14:00:00Z"}, ["starts_at"]),
        ({"ends_at": "2031-05-05T15:00:00+02:00"}, ["ends_at"]),
        ({"starts_at": "tomorrow"}, ["starts_at"]),
        ({"starts_at": 1}, ["starts_at"]),
        ({"time_zone": "Mars/Olympus"}, ["time_zone"]),
        ({"time_zone": None}, ["time_zone"]),
        ({"ends_at": "2031-05-05T14:00:00"}, ["ends_at"]),
        ({"ends_at": "2031-05-07T14:00:00"}, ["ends_at"]),
        ({"starts_at": "2031-05-03T14:00:00"}, ["starts_at"]),
        ({"starts_at": "2099-05-03T14:00:00", "ends_at": "2099-05-03T15:00:00"}, ["starts_at"]),
        ({"starts_at": "2032-03-28T02:30:00", "ends_at": "2032-03-28T03:30:00"}, ["starts_at"]),
    ],
)
async def test_times_that_make_no_sense_are_refused(
    control: Control, fields: dict[str, Any], wrong: list[str]
) -> None:
    ann = await control.person()
    fine = {
        "starts_at": "2031-05-05T14:00:00",
        "ends_at": "2031-05-05T15:00:00",
        "time_zone": "Europe/Berlin",
    }
    made = await ann.post("/api/meetings", {"title": "x"} | fine | fields)
    assert (made.status, list(made.json["error"]["fields"])) == (422, wrong)
    if fields != {"time_zone": None}:  # which in a change means that it stays
        code = (await control.meeting(ann, **fine))["code"]
        changed = await ann.send("PATCH", f"/api/meetings/{code}", fields)
        assert (changed.status, list(changed.json["error"]["fields"])) == (422, wrong)


@ON_SQLITE
@pytest.mark.parametrize(
    "body", [{"title": ""}, {"title": "t" * 121}, {"guests_allowed": "no"}, {"title": "\n"}]
)
async def test_bad_changes_are_refused(control: Control, body: dict[str, Any]) -> None:
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    reply = await ann.send("PATCH", f"/api/meetings/{code}", body)
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, list(body))


async def test_a_planned_meeting_ends_an_hour_after_its_end(
    control: Control, database: sqlalchemy.URL
) -> None:
    meeting = await control.meeting(await control.person(), **at(control, 60, 60))
    control.clock.forward(3 * HOUR - 1)
    assert not await is_over(control, meeting, database)
    control.clock.forward(1)
    assert await is_over(control, meeting, database)


async def test_a_meeting_does_not_end_while_somebody_is_there(
    control: Control, database: sqlalchemy.URL
) -> None:
    ann = await control.person()
    meeting = await control.meeting(ann, **at(control, 0, 60))
    call = Call(control, meeting)
    peer = await call.enter(ann)
    control.clock.forward(2 * HOUR)
    await control.report()
    assert not await is_over(control, meeting, database)
    control.clock.forward(1800)
    await call.leave(peer)
    control.clock.forward(1800)
    assert not await is_over(control, meeting, database)
    control.clock.forward(1800)
    assert await is_over(control, meeting, database)
    late = await control.client().post(f"/api/meetings/{meeting['code']}/join", {"name": "Gus"})
    assert late.code == "meeting_ended"


@ON_SQLITE
async def test_a_long_call_outlasts_any_number_of_looks(control: Control, database: sqlalchemy.URL) -> None:
    meeting = await control.meeting(await control.person(), **at(control, 0, 60))
    call = Call(control, meeting)
    peer = await call.enter(control.client(), "Gus")
    control.clock.forward(HOUR)
    for _ in range(JobSettings().jobs_attempts + 2):
        control.clock.forward(HOUR)
        await control.report()
        assert not await is_over(control, meeting, database)
    await call.leave(peer)
    control.clock.forward(HOUR)
    assert await is_over(control, meeting, database)


async def test_an_end_follows_the_times(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()
    meeting = await control.meeting(ann, **at(control, 60, 60))
    later = {"ends_at": at(control, 60, 180)["ends_at"]}
    assert (await ann.send("PATCH", f"/api/meetings/{meeting['code']}", later)).status == 200
    control.clock.forward(5 * HOUR - 1)
    assert not await is_over(control, meeting, database)
    control.clock.forward(1)
    assert await is_over(control, meeting, database)


async def test_a_meeting_without_times_ends_when_it_was_empty_for_a_day(
    control: Control, database: sqlalchemy.URL
) -> None:
    meeting = await control.meeting(await control.person())
    call = Call(control, meeting)
    control.clock.forward(23 * HOUR)
    peer = await call.enter(control.client(), "Gus")
    control.clock.forward(HOUR)
    await control.report()
    assert not await is_over(control, meeting, database)
    await call.leave(peer)
    control.clock.forward(24 * HOUR - 1)
    assert not await is_over(control, meeting, database)
    control.clock.forward(1)
    assert await is_over(control, meeting, database)


async def test_nothing_ends_by_itself_where_that_is_off(start: Start, database: sqlalchemy.URL) -> None:
    off = MeetingSettings(meeting_end_s=0, meeting_end_unscheduled_s=0)
    control = await start(jobs=QUICK, meetings=off)
    ann = await control.person()
    made = [await control.meeting(ann), await control.meeting(ann, **at(control, 0))]
    control.clock.forward(90 * 24 * HOUR)
    assert [await is_over(control, each, database) for each in made] == [False, False]


async def test_coming_meetings_by_their_start_and_past_ones_by_their_end(control: Control) -> None:
    ann = await control.person()
    for title, minutes in (("late", 300), ("soon", 30), ("mid", 90), ("cancelled", 60), ("ended", 45)):
        meeting = await control.meeting(ann, title=title, **at(control, minutes))
        path = f"/api/meetings/{meeting['code']}"
        control.clock.forward(1)
        if title in ("cancelled", "ended"):
            assert (await ann.post(f"{path}/{'cancel' if title == 'cancelled' else 'end'}")).status == 200
    await control.meeting(ann, title="now")
    coming = await pages(ann, "/api/meetings?when=coming", 3)
    assert [[each["title"] for each in page] for page in coming] == [["now", "soon", "mid"], ["late"]]
    past = await pages(ann, "/api/meetings?when=past", 1)
    assert [[each["title"] for each in page] for page in past] == [["ended"], ["cancelled"]]


@ON_SQLITE
@pytest.mark.parametrize("when", ["", "never", "COMING"])
async def test_other_lists_there_are_none(control: Control, when: str) -> None:
    reply = await (await control.person()).get(f"/api/meetings?when={when}")
    assert (reply.status, list(reply.json["error"]["fields"])) == (422, ["when"])


async def test_attendance_is_for_the_host_and_in_lists_for_who_was_there(control: Control) -> None:
    ann, bo, cy = [await control.person(name) for name in ("Ann", "Bo", "Cy")]
    meeting = await control.meeting(ann)
    call = Call(control, meeting)
    began = control.clock()
    peer = await call.enter(ann)
    control.clock.forward(60)
    guest = await call.enter(control.client(), "=cmd|' /C calc'!A0")
    control.clock.forward(60)
    await call.leave(peer)
    control.clock.forward(30)
    peer = await call.enter(bo)
    again = await call.enter(ann)
    control.clock.forward(30)
    for each in (guest, peer, again):
        await call.leave(each)
    path = f"/api/meetings/{meeting['code']}"
    assert (await cy.post(f"{path}/join")).status == 200  # and never enters
    await ann.post(f"{path}/end")

    def moment(seconds: float) -> str:
        return (began + timedelta(seconds=seconds)).astimezone(UTC).isoformat().replace("+00:00", "Z")

    expected = [
        ("Ann", ann.user["id"], moment(0), moment(180), 180, 1),
        ("=cmd|' /C calc'!A0", None, moment(60), moment(180), 120, 1),
        ("Bo", bo.user["id"], moment(150), moment(180), 30, 1),
    ]
    attendance = (await ann.get(f"{path}/attendance")).json
    assert [tuple(each.values()) for each in attendance["items"]] == expected
    assert attendance["complete"] is True
    for who in (ann, bo):
        assert (await who.get("/api/meetings?when=past")).json["items"][0]["attendance"] == attendance
    assert "attendance" not in (await cy.get("/api/meetings?when=past")).json["items"][0]
    refused = await bo.get(f"{path}/attendance")
    assert (refused.status, refused.code) == (403, "not_the_host")
    assert (await (await control.person()).get(f"{path}/attendance")).code == "not_a_member"


async def test_attendance_as_a_table(control: Control) -> None:
    ann = await control.person("Ann")
    meeting = await control.meeting(ann)
    call = Call(control, meeting)
    peer = await call.enter(control.client(), "=1+1")
    control.clock.forward(60)
    await call.leave(peer)
    reply = await ann.get(f"/api/meetings/{meeting['code']}/attendance", headers={"Accept": "text/csv"})
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="attendance-{meeting["code"]}.csv"'
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert (row["name"], row["user"], row["seconds"]) == ("'=1+1", "", "60")
    assert datetime.fromisoformat(row["last_left_at"]) == control.clock()
