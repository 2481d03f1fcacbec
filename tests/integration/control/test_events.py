import asyncio
import itertools
import socket
from typing import Any

import aiohttp
import pytest
import sqlalchemy
from aiohttp import WSMsgType, WSServerHandshakeError

from control.events import store
from control.settings import Limits
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control, rows
from tests.integration.control.test_chat import say
from tests.support.waiting import until

Socket = aiohttp.ClientWebSocketResponse


async def frames(ear: Socket, count: int) -> list[Any]:
    return [await ear.receive_json(timeout=20) for _ in range(count)]


async def closed_with(ear: Socket) -> tuple[int | None, Any]:
    """Read on to the end; the code and the reason of it."""
    while (message := await ear.receive(timeout=20)).type is WSMsgType.TEXT:
        pass
    assert message.type is WSMsgType.CLOSE
    return message.data, message.extra


async def meeting_of(control: Control, host: Client) -> str:
    code: str = (await control.meeting(host))["code"]
    return code


async def test_listeners_hear_everything_in_order(control: Control) -> None:
    await control.report()
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    gus = await control.guest(code)
    async with await ann.listen(code) as one, await gus.listen(code) as two:
        for ear in (one, two):
            assert await frames(ear, 1) == [{"type": "ready", "id": 1}]
        posted = [
            (await say(author, code, f"m{number}")).json for number, author in enumerate((ann, gus) * 3)
        ]
        await ann.post(f"/api/meetings/{code}/end")
        expected = [{"type": "message", "id": int(m["id"]), "message": m} for m in posted]
        expected.append({"type": "ended", "id": 8})
        for ear in (one, two):
            assert await frames(ear, 7) == expected


async def test_what_happens_elsewhere_is_not_heard(control: Control) -> None:
    ann = await control.person("Ann")
    here, there = await meeting_of(control, ann), await meeting_of(control, ann)
    async with await ann.listen(here) as ear:
        await frames(ear, 1)
        await say(ann, there, "there")
        await say(ann, here, "here")
        assert (await frames(ear, 1))[0]["message"]["text"] == "here"


async def test_coming_back_misses_nothing(control: Control) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with await ann.listen(code) as ear:
        await say(ann, code, "m0")
        last = (await frames(ear, 2))[-1]["id"]
    for number in range(1, 250):  # more than one batch of the replay
        await say(ann, code, f"m{number}")
    async with await ann.listen(code, after=last) as ear:
        ready, *missed = await frames(ear, 250)
        assert ready == {"type": "ready", "id": 251}
        assert [frame["message"]["text"] for frame in missed] == [f"m{number}" for number in range(1, 250)]
        await say(ann, code, "live")
        assert (await frames(ear, 1))[0]["id"] == 252


async def test_coming_back_misses_nothing_after_a_restart(start: Start) -> None:
    first = await start()
    ann = await first.person("Ann")
    code = await meeting_of(first, ann)
    await say(ann, code, "before")
    second = await start()
    async with await second.client(ann.token).listen(code, after=1) as ear:
        assert [frame["id"] for frame in await frames(ear, 2)] == [2, 2]


async def test_coming_back_while_others_write_misses_nothing_and_repeats_nothing(control: Control) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)

    async def write() -> None:
        for number in range(60):
            await say(ann, code, f"m{number}")

    async def read() -> list[int]:
        seen, after = [], 1
        while after < 61:
            async with await ann.listen(code, after=after) as ear:
                await frames(ear, 1)
                for frame in await frames(ear, min(7, 61 - after)):
                    seen.append(after := frame["id"])
        return seen

    _, *readers = await asyncio.gather(write(), *(read() for _ in range(3)))
    assert readers == [list(range(2, 62))] * 3


@pytest.mark.parametrize(
    ("after", "reset"), [(0, True), (2, True), (3, False), (6, False), (7, True), (10**14, True)]
)
async def test_what_is_no_longer_kept_is_a_reset(start: Start, after: int, reset: bool) -> None:
    control = await start(limits=Limits(event_history=3))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    for number in range(5):
        await say(ann, code, f"m{number}")
    async with await ann.listen(code, after=after) as ear:
        assert await frames(ear, 1) == [{"type": "ready", "id": 6}]
        if reset:
            assert await frames(ear, 1) == [{"type": "reset", "id": 6}]
        else:
            assert [frame["id"] for frame in await frames(ear, 6 - after)] == list(range(after + 1, 7))
        await say(ann, code, "live")
        assert (await frames(ear, 1))[0]["id"] == 7


async def test_only_the_latest_events_are_kept(start: Start, database: sqlalchemy.URL) -> None:
    control = await start(limits=Limits(event_history=3))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    for number in range(store.PRUNE_EVERY - 1):
        await say(ann, code, f"m{number}")
    numbers = [number for (number,) in rows(database, "SELECT number FROM events ORDER BY number")]
    assert numbers == [store.PRUNE_EVERY - 2, store.PRUNE_EVERY - 1, store.PRUNE_EVERY]


