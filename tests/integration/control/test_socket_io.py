"""Meetings over Socket.IO, as python-socketio's client has them, over both of its transports."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import sqlalchemy
from aiohttp import WSMsgType
from yarl import URL

from control.rates.port import Rate
from control.settings import Limits, Rates, Settings
from sfu.contract.operations import PeerEntered, PeerGone
from tests.integration.control.conftest import PLENTY, Start, running
from tests.integration.control.harness import Client, Control, Hands, rows
from tests.integration.control.test_chat import say
from tests.support.socket_io import TRANSPORTS, Talker, refusal, talking
from tests.support.waiting import until

over_all_transports = pytest.mark.parametrize("transports", TRANSPORTS, ids="-".join)


async def meeting_of(control: Control, host: Client) -> str:
    code: str = (await control.meeting(host))["code"]
    return code


async def send(talker: Talker, code: str, text: str, client_id: str | None = None) -> Any:
    body = {"meeting": code, "text": text, "client_id": client_id or uuid4().hex}
    return await talker.call("send-message", body)


async def join(talker: Talker, code: str, **after: int) -> Any:
    answer = await talker.call("join", {"meeting": code} | after)
    assert answer.get("ok"), answer
    return answer


def code_of(answer: Any) -> str:
    assert "ok" not in answer
    code: str = answer["error"]["code"]
    return code


async def metric(control: Control, line: str) -> float:
    text = (await control.client().get("/metrics")).text
    return next((float(row.split()[-1]) for row in text.splitlines() if row.startswith(f"{line} ")), 0.0)


@over_all_transports
async def test_members_hear_everything_in_order(control: Control, transports: list[str]) -> None:
    await control.report()
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    gus = await control.guest(code)
    async with (
        talking(control.base, ann.token, transports) as one,
        talking(control.base, gus.token, transports) as two,
    ):
        for talker in (one, two):
            answer = await join(talker, code.upper())
            assert answer == {"ok": True, "meeting": code, "id": 1, "present": [], "more": False}
        posted = [(await send(author, code, f"m{n}"))["message"] for n, author in enumerate((one, two) * 3)]
        posted.append((await say(ann, code, "over HTTP")).json)
        expected: list[Any] = [
            ("receive-message", {"meeting": code, "id": int(message["id"]), "message": message})
            for message in posted
        ]
        await ann.post(f"/api/meetings/{code}/end")
        expected.append(("meeting-ended", {"meeting": code, "id": 9}))
        for talker in (one, two):
            assert await talker.told(8) == expected
        closing = await two.event("closing")
        assert (closing["reason"], closing["error"]["code"]) == ("ended", "meeting_ended")
        await two.event("disconnect")
        assert code_of(await send(one, code, "too late")) == "meeting_ended"
        assert code_of(await one.call("join", {"meeting": code})) == "meeting_ended"
        assert one.has_heard_nothing()


async def test_an_acknowledged_message_is_kept_and_is_there_once(
    control: Control, database: sqlalchemy.URL
) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as talker:
        await join(talker, code)
        first = await send(talker, code, "  hello ", "c1")
        kept = rows(database, "SELECT text FROM messages WHERE kind = 'text'")
        assert kept == [("hello",)]
        assert await send(talker, code, "another", "c1") == first
        assert (await say(ann, code, "third", "c1")).json == first["message"]
        await send(talker, code, "next")
        heard = await talker.told(2)
        assert [data["message"]["text"] for _, data in heard] == ["hello", "next"]
        assert talker.has_heard_nothing()


async def test_what_happens_elsewhere_is_not_heard(control: Control) -> None:
    ann, bob = await control.person("Ann"), await control.person("Bob")
    here, there = await meeting_of(control, ann), await meeting_of(control, ann)
    bobs = await meeting_of(control, bob)
    async with talking(control.base, ann.token) as talker:
        await join(talker, here)
        await say(ann, there, "there")
        await say(bob, bobs, "his")
        await say(ann, here, "here")
        assert (await talker.event("receive-message"))["message"]["text"] == "here"
        assert code_of(await talker.call("join", {"meeting": bobs})) == "not_a_member"
        assert code_of(await send(talker, bobs, "let me in")) == "not_a_member"
        assert code_of(await talker.call("join", {"meeting": "aaaa-aaaa-aaaa"})) == "meeting_unknown"
        assert (await say(bob, bobs, "still his")).status == 201
        assert talker.has_heard_nothing()


async def test_one_connection_hears_of_several_meetings_until_it_leaves_them(control: Control) -> None:
    ann = await control.person("Ann")
    codes = [await meeting_of(control, ann) for _ in range(3)]
    async with talking(control.base, ann.token) as talker:
        for code in codes:
            await join(talker, code)
        await talker.call("leave", {"meeting": codes[1]})
        assert await talker.call("leave", {"meeting": "nowhere"}) == {"ok": True}
        for code in codes:
            await say(ann, code, "x")
        heard = await talker.told(2)
        assert {data["meeting"] for _, data in heard} == {codes[0], codes[2]}
        await join(talker, codes[1], after=1)
        assert (await talker.event("receive-message"))["id"] == 2


async def test_who_is_in_the_call_is_told_at_first_and_as_it_changes(control: Control) -> None:
    await control.report()
    ann = await control.person("Ann")
    meeting = await control.meeting(ann)
    code, room = meeting["code"], meeting["id"]
    peers = [(await control.guest(code, name)).user["peer"] for name in ("Gus", "Gil")]
    at = control.clock().timestamp()
    entered = [
        PeerEntered(seq=seq, at=at, room=room, peer=peer, ticket="t") for seq, peer in enumerate(peers, 1)
    ]
    await control.report(entered[0])
    async with talking(control.base, ann.token) as talker:
        answer = await join(talker, code)
        assert [(person["name"], person["left_at"]) for person in answer["present"]] == [("Gus", None)]
        await control.report(entered[1])
        joined = await talker.event("participant-joined")
        assert (joined["person"]["name"], joined["meeting"], joined["id"]) == ("Gil", code, answer["id"] + 1)
        await control.report(PeerGone(seq=3, at=at, room=room, peer=peers[0], code="left"))
        left = await talker.event("participant-left")
        assert (left["person"]["name"], left["id"]) == ("Gus", answer["id"] + 2)
        again = await join(talker, code)
        assert [person["name"] for person in again["present"]] == ["Gil"]


async def test_of_many_present_only_so_many_are_listed(start: Start) -> None:
    control = await start(limits=Limits(socket_present=1))
    await control.report()
    ann = await control.person("Ann")
    meeting = await control.meeting(ann)
    for seq, name in enumerate(("Gus", "Gil"), 1):
        peer = (await control.guest(meeting["code"], name)).user["peer"]
        control.clock.forward(1)
        at = control.clock().timestamp()
        await control.report(PeerEntered(seq=seq, at=at, room=meeting["id"], peer=peer, ticket="t"))
    async with talking(control.base, ann.token) as talker:
        answer = await join(talker, meeting["code"])
        assert ([person["name"] for person in answer["present"]], answer["more"]) == (["Gil"], True)


@over_all_transports
async def test_coming_back_misses_nothing(control: Control, transports: list[str]) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token, transports) as talker:
        await join(talker, code)
        await say(ann, code, "m0")
        last = (await talker.event("receive-message"))["id"]
    for number in range(1, 150):  # more than one batch of the replay
        await say(ann, code, f"m{number}")
    async with talking(control.base, ann.token, transports) as talker:
        assert (await join(talker, code, after=last))["id"] == 151
        missed = [data["message"]["text"] for _, data in await talker.told(149)]
        assert missed == [f"m{number}" for number in range(1, 150)]
        await say(ann, code, "live")
        assert (await talker.event("receive-message"))["id"] == 152


async def test_who_missed_the_end_hears_of_it_and_of_what_came_before(control: Control) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    await say(ann, code, "last words")
    await ann.post(f"/api/meetings/{code}/end")
    async with talking(control.base, ann.token) as talker:
        await join(talker, code, after=1)
        assert [event for event, _ in await talker.told(2)] == ["receive-message", "meeting-ended"]


@pytest.mark.parametrize(("after", "reset"), [(0, True), (2, True), (3, False), (7, True), (10**14, True)])
async def test_what_is_no_longer_kept_is_a_reset(start: Start, after: int, reset: bool) -> None:
    control = await start(limits=Limits(event_history=3))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    for number in range(5):
        await say(ann, code, f"m{number}")
    async with talking(control.base, ann.token) as talker:
        assert (await join(talker, code, after=after))["id"] == 6
        if reset:
            assert await talker.event("reset") == {"meeting": code, "id": 6}
        else:
            assert [data["id"] for _, data in await talker.told(3)] == [4, 5, 6]
        await say(ann, code, "live")
        assert (await talker.event("receive-message"))["id"] == 7


async def test_one_bound_holds_over_http_and_here(start: Start) -> None:
    control = await start(rates=Rates(chat_per_author=Rate(3, 10)))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as talker:
        assert (await send(talker, code, "1"))["ok"]
        assert (await say(ann, code, "2")).status == 201
        assert (await send(talker, code, "3"))["ok"]
        assert (await say(ann, code, "4")).status == 429
        error = (await send(talker, code, "5"))["error"]
        assert (error["code"], error["retry_after"]) == ("rate_limited", 4)
        control.clock.forward(4)
        assert (await send(talker, code, "6"))["ok"]


async def test_a_token_that_expires_ends_the_connection(control: Control) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as idle, talking(control.base, ann.token) as busy:
        for talker in (idle, busy):
            await join(talker, code)
        control.clock.forward(3601)
        assert code_of(await send(busy, code, "too late")) == "unauthenticated"
        for talker in (idle, busy):
            closing = await talker.event("closing")
            assert (closing["reason"], closing["error"]["code"]) == ("expired", "unauthenticated")
            assert await talker.event("disconnect") == talker.client.reason.SERVER_DISCONNECT
    assert await metric(control, 'parley_control_event_sockets_closed_total{reason="expired"}') == 2


async def test_places_are_limited_and_given_back(start: Start) -> None:
    """Together with the event WebSockets."""
    control = await start(limits=Limits(sockets=3, sockets_each=2))
    ann, bob = await control.person("Ann"), await control.person("Bob")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token):
        async with talking(control.base, ann.token):
            assert (await refusal(control.base, ann.token))["code"] == "rate_limited"
            async with await ann.listen(code):
                assert (await refusal(control.base, bob.token))["code"] == "overloaded"

        async def one_more() -> bool:
            return await metric(control, "parley_control_event_sockets") == 1

        await until("the places given back", one_more)
        async with talking(control.base, ann.token) as talker:
            await join(talker, code)


async def test_meetings_of_one_connection_are_limited(start: Start) -> None:
    control = await start(limits=Limits(socket_meetings=2))
    ann = await control.person("Ann")
    codes = [await meeting_of(control, ann) for _ in range(3)]
    async with talking(control.base, ann.token) as talker:
        await join(talker, codes[0])
        await join(talker, codes[1])
        await join(talker, codes[1])
        assert code_of(await talker.call("join", {"meeting": codes[2]})) == "invalid"
        await talker.call("leave", {"meeting": codes[0]})
        await join(talker, codes[2])


@over_all_transports
async def test_who_stays_when_we_stop_is_told_and_may_come_back(
    tmp_path: Path, transports: list[str]
) -> None:
    settings = Settings(data=tmp_path, bcrypt_cost=4, rates=PLENTY)
    async with running(settings, Hands()) as control:
        ann = await control.person("Ann")
        code = await meeting_of(control, ann)
        staying = talking(control.base, ann.token, transports)
        talker = await staying.__aenter__()
        await join(talker, code)
    ((event, data),) = await talker.told()
    if transports != ["polling"] or event == "closing":  # one may be between two polls
        assert (event, data) == ("closing", {"reason": "stopping"})
        ((event, data),) = await talker.told()
    assert event == "disconnect"
    assert data != talker.client.reason.SERVER_DISCONNECT  # or it would stay away
    await staying.__aexit__(None, None, None)


@over_all_transports
async def test_idle_connections_are_kept_by_pings(start: Start, transports: list[str]) -> None:
    control = await start(socket_ping_s=2, socket_pong_s=5)
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token, transports) as talker:
        await join(talker, code)
        await asyncio.sleep(9)  # longer than both together
        await say(ann, code, "still here")
        await talker.event("receive-message")


async def test_who_answers_no_pings_is_let_go(start: Start) -> None:
    control = await start(socket_ping_s=1, socket_pong_s=1)
    url = (control.base / "socket.io/").with_query(EIO="4", transport="websocket")
    ann = await control.person("Ann")
    async with control.http.ws_connect(url) as silent:
        await silent.send_str(f'40{{"token":"{ann.token}"}}')
        while (await silent.receive(timeout=20)).type is WSMsgType.TEXT:
            pass
    assert await metric(control, "parley_control_event_sockets") == 0


async def test_pages_of_other_origins_need_to_be_named(start: Start) -> None:
    control = await start(socket_origins=(URL("https://app.example.org"),))
    ann = await control.person("Ann")
    url = control.base / "socket.io/" % {"EIO": "4", "transport": "polling"}
    for origin, status in (
        (None, 200),
        (str(control.base.origin()), 200),
        ("https://app.example.org", 200),
        ("https://app.example.org.evil.example", 403),
        ("http://app.example.org", 403),
        ("null", 403),
    ):
        headers = {} if origin is None else {"Origin": origin}
        async with control.http.get(url, headers=headers) as response:
            assert response.status == status
            allowed = response.headers.get("Access-Control-Allow-Origin")
            assert allowed == (origin if status == 200 else None)
            assert "Access-Control-Allow-Credentials" not in response.headers
        if status == 403:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await control.http.ws_connect(url.update_query(transport="websocket"), headers=headers)
    origin = {"Origin": "https://app.example.org"}
    for transports in TRANSPORTS:
        async with talking(control.base, ann.token, transports, headers=origin):
            pass


async def test_cookies_count_for_nothing(control: Control) -> None:
    ann = await control.person("Ann")
    ours = {"Cookie": f"parley_access={ann.token}", "Origin": str(control.base.origin())}
    assert (await refusal(control.base, None, headers=ours))["code"] == "unauthenticated"


async def test_the_readmes_example_runs(control: Control, tmp_path: Path) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-uc", example, str(control.base), code, str(ann.token), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            printed = [(await process.stdout.readline()).decode() for _ in range(3)]
        assert "'present': []" in printed[0]
        assert any(line.endswith("Hello\n") for line in printed)
        assert any("'ok': True, 'message'" in line for line in printed)
    finally:
        process.kill()
        await process.wait()
