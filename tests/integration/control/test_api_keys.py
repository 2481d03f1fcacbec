import asyncio
import re
from typing import Any

import pytest
import sqlalchemy

from control.rates.port import Rate
from control.scopes import Scope
from control.settings import Limits, Rates
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, rows

ALL = tuple(Scope)


async def test_a_key_stands_for_its_account(control: Control) -> None:
    ann = await control.person()
    robot = await control.program(ann, "account:read", "meetings:write")
    assert (await robot.get("/api/me")).json == ann.user
    code = (await control.meeting(robot))["code"]
    assert (await ann.get(f"/api/meetings/{code}")).json["is_host"]


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_opens_what_its_scope_says(control: Control, scope: Scope) -> None:
    """Tried on every endpoint, as the API's document lists them."""
    await control.report()
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    robot = await control.program(ann, scope)
    paths = (await control.client().get("/api/openapi.json")).json["paths"]
    opened = 0
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            asked = [way["apiKey"] for way in operation["security"] if "apiKey" in way]
            if not operation["security"] or {"refreshCookie": []} in operation["security"]:
                continue  # who calls does not matter there
            there = re.sub(r"{\w+}", "0" * 32, path.replace("{code}", code))
            reply = await robot.send(method, there, {"title": "x"})
            if asked == [[scope]]:
                opened += 1
                assert reply.status not in (401, 403), operation["operationId"]
            else:
                assert (reply.status, reply.code) == (403, "insufficient_scope"), operation["operationId"]
                needed = f"Needs {asked[0][0]}." if asked else "No scope opens this to API keys."
                assert reply.json["error"]["fields"] == {"scope": needed}
    assert opened


async def test_no_key_makes_keys_or_changes_who_is_signed_in(control: Control) -> None:
    ann = await control.person()
    robot = await control.program(ann, *ALL)
    body = {"name": "Another", "scopes": ["chat:read"]}
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", f"/{robot.user['id']}")):
        reply = await robot.send(method, f"/api/keys{path}", body)
        assert (reply.status, reply.code) == (403, "insufficient_scope")
    assert (await robot.post("/api/session/refresh")).status == 401
    assert (await robot.post("/api/session/refresh", {"refresh_token": robot.token})).status == 401


async def test_a_key_is_listened_to_on_sockets(control: Control) -> None:
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    robot = await control.program(ann, "events:read")
    async with await robot.listen(code) as socket:
        assert (await socket.receive_json())["type"] == "ready"


async def test_the_secret_is_shown_once_and_not_kept(control: Control, database: sqlalchemy.URL) -> None:
    ann = await control.person()
    made = (await ann.post("/api/keys", {"name": " My  robot ", "scopes": ["chat:read", "chat:read"]})).json
    assert made["secret"].startswith("parley_")
    assert made["key"]["prefix"] == made["secret"][:13]
    assert (made["key"]["name"], made["key"]["scopes"]) == ("My robot", ["chat:read"])
    assert (made["key"]["expires_at"], made["key"]["used_at"]) == (None, None)
    assert (await ann.get("/api/keys")).json == {"items": [made["key"]], "next_cursor": None}
    (kept,) = rows(database, "SELECT * FROM api_keys")
    assert made["secret"] not in map(str, kept)