async def refused(client: Client, code: str, **options: Any) -> int:
    url = client.base / "api/meetings" / code / "events"
    headers = options.pop("headers", {})
    if client.token is not None:
        headers["Authorization"] = f"Bearer {client.token}"
    with pytest.raises(WSServerHandshakeError) as caught:
        await client.http.ws_connect(url.with_query(options), headers=headers)
    return caught.value.status


async def test_strangers_do_not_listen(control: Control) -> None:
    await control.report()
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    elsewhere = await control.guest(await meeting_of(control, ann))
    assert await refused(control.client(), code) == 401
    assert await refused(control.client("x"), code) == 401
    assert await refused(await control.person("Bob"), code) == 403
    assert await refused(elsewhere, code) == 403
    assert await refused(ann, "aaaa-aaaa-aaaa") == 404
    assert await refused(ann, code, after="x") == 422
    assert await refused(ann, code, after="9" * 16) == 422
    assert (await ann.get(f"/api/meetings/{code}/events")).code == "bad_request"


async def test_another_sites_page_does_not_listen_with_our_cookies(control: Control) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    cookie = {"Cookie": f"parley_access={ann.token}"}
    browser = control.client()
    assert await refused(browser, code, headers=cookie | {"Origin": "https://evil.example"}) == 403
    assert await refused(browser, code, headers=cookie) == 403
    assert await refused(browser, code, headers=cookie | {"Origin": "null"}) == 403
    ours = cookie | {"Origin": str(control.base.origin())}
    url = control.base / "api/meetings" / code / "events"
    async with browser.http.ws_connect(url, headers=ours) as ear:
        assert await frames(ear, 1) == [{"type": "ready", "id": 1}]


async def test_a_guest_listens_by_cookie(control: Control) -> None:
    await control.report()
    code = await meeting_of(control, await control.person("Ann"))
    gus = await control.guest(code)
    ours = {"Cookie": f"parley_guest={gus.token}", "Origin": str(control.base.origin())}
    url = control.base / "api/meetings" / code / "events"
    async with control.http.ws_connect(url, headers=ours) as ear:
        assert await frames(ear, 1) == [{"type": "ready", "id": 1}]


@pytest.mark.parametrize("text", ["hello", "x" * 100_000])
async def test_a_listener_that_talks_is_closed(control: Control, text: str) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with await ann.listen(code) as talker, await ann.listen(code) as listener:
        await frames(talker, 1)
        await talker.send_str(text)
        assert (await closed_with(talker))[0] in (1008, 1009)
        await frames(listener, 1)
        await say(ann, code, "still here")
        assert (await frames(listener, 1))[0]["message"]["text"] == "still here"


async def test_places_are_limited_and_given_back(start: Start) -> None:
    control = await start(limits=Limits(sockets=3, sockets_each=2))
    ann, bob = await control.person("Ann"), await control.person("Bob")
    code, bobs = await meeting_of(control, ann), await meeting_of(control, bob)
    async with await ann.listen(code):
        async with await ann.listen(code):
            assert await refused(ann, code) == 429
            async with await bob.listen(bobs):
                assert await refused(bob, bobs) == 503

        async def one_more() -> bool:
            reply = await control.client().get("/metrics")
            return "parley_control_event_sockets 1.0" in reply.text

        await until("the places given back", one_more)
        async with await ann.listen(code) as ear:
            await frames(ear, 1)


async def deaf(control: Control, client: Client, code: str) -> socket.socket:
    """A listener that opens its connection and reads no more."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (control.base.host, control.base.port))
    request = (
        f"GET /api/meetings/{code}/events HTTP/1.1\r\nHost: {control.base.authority}\r\n"
        f"Authorization: Bearer {client.token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(deaf, request.encode())
    assert (await loop.sock_recv(deaf, 12)).endswith(b" 101")
    return deaf


async def test_a_listener_that_does_not_read_is_cut_off_and_nobody_waits(start: Start) -> None:
    control = await start(limits=Limits(event_outbox=4, event_send_s=0.5))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    numbers = iter(range(2, 10_000))
    with await deaf(control, ann, code):
        async with await ann.listen(code) as good:
            await frames(good, 1)

            async def cut_off() -> bool:
                for number in itertools.islice(numbers, 20):
                    assert (await say(ann, code, "\U0001f600" * 4000)).status == 201
                    assert (await frames(good, 1))[0]["id"] == number
                reply = await control.client().get("/metrics")
                return 'parley_control_event_sockets_closed_total{reason="too_slow"} 1.0' in reply.text

            await until("the slow listener cut off", cut_off, deadline_s=90, every_s=0)
