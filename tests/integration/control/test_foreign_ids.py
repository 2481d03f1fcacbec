"""Ids of another meeting, or of another account, wherever an id is taken: they are worth what no id is."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from control.settings import JobSettings
from sfu.contract.operations import PeerEntered
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control
from tests.integration.control.test_attachments import post, uploaded
from tests.integration.control.test_recordings import handed_in, of_meeting
from tests.integration.control.test_webhooks import registered
from tests.support.waiting import until

NOTHING = "0" * 32


@dataclass
class Scene:
    """Ann has two meetings: `here`, and `there`, where something is of every kind; Ben has keys, too."""

    ann: Client
    ben: Client
    here: str
    there: str
    ids: dict[str, str] = field(default_factory=dict)


@pytest.fixture
async def control(start: Start) -> Control:
    made = await start(webhooks_private=True, jobs=JobSettings(jobs_poll_s=0.1))
    await made.report()
    return made


async def entered(control: Control, code: str, seq: int) -> None:
    guest = (await control.guest(code)).user
    control.clock.forward(1)
    at = control.clock().timestamp()
    await control.report(PeerEntered(seq=seq, at=at, room=guest["room"], peer=guest["peer"], ticket="t"))


async def first_id(client: Client, path: str) -> str:
    async def listed() -> list[Any]:
        items: list[Any] = (await client.get(path)).json["items"]
        return items

    found: str = (await until("something is listed", listed))[0]["id"]
    return found


@pytest.fixture
async def scene(control: Control) -> Scene:
    ann, ben = await control.person("Ann"), await control.person("Ben")
    here, there = await control.meeting(ann), await control.meeting(ann)
    made = Scene(ann, ben, here["code"], there["code"])
    path = f"/api/meetings/{made.there}"
    made.ids["attachment"] = await uploaded(ann, made.there)
    await post(ann, made.there, made.ids["attachment"])
    for seq, meeting in enumerate((here, there, there), 1):
        await handed_in(ann, of_meeting(meeting))
        await entered(control, meeting["code"], seq)
    made.ids["recording"] = await first_id(ann, f"{path}/recordings")
    for client in (ann, ben, ben):
        await control.program(client, "chat:read")
        control.clock.forward(1)
    made.ids["key"] = await first_id(ben, "/api/keys")
    made.ids["webhook"] = (await registered(ben, f"{control.base}"))["webhook"]["id"]
    await ann.post(f"{path}/invitations", {"addresses": ["bo@example.org"]})
    made.ids["invitation"] = await first_id(ann, f"{path}/invitations")
    await ann.post(f"{path}/end")
    made.ids["archive"] = await first_id(ann, f"{path}/archives")
    return made


async def test_each_id_is_only_good_where_it_belongs(control: Control, scene: Scene) -> None:
    """Whatever is done with it, the answer is as for an id of nothing; and nothing is done."""
    paths = (await control.client().get("/api/openapi.json")).json["paths"]
    taking = {path: names for path in paths if (names := {*re.findall(r"{(\w+)}", path)} - {"code"})}
    assert set().union(*taking.values()) == set(scene.ids)
    for path, (name,) in taking.items():
        place = path.replace("{code}", scene.here)
        for method in paths[path]:
            body = {"after": 0}
            foreign, nothing = [
                await scene.ann.send(method, place.replace(f"{{{name}}}", id_), body)
                for id_ in (scene.ids[name], NOTHING)
            ]
            assert (foreign.status, foreign.code) == (404, "not_found"), (method, path)
            assert {**foreign.json["error"], "request_id": ""} == {**nothing.json["error"], "request_id": ""}
    for path, (name,) in taking.items():
        if "get" in paths[path]:
            owner = scene.ann if "{code}" in path else scene.ben
            own = path.replace("{code}", scene.there).replace(f"{{{name}}}", scene.ids[name])
            assert (await owner.get(own)).status in (200, 302), path
    assert len((await scene.ben.get("/api/keys")).json["items"]) == 2


async def test_a_lists_cursor_is_only_good_there(scene: Scene) -> None:
    here, there = (f"/api/meetings/{code}" for code in (scene.here, scene.there))
    for client, own, foreign in (
        (scene.ann, f"{here}/recordings", f"{there}/recordings"),
        (scene.ann, f"{here}/people", f"{there}/people"),
        (scene.ann, "/api/keys", "/api/keys"),
    ):
        other = scene.ben if own == foreign else client
        cursor = (await other.get(f"{foreign}?limit=1")).json["next_cursor"]
        assert cursor is not None
        assert len((await client.get(own)).json["items"]) == 1
        assert (await client.get(f"{own}?cursor={cursor}")).json == {"items": [], "next_cursor": None}


async def test_another_meetings_peer_is_nobody_to_go_on_as(control: Control, scene: Scene) -> None:
    meeting = await control.meeting(scene.ann)
    mine = (await scene.ann.post(f"/api/meetings/{meeting['code']}/join")).json["peer"]
    guest = await control.guest(meeting["code"])
    for client, peer in ((scene.ann, mine), (guest, guest.user["peer"])):
        body = {"name": "Gus", "peer": peer}
        joined = await client.post(f"/api/meetings/{scene.here}/join", body)
        assert joined.status == 200
        assert joined.json["peer"] != peer
