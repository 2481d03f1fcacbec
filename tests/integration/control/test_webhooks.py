"""Webhooks, told to a real HTTP server."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import sqlalchemy
from aiohttp import web

from control.settings import JobSettings, Limits
from sfu.contract.operations import PeerEntered, PeerGone
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, connected
from tests.support.waiting import until

ALL = ["meeting.created", "meeting.ended", "participant.joined", "participant.left", "message.posted"]
QUICK = JobSettings(jobs_poll_s=0.1, jobs_attempts=100)


@dataclass
class Endpoint:
    """A server that keeps what it is told, and answers as it is told."""

    url: str = ""
    status: int = 200
    location: str = ""
    told: list[tuple[dict[str, str], str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.told.append(({k.lower(): v for k, v in request.headers.items()}, await request.text()))
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=headers, text="x" * 1_000_000)

    def kinds(self) -> list[str]:
        return [msgspec.json.decode(body)["type"] for _, body in self.told]

    async def until_told(self, count: int) -> None:
        async def number() -> int:
            return len(self.told)

        await until("the endpoint is told", number, accept=lambda seen: seen >= count)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


@pytest.fixture
async def control(start: Start) -> Control:
    return await start(webhooks_private=True, jobs=QUICK)


async def registered(client: Client, url: str, *kinds: str) -> dict[str, Any]:
    reply = await client.post("/api/webhooks", {"url": url, "kinds": list(kinds or ALL)})
    assert reply.status == 201, reply.text
    made: dict[str, Any] = reply.json
    return made


async def deliveries(client: Client, webhook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    reply = await client.get(f"/api/webhooks/{webhook['webhook']['id']}/deliveries{query}")
    assert reply.status == 200, reply.text
    items: list[dict[str, Any]] = reply.json["items"]
    return items


async def say(client: Client, code: str, text: str) -> None:
    body = {"text": text, "client_id": text}
    reply = await client.post(f"/api/meetings/{code}/messages", body)
    assert reply.status == 201, reply.text


def is_signed(secret: str, headers: dict[str, str], body: str) -> bool:
    """As the specification says, and with nothing of the service's own."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


async def test_an_endpoint_is_told_what_happens_in_its_account_s_meetings(
    control: Control, endpoint: Endpoint
) -> None:
    ann, bo = await control.person("Ann"), await control.person("Bo")
    made = await registered(ann, endpoint.url)
    await control.meeting(bo)
    meeting = await control.meeting(ann)
    await endpoint.until_told(1)
    await control.report()
    joined = await bo.post(f"/api/meetings/{meeting['code']}/join")
    peer, room, now = joined.json["peer"], joined.json["room"], control.clock().timestamp()
    await control.report(PeerEntered(seq=1, at=now, room=room, peer=peer, ticket="t"))
    await endpoint.until_told(2)
    await say(bo, meeting["code"], "hello")
    await endpoint.until_told(3)
    await control.report(PeerGone(seq=2, at=now, room=room, peer=peer, code="left"))
    await endpoint.until_told(4)
    await ann.post(f"/api/meetings/{meeting['code']}/end")
    await endpoint.until_told(5)
    order = ["meeting.created", "participant.joined", "message.posted", "participant.left", "meeting.ended"]
    assert endpoint.kinds() == order
    for headers, body in endpoint.told:
        assert is_signed(made["secret"], headers, body)
        assert int(headers["webhook-timestamp"]) == int(now)
        about = msgspec.json.decode(body)["data"]["meeting"]
        assert about == {"id": room, "code": meeting["code"], "title": "Weekly"}
    assert msgspec.json.decode(endpoint.told[2][1])["data"]["message"]["text"] == "hello"
    assert msgspec.json.decode(endpoint.told[1][1])["data"]["participant"]["name"] == "Bo"
    listed = await until("all are delivered", lambda: deliveries(ann, made), accept=all_delivered)
    assert [(each["number"], each["kind"]) for each in listed] == list(enumerate(order, 1))
    assert [each["id"] for each in listed] == [headers["webhook-id"] for headers, _ in endpoint.told]