async def test_keys_are_listed_in_pages_the_newest_first(control: Control) -> None:
    ann, ben = await control.person(), await control.person("Ben")
    await control.program(ben, "chat:read")
    made = []
    for _ in range(3):
        made.append((await control.program(ann, "chat:read")).user["id"])
        control.clock.forward(1)
    first = (await ann.get("/api/keys?limit=2")).json
    second = (await ann.get(f"/api/keys?limit=2&cursor={first['next_cursor']}")).json
    assert [key["id"] for key in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


async def test_a_revoked_key_is_of_no_use_at_once(control: Control) -> None:
    ann, ben = await control.person(), await control.person("Ben")
    robot = await control.program(ann, "account:read")
    path = f"/api/keys/{robot.user['id']}"
    reply = await ben.delete(path)
    assert (reply.status, reply.code) == (404, "not_found")
    assert (await robot.get("/api/me")).status == 200
    assert (await ann.delete(path)).status == 204
    assert (await robot.get("/api/me")).status == 401
    assert (await ann.delete(path)).status == 404


async def test_a_key_expires(control: Control) -> None:
    ann = await control.person()
    made = (await ann.post("/api/keys", {"name": "x", "scopes": ["account:read"], "expires_in": 90})).json
    robot = control.client(made["secret"])
    control.clock.forward(89)
    assert (await robot.get("/api/me")).status == 200
    control.clock.forward(1)
    assert (await robot.get("/api/me")).status == 401


async def used_at(owner: Client) -> Any:
    return (await owner.get("/api/keys")).json["items"][0]["used_at"]


async def test_the_last_use_is_told_to_the_minute(control: Control) -> None:
    ann = await control.person()
    robot = await control.program(ann, "account:read")
    seen = []
    for seconds in (0, 59, 1, 30):
        control.clock.forward(seconds)
        assert (await robot.get("/api/me")).status == 200
        seen.append(await used_at(ann))
    assert [moment[14:19] for moment in seen] == ["00:00", "00:00", "01:00", "01:00"]
    control.clock.forward(600)
    assert (await robot.get("/api/meetings")).status == 403
    assert await used_at(ann) == seen[-1]  # what was refused is no use


async def test_an_account_has_only_so_many_keys(start: Start) -> None:
    control = await start(limits=Limits(api_keys_each=2))
    ann, ben = await control.person(), await control.person("Ben")
    body = {"name": "x", "scopes": ["chat:read"], "expires_in": 60}
    replies = await asyncio.gather(*(ann.post("/api/keys", body) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [201, 201, 409, 409, 409]
    assert {reply.code for reply in replies if reply.status == 409} == {"too_many_keys"}
    assert (await ben.post("/api/keys", body)).status == 201
    control.clock.forward(60)
    assert (await ann.post("/api/keys", body)).status == 201


async def test_keys_are_made_only_so_often(start: Start) -> None:
    control = await start(rates=Rates(key_per_account=Rate(1, 60)))
    ann = await control.person()
    await control.program(ann, "chat:read")
    assert (await ann.post("/api/keys", {"name": "x", "scopes": ["chat:read"]})).status == 429


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"name", "scopes"}),
        ({"name": " ", "scopes": ["chat:read"]}, {"name"}),
        ({"name": "x" * 81, "scopes": ["chat:read"]}, {"name"}),
        ({"name": "x", "scopes": []}, {"scopes"}),
        ({"name": "x", "scopes": ["chat:everything"]}, {"scopes"}),
        ({"name": "x", "scopes": ["chat:read"] * 99}, {"scopes"}),
        ({"name": "x", "scopes": "chat:read"}, {"scopes"}),
        ({"name": "x", "scopes": ["chat:read"], "expires_in": 59}, {"expires_in"}),
        ({"name": "x", "scopes": ["chat:read"], "expires_in": 10**12}, {"expires_in"}),
    ],
)
async def test_keys_that_make_no_sense(control: Control, body: dict[str, Any], wrong: set[str]) -> None:
    reply = await (await control.person()).post("/api/keys", body)
    assert (reply.status, set(reply.json["error"]["fields"])) == (422, wrong)


async def test_a_list_of_the_wrong_length_is_told_from_a_text_of_such(control: Control) -> None:
    ann = await control.person()
    for scopes, sentence in (
        ([], "Choose at least 1."),
        (["chat:read"] * 99, f"Choose at most {len(Scope)}."),
    ):
        reply = await ann.post("/api/keys", {"name": "x" * 81, "scopes": scopes})
        fields = {"name": "Must have at most 80 characters.", "scopes": sentence}
        assert reply.json["error"]["fields"] == fields


@pytest.mark.parametrize("secret", ["parley_", "parley_" + "0" * 48, "parley_" + "0" * 4000, "parley_%00"])
async def test_made_up_keys_are_refused(control: Control, secret: str) -> None:
    """Also where a stranger would be let in: who shows a key believes to be somebody."""
    code = (await control.meeting(await control.person()))["code"]
    for path in ("/api/me", f"/api/meetings/{code}"):
        assert (await control.client(secret).get(path)).status == 401
