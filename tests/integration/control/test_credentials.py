"""What ends with a sign-in or an API key: access tokens, event WebSockets, Socket.IO, at every replica."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import sqlalchemy
from aiohttp import WSCloseCode, WSMsgType

from tests.integration.control.conftest import Start
from tests.integration.control.harness import PASSWORD, Client, Control, connected
from tests.integration.control.test_events import frames
from tests.integration.control.test_replicas import (
    at,
    metric,
    mortal,  # noqa: F401 - a fixture
    replicas,
    server_of_hints,  # noqa: F401 - a fixture
)
from tests.integration.control.test_socket_io import code_of, join, send
from tests.support.redis import RedisServer
from tests.support.socket_io import Talker, refusal, talking
from tests.support.waiting import until

TRUST_S = 0.2


async def signed_in(control: Control, person: Client) -> tuple[Client, str]:
    """Another device of somebody's, and its refresh token."""
    credentials = {"email": person.user["email"], "password": PASSWORD}
    reply = await control.client().post("/api/session", credentials)
    assert reply.status == 200, reply.text
    return Client(control.http, control.base, reply.json["access_token"], person.user), reply.json[
        "refresh_token"
    ]


async def sign_out(control: Control, refresh_token: str) -> None:
    reply = await control.client().send("DELETE", "/api/session", {"refresh_token": refresh_token})
    assert reply.status == 204


async def is_let_in(person: Client) -> bool:
    return (await person.get("/api/me")).status == 200