async def test_it_is_told_the_kinds_it_asked_for(control: Control, endpoint: Endpoint) -> None:
    ann = await control.person()
    await registered(ann, endpoint.url, "meeting.ended")
    meeting = await control.meeting(ann)
    await say(ann, meeting["code"], "hello")
    await ann.post(f"/api/meetings/{meeting['code']}/end")
    await endpoint.until_told(1)
    assert endpoint.kinds() == ["meeting.ended"]


async def test_what_is_not_taken_is_told_again_under_the_same_id(
    control: Control, endpoint: Endpoint
) -> None:
    ann = await control.person()
    made = await registered(ann, endpoint.url)
    endpoint.status = 503
    await control.meeting(ann)
    await until("a failure is noted", lambda: deliveries(ann, made), accept=state_is("failed"))
    (failed,) = await deliveries(ann, made)
    assert (failed["status"], failed["error"], failed["attempts"]) == (503, "the answer was 503", 1)
    endpoint.status = 204
    control.clock.forward(60)
    await until("it is delivered", lambda: deliveries(ann, made), accept=state_is("delivered"))
    first, second = (headers for headers, _ in endpoint.told)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert is_signed(made["secret"], second, endpoint.told[1][1])
    (webhook,) = (await ann.get("/api/webhooks")).json["items"]
    assert webhook["failing_since"] is None


def state_is(state: str) -> Any:
    return lambda items: [each["state"] for each in items] == [state]


def all_delivered(items: list[dict[str, Any]]) -> bool:
    return {each["state"] for each in items} == {"delivered"}


async def test_a_redirect_is_not_followed(control: Control, endpoint: Endpoint) -> None:
    ann = await control.person()
    made = await registered(ann, endpoint.url)
    endpoint.status, endpoint.location = 307, endpoint.url
    await control.meeting(ann)
    await until("a failure is noted", lambda: deliveries(ann, made), accept=state_is("failed"))
    assert len(endpoint.told) == 1


async def test_an_endpoint_that_is_gone_or_fails_for_days_is_told_no_more_until_enabled(
    start: Start, endpoint: Endpoint
) -> None:
    control = await start(webhooks_private=True, jobs=QUICK, webhook_patience_s=600)
    ann = await control.person()
    made = await registered(ann, endpoint.url)
    path = f"/api/webhooks/{made['webhook']['id']}"

    async def state() -> dict[str, Any]:
        (webhook,) = (await ann.get("/api/webhooks")).json["items"]
        found: dict[str, Any] = webhook
        return found

    endpoint.status = 500
    await control.meeting(ann)
    await until("it fails", state, accept=lambda seen: seen["failing_since"])
    control.clock.forward(601)
    await until("it is disabled", state, accept=lambda seen: seen["disabled_at"])
    assert (await state())["disabled_because"].startswith("Nothing was taken since 2031-05-04 12:00")
    count = len(endpoint.told)
    await control.meeting(ann)
    assert (await ann.post(f"{path}/enable")).json["disabled_at"] is None
    endpoint.status = 200
    assert (await ann.post(f"{path}/replay", {"after": 0})).json == {"count": 1, "next_after": None}
    await endpoint.until_told(count + 1)
    endpoint.status = 410
    await control.meeting(ann)
    await until("it is disabled", state, accept=lambda seen: seen["disabled_at"])
    assert (await state())["disabled_because"] == "It answered 410 Gone."