async def closed_as_revoked(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Wait for the end of a WebSocket, which must be for this reason."""
    message = await socket.receive(timeout=20)
    assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.POLICY_VIOLATION)
    assert message.extra == "revoked"


async def parted_as_revoked(talker: Talker) -> None:
    closing = await talker.event("closing")
    assert (closing["reason"], closing["error"]["code"]) == ("revoked", "unauthenticated")
    await talker.event("disconnect")


async def test_signing_out_ends_what_the_device_held_and_nothing_else(control: Control) -> None:
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    laptop, refresh_token = await signed_in(control, ann)
    async with (
        await laptop.listen(code) as ear,
        await ann.listen(code) as other_ear,
        talking(control.base, laptop.token) as talker,
        talking(control.base, ann.token) as other_talker,
    ):
        await frames(ear, 1)
        await frames(other_ear, 1)
        await join(talker, code)
        await join(other_talker, code)
        await sign_out(control, refresh_token)
        await closed_as_revoked(ear)
        await parted_as_revoked(talker)
        assert not await is_let_in(laptop)
        assert (await refusal(control.base, laptop.token))["code"] == "unauthenticated"
        page = await control.client().get("/meetings", headers={"Cookie": f"parley_access={laptop.token}"})
        assert page.headers["Location"].startswith("/api/session/resume")
        assert (await send(other_talker, code, "still here"))["ok"]
        assert (await frames(other_ear, 1))[0]["message"]["text"] == "still here"
        assert await is_let_in(ann)


async def test_a_stolen_refresh_token_ends_what_the_thief_got_by_it(control: Control) -> None:
    ann = await control.person("Ann")
    laptop, first = await signed_in(control, ann)
    stolen = (await control.client().post("/api/session/refresh", {"refresh_token": first})).json
    thief = control.client(stolen["access_token"])
    assert await is_let_in(thief)
    control.clock.forward(21)
    assert (await control.client().post("/api/session/refresh", {"refresh_token": first})).status == 401
    assert [await is_let_in(each) for each in (thief, laptop, ann)] == [False, False, True]


async def test_a_revoked_key_ends_what_was_opened_by_it(control: Control) -> None:
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    robot = await control.program(ann, "events:read")
    other = await control.program(ann, "events:read")
    async with (
        await robot.listen(code) as ear,
        await other.listen(code) as other_ear,
        talking(control.base, robot.token) as talker,
    ):
        await frames(ear, 1)
        await frames(other_ear, 1)
        await join(talker, code)
        assert (await ann.delete(f"/api/keys/{robot.user['id']}")).status == 204
        await closed_as_revoked(ear)
        await parted_as_revoked(talker)
        assert (await refusal(control.base, robot.token))["code"] == "unauthenticated"
        await ann.post(f"/api/meetings/{code}/end")
        assert (await frames(other_ear, 1))[0]["type"] in ("ended", "message")


async def test_over_socket_io_a_key_does_what_its_scopes_say(control: Control) -> None:
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    hearing = await control.program(ann, "events:read")
    talkative = await control.program(ann, "events:read", "chat:write")
    dumb = await control.program(ann, "chat:write")
    error = await refusal(control.base, dumb.token)
    assert (error["code"], error["fields"]) == ("insufficient_scope", {"scope": "Needs events:read."})
    assert (await refusal(control.base, "parley_" + "0" * 48))["code"] == "unauthenticated"
    async with (
        talking(control.base, hearing.token) as one,
        talking(control.base, talkative.token) as two,
    ):
        await join(one, code)
        assert code_of(await send(one, code, "not allowed")) == "insufficient_scope"
        posted = await send(two, code, "allowed")
        assert posted["message"]["author"]["name"] == "Ann"
        assert (await one.event("receive-message"))["message"] == posted["message"]


async def test_an_expired_key_ends_its_connections(start: Start) -> None:
    control = await start(credential_trust_s=TRUST_S)
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    body = {"name": "Robot", "scopes": ["events:read"], "expires_in": 60}
    robot = control.client((await ann.post("/api/keys", body)).json["secret"])
    async with await robot.listen(code) as ear, talking(control.base, robot.token) as talker:
        await frames(ear, 1)
        control.clock.forward(60)
        assert (await talker.event("closing"))["reason"] in ("expired", "revoked")
        await closed_as_revoked(ear)


async def test_what_ends_at_one_replica_ends_at_the_other_at_once(
    start: Start,
    server_of_hints: RedisServer,  # noqa: F811
) -> None:
    one, other = await replicas(start, server_of_hints, 2, credential_trust_s=3600)  # it can only be told
    ann = await one.person("Ann")
    code = (await one.meeting(ann))["code"]
    laptop, refresh_token = await signed_in(one, ann)
    robot = await one.program(ann, "events:read")
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(await at(other, who).listen(code)) for who in (laptop, robot)]
        talkers = [await stack.enter_async_context(talking(other.base, who.token)) for who in (laptop, robot)]
        assert await is_let_in(at(other, laptop))
        for ear in ears:
            await frames(ear, 1)
        await sign_out(one, refresh_token)
        await ann.delete(f"/api/keys/{robot.user['id']}")
        for ear in ears:
            await closed_as_revoked(ear)
        for talker in talkers:
            await parted_as_revoked(talker)
        assert not await is_let_in(at(other, laptop))
        assert await is_let_in(at(other, ann))


async def test_without_redis_the_other_replica_finds_out(
    start: Start,
    mortal: RedisServer,  # noqa: F811
) -> None:
    one, other = await replicas(start, mortal, 2, credential_trust_s=TRUST_S)
    ann = await one.person("Ann")
    code = (await one.meeting(ann))["code"]
    laptop, refresh_token = await signed_in(one, ann)
    async with await at(other, laptop).listen(code) as ear:
        await frames(ear, 1)
        mortal.kill()
        await sign_out(one, refresh_token)
        assert not await is_let_in(laptop)
        await closed_as_revoked(ear)
        assert not await is_let_in(at(other, laptop))
    phone, refresh_token = await signed_in(one, ann)
    assert await is_let_in(at(other, phone))
    await sign_out(one, refresh_token)
    one.clock.forward(TRUST_S)  # so long it may be believed
    assert not await is_let_in(at(other, phone))
    await asyncio.to_thread(mortal.start)
    for each in (one, other):
        await until("Redis is back", lambda each=each: metric(each, "parley_control_relay_connected"))
    tablet, refresh_token = await signed_in(one, ann)
    assert await is_let_in(at(other, tablet))
    await sign_out(one, refresh_token)

    async def is_out() -> bool:
        return not await is_let_in(at(other, tablet))

    await until("it is told again", is_out)


async def test_what_is_gone_from_the_database_past_us_is_noticed(
    start: Start, database: sqlalchemy.URL
) -> None:
    """As when an account is deleted, and its sign-ins and keys with it."""
    control = await start(credential_trust_s=TRUST_S)
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]

    def delete() -> None:
        with connected(database) as connection:
            connection.execute(sqlalchemy.text("DELETE FROM sign_ins"))
            connection.commit()

    async with await ann.listen(code) as ear:
        await frames(ear, 1)
        await asyncio.to_thread(delete)
        await closed_as_revoked(ear)
    assert not await is_let_in(ann)