async def test_what_was_told_can_be_told_again_from_a_cursor(control: Control, endpoint: Endpoint) -> None:
    ann = await control.person()
    made = await registered(ann, endpoint.url, "meeting.created")
    for _ in range(5):
        await control.meeting(ann)
    await endpoint.until_told(5)
    await until("all are delivered", lambda: deliveries(ann, made), accept=all_delivered)
    assert [each["number"] for each in await deliveries(ann, made, "?after=1&limit=2")] == [2, 3]
    assert made["webhook"]["last_number"] == 0
    assert (await ann.get("/api/webhooks")).json["items"][0]["last_number"] == 5
    reply = await ann.post(f"/api/webhooks/{made['webhook']['id']}/replay", {"after": 3})
    assert reply.json == {"count": 2, "next_after": None}
    await endpoint.until_told(7)
    again = {headers["webhook-id"] for headers, _ in endpoint.told[5:]}
    assert again == {each["id"] for each in await deliveries(ann, made, "?after=3")}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://0.0.0.0/",
        "http://[fe80::1]/",
        "http://[64:ff9b::a00:1]/",
        "http://no-such-host.invalid/",
        "ftp://example.org/",
        "https://user:hush@example.org/",
        "https:///path",
        "http://example.org:port/",
        "javascript:alert(1)",
    ],
)
async def test_addresses_that_nothing_may_be_sent_to_are_refused(start: Start, url: str) -> None:
    control = await start()
    ann = await control.person()
    reply = await ann.post("/api/webhooks", {"url": url, "kinds": ["meeting.created"]})
    assert (reply.status, reply.code) == (422, "invalid"), reply.text
    assert list(reply.json["error"]["fields"]) == ["url"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_became_private_is_not_connected_to(
    start: Start, database: sqlalchemy.URL, endpoint: Endpoint, host: str
) -> None:
    """As when a name leads elsewhere than when it was looked at."""
    control = await start(jobs=QUICK)
    ann = await control.person()
    made = await registered(ann, "http://93.184.215.14/")
    url = endpoint.url.replace("127.0.0.1", host)

    def lead_elsewhere() -> None:
        with connected(database) as connection:
            connection.execute(sqlalchemy.text("UPDATE webhooks SET url = :url"), {"url": url})
            connection.commit()

    await asyncio.to_thread(lead_elsewhere)  # beside control, which may be writing just now
    await control.meeting(ann)
    await until("it was tried", lambda: deliveries(ann, made), accept=state_is("failed"))
    (failed,) = await deliveries(ann, made)
    assert failed["error"].startswith("there was no answer")
    assert endpoint.told == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://example.org/"},
        {"url": "https://example.org/", "kinds": []},
        {"url": "https://example.org/", "kinds": ["everything"]},
        {"url": "https://example.org/" + "x" * 2000, "kinds": ["meeting.created"]},
        {"url": "https://example.org/", "kinds": ["meeting.created"], "description": "x" * 201},
    ],
)
async def test_what_is_no_endpoint_is_refused(control: Control, body: dict[str, Any]) -> None:
    ann = await control.person()
    assert (await ann.post("/api/webhooks", body)).status == 422


async def test_an_account_has_so_many_endpoints_and_no_more(start: Start, endpoint: Endpoint) -> None:
    control = await start(webhooks_private=True, limits=Limits(webhooks_each=2))
    ann = await control.person()
    first = await registered(ann, endpoint.url)
    await registered(ann, endpoint.url)
    reply = await ann.post("/api/webhooks", {"url": endpoint.url, "kinds": ALL})
    assert (reply.status, reply.code) == (409, "too_many_webhooks")
    assert (await ann.delete(f"/api/webhooks/{first['webhook']['id']}")).status == 204
    await registered(ann, endpoint.url)
    assert "secret" not in (await ann.get("/api/webhooks")).text


async def test_another_s_endpoints_are_not_there(control: Control, endpoint: Endpoint) -> None:
    ann, bo = await control.person("Ann"), await control.person("Bo")
    made = await registered(ann, endpoint.url)
    path = f"/api/webhooks/{made['webhook']['id']}"
    for send in (
        bo.delete(path),
        bo.post(f"{path}/enable"),
        bo.get(f"{path}/deliveries"),
        bo.post(f"{path}/replay", {"after": 0}),
    ):
        reply = await send
        assert (reply.status, reply.code) == (404, "not_found")
    assert (await bo.get("/api/webhooks")).json["items"] == []
    assert (await control.client().get("/api/webhooks")).status == 401
