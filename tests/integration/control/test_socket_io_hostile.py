"""What no honest client sends over Socket.IO: each is refused for itself, and harms nobody else."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import msgspec
import pytest
from aiohttp import WSMsgType

from control.accounts.tokens import ACCOUNT, GUEST, ISSUER, Grant
from control.credentials.admission import Admission
from control.rates.port import Rate
from control.scopes import Scope
from control.settings import Limits, Rates
from control.socket_io import connections
from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control
from tests.integration.control.test_chat import say
from tests.integration.control.test_socket_io import code_of, join, meeting_of, metric, send
from tests.support.socket_io import refusal, talking
from tests.support.waiting import until

CLOSED = 'parley_control_event_sockets_closed_total{reason="%s"}'


def signed(control: Control, **changes: Any) -> str:
    now = int(control.clock().timestamp())
    claims = {"iss": ISSUER, "aud": ACCOUNT, "sub": "a" * 32, "iat": now, "exp": now + 60} | changes
    return jwt.encode(claims, control.secrets.session, algorithm="HS256")


async def test_only_good_tokens_are_let_in(control: Control) -> None:
    ann = await control.person("Ann")
    assert ann.token is not None
    head, body, signature = ann.token.split(".")
    now = int(control.clock().timestamp())
    own = jwt.decode(ann.token, options={"verify_signature": False})
    async with talking(control.base, signed(control, **own)):
        pass  # the forger's art is sound
    bad: list[Any] = [
        None, "", 1, [], {}, True, "x", "\x00", "\ud800", "é.é.é", "a.b.c", "." * 4000, "x" * 60_000,
        f"{head}.{body}.", f"{head}.{body}.{signature[::-1]}", f"{head}.{body}", f"Bearer {ann.token}",
        [ann.token], {"token": ann.token},
        jwt.encode(own, "x" * 32), jwt.encode(own, None, "none"),
        *(
            signed(control, **own | change)
            for change in (
                {"exp": now}, {"exp": now - 1}, {"aud": "other"}, {"iss": "other"}, {"aud": GUEST},
                {"sub": 1}, {"sid": 1}, {"sid": None}, {"sid": "a" * 32},
            )
        ),
    ]  # fmt: skip
    for token in bad:
        assert (await refusal(control.base, None, auth={"token": token}))["code"] == "unauthenticated", token
    for auth in ({}, {"Token": ann.token}, {"access_token": ann.token}):
        assert (await refusal(control.base, None, auth=auth))["code"] == "unauthenticated"
    query = control.base.with_query(token=ann.token, auth=ann.token)
    error = await refusal(query, None, headers={"Authorization": f"Bearer {ann.token}"})
    assert error == {
        "code": "unauthenticated",
        "message": "Sign in to do this.",
        "request_id": error["request_id"],
    }
    async with talking(control.base, ann.token):
        pass


async def test_who_has_not_joined_a_meeting_learns_and_says_nothing(control: Control) -> None:
    code = await meeting_of(control, await control.person("Ann"))
    bo = await control.person("Bo")
    async with talking(control.base, bo.token) as talker:
        assert code_of(await talker.call("join", {"meeting": code})) == "not_a_member"
        assert code_of(await send(talker, code, "x")) == "not_a_member"


async def test_a_guest_of_another_meeting_learns_and_says_nothing(control: Control) -> None:
    await control.report()
    ann = await control.person("Ann")
    here, there = await meeting_of(control, ann), await meeting_of(control, ann)
    gus = await control.guest(there)
    async with talking(control.base, gus.token) as talker, talking(control.base, ann.token) as host:
        await join(host, here)
        assert code_of(await talker.call("join", {"meeting": here})) == "not_a_member"
        assert code_of(await talker.call("join", {"meeting": here, "after": 0})) == "not_a_member"
        assert code_of(await send(talker, here, "x")) == "not_a_member"
        await say(ann, here, "secret")
        assert (await host.event("receive-message"))["message"]["text"] == "secret"
        assert talker.has_heard_nothing()


async def test_codes_are_guessed_slowly(start: Start) -> None:
    """The guesses over HTTP count, too."""
    control = await start(rates=Rates(guess_per_address=Rate(3, 60)))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as talker:
        for _ in range(2):
            assert code_of(await talker.call("join", {"meeting": "aaaa-aaaa-aaaa"})) == "meeting_unknown"
        assert (await ann.get("/api/meetings/aaaa-aaaa-aaaa")).status == 404
        for unlucky in ("aaaa-aaaa-aaaa", code):
            assert code_of(await talker.call("join", {"meeting": unlucky})) == "rate_limited"


async def test_wrong_fields_are_told_one_by_one(control: Control) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    text, far = "x" * 4001, 10**15
    async with talking(control.base, ann.token) as talker:
        for event, data, fields in (
            ("join", {}, {"meeting"}),
            ("join", {"meeting": 1, "after": "1"}, {"meeting", "after"}),
            ("join", {"meeting": code, "after": -1}, {"after"}),
            ("join", {"meeting": code, "after": far}, {"after"}),
            ("join", {"meeting": code, "after": 1.5}, {"after"}),
            ("join", {"meeting": code, "after": float("nan")}, {"after"}),
            ("join", {"meeting": "x" * 65}, {"meeting"}),
            ("join", code, {"body"}),
            ("join", None, {"body"}),
            ("join", [code], {"body"}),
            ("join", (code, code), {"body"}),
            ("leave", {"meeting": None}, {"meeting"}),
            ("send-message", {}, {"meeting", "client_id"}),
            ("send-message", {"meeting": code, "client_id": "c"}, {"text"}),
            ("send-message", {"meeting": code, "text": text, "client_id": "c"}, {"text"}),
            ("send-message", {"meeting": code, "text": " \x00", "client_id": "c"}, {"text"}),
            ("send-message", {"meeting": code, "text": "x", "client_id": "no spaces"}, {"client_id"}),
        ):
            error = (await talker.call(event, data))["error"]
            assert (error["code"], set(error["fields"])) == ("invalid", fields), (event, data)
        for event in ("Join", "message", "receive-message", ""):
            error = (await talker.call(event, {"meeting": code}))["error"]
            assert (error["code"], set(error["fields"])) == ("bad_request", {"event"})
        assert code_of(await talker.call("join", {"meeting": "\ud800"})) == "meeting_unknown"
        posted = await send(talker, code, "a\ud800b\u202e")
        assert posted["message"]["text"] == "ab"


class Raw:
    """A client that writes its packets itself."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def packet(self) -> str:
        """Return the next packet that is no ping."""
        while (packet := await self.socket.receive_str(timeout=20)) == "2":
            await self.socket.send_str("3")
        return packet

    async def is_closed(self) -> bool:
        """Read on to the end."""
        while True:
            kind = (await self.socket.receive(timeout=20)).type
            if kind in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR):
                return True


@asynccontextmanager
async def raw(control: Control, token: str | None) -> AsyncIterator[Raw]:
    url = (control.base / "socket.io/").with_query(EIO="4", transport="websocket")
    async with control.http.ws_connect(url) as socket:
        client = Raw(socket)
        assert (await client.packet()).startswith("0{")
        if token is not None:
            await socket.send_str("40" + msgspec.json.encode({"token": token}).decode())
            assert (await client.packet()).startswith("40{")
        yield client


@pytest.mark.parametrize(
    "packets",
    [
        [""], ["x"], ["4"], ["4x"], ["49"], ["42"], ["42{}"], ["42[]"], ["42[[]]"], ["42[{}]"],
        ["42null"], ["42[1"], ["4[]"], ["4{}"], ["42" + "[" * 60_000], ["44{}"], ['42["*", {}]'],
        ["42" + "1" * 200 + '["join"]'], ['42["connect"]'], ['42["connect", {}, {}]'],
        ['42["connect", {"aiohttp.request": {}}, {"token": "x"}]'],
        ['451-["join", {"_placeholder": true, "num": 0}]', b"\x00"], ['4512345678901-["join"]'], [b"\x00"],
        ["bAAAA"], ['42["join", "' + "x" * 70_000 + '"]'],
    ],
    ids=lambda packets: str(packets[0])[:40] or "empty",
)  # fmt: skip
async def test_what_is_not_socket_io_ends_its_connection_alone(
    control: Control, packets: list[str | bytes]
) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as honest:
        await join(honest, code)
        async with raw(control, ann.token) as client:
            for packet in packets:
                if isinstance(packet, str):
                    await client.socket.send_str(packet)
                else:
                    await client.socket.send_bytes(packet)
            assert await client.is_closed()
        await send(honest, code, "still here")
        await honest.event("receive-message")

    async def none() -> bool:
        return await metric(control, "parley_control_event_sockets") == 0

    await until("all places are given back", none)


@pytest.mark.parametrize(
    "packet", ["9", "2" * 200, "0{}", "6", "3", "5", '43999["x"]', "43[]", '42["*", "x"]']
)
async def test_what_means_nothing_changes_nothing(control: Control, packet: str) -> None:
    ann = await control.person("Ann")
    async with raw(control, ann.token) as client:
        await client.socket.send_str(packet)
        await client.socket.send_str('421["leave",{"meeting":"x"}]')
        answers = {await client.packet() for _ in range(1 + (packet == "5"))}
        assert '431[{"ok":true}]' in answers


async def test_a_client_that_only_says_it_left_has_left(control: Control) -> None:
    ann = await control.person("Ann")
    for goodbye in ("41", '42["disconnect", "transport close"]'):
        async with raw(control, ann.token) as client:
            await client.socket.send_str(goodbye)
            assert await client.is_closed()
    assert await metric(control, "parley_control_event_sockets") == 0


async def test_namespaces_that_are_not_there_let_nobody_in(control: Control) -> None:
    ann = await control.person("Ann")
    async with raw(control, ann.token) as client:
        for namespace in ("/admin", "/*", "/x?token=y"):
            await client.socket.send_str(f'40{namespace},{{"token":"{ann.token}"}}')
            answer = await client.packet()
            assert answer.startswith("44/"), answer
            assert '"code":"not_found"' in answer
            await client.socket.send_str(f'42{namespace},1["join",{{}}]')
        await client.socket.send_str('421["leave",{"meeting":"x"}]')
        assert await client.packet() == '431[{"ok":true}]'
        await client.socket.send_str("40")
        assert (await client.packet()).startswith("44")  # nobody is let in twice


async def test_who_never_shows_a_token_is_let_go(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ADMIT_S", 0.2)
    ann = await control.person("Ann")
    async with raw(control, None) as client:
        await client.socket.send_str('421["leave",{"meeting":"x"}]')
        assert await client.is_closed()
    async with raw(control, None) as client:
        await client.socket.send_str('40{"token":"x"}')
        assert (await client.packet()).startswith("44{")
        assert await client.is_closed()
    async with raw(control, ann.token) as client:
        await asyncio.sleep(0.5)  # longer than others may take
        await client.socket.send_str('421["leave",{"meeting":"x"}]')
        assert await client.packet() == '431[{"ok":true}]'
    assert await metric(control, CLOSED % "unnamed") == 2


async def test_who_is_let_go_while_their_token_is_looked_at_holds_no_place(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ADMIT_S", 0.2)
    grant, go_on, is_looked_at = Admission.grant, asyncio.Event(), asyncio.Event()

    async def slow(admission: Admission, token: str, scope: Scope) -> Grant:
        await go_on.wait()
        try:
            return await grant(admission, token, scope)
        finally:
            is_looked_at.set()

    monkeypatch.setattr(Admission, "grant", slow)
    ann = await control.person("Ann")
    async with raw(control, None) as client:
        await client.socket.send_str(f'40{{"token":"{ann.token}"}}')

        async def let_go() -> bool:
            return await metric(control, CLOSED % "unnamed") == 1

        await until("the connection is let go", let_go)
        go_on.set()
        await is_looked_at.wait()
    assert await metric(control, "parley_control_event_sockets") == 0


async def test_a_flood_ends_its_connection_alone(start: Start) -> None:
    control = await start(rates=Rates(messages_per_connection=Rate(20, 10)))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    async with talking(control.base, ann.token) as honest, raw(control, ann.token) as client:
        await join(honest, code)
        for _ in range(30):
            await client.socket.send_str('421["leave",{"meeting":"x"}]')
        packets = [await client.packet() for _ in range(21)]
        assert packets[:19] == ['431[{"ok":true}]'] * 19  # one was the handshake
        assert packets[19].startswith('42["closing",{"reason":"flooding","error":{"code":"rate_limited"')
        assert packets[20] == "41"
        assert await client.is_closed()
        await send(honest, code, "still here")
        await honest.event("receive-message")
    assert await metric(control, CLOSED % "flooding") == 1


async def test_connections_by_one_address_are_limited(start: Start) -> None:
    control = await start(rates=Rates(connect_per_address=Rate(2, 60)))
    url = (control.base / "socket.io/").with_query(EIO="4", transport="polling")
    replies = []
    for _ in range(3):
        async with control.http.get(url) as response:
            replies.append(response.status)
    assert replies == [200, 200, 429]


async def polling(control: Control, token: str) -> Any:
    """Connect by long polling, and return the address of the connection."""
    url = (control.base / "socket.io/").with_query(EIO="4", transport="polling")
    async with control.http.get(url) as response:
        sid = msgspec.json.decode((await response.text())[1:])["sid"]
    url = url.update_query(sid=sid)
    async with control.http.post(url, data="40" + msgspec.json.encode({"token": token}).decode()) as response:
        assert response.status == 200
    async with control.http.get(url) as response:
        assert (await response.text()).startswith("40{")
    return url


async def test_bodies_of_long_polling_are_limited(control: Control) -> None:
    ann = await control.person("Ann")
    assert ann.token is not None

    async def chunks() -> AsyncIterator[bytes]:
        yield b'42["leave"]'

    for body in (b"4" * 70_000, chunks()):
        url = await polling(control, ann.token)
        async with control.http.post(url, data=body) as response:
            assert response.status == 413
            assert (await response.json())["error"]["code"] == "too_large"
        async with control.http.get(url) as response:
            assert '["closing",{"reason":"malformed"' in await response.text()
    for body in (b"\xff\xfe", b"", b"\x1e" * 100, b"x"):
        url = await polling(control, ann.token)
        async with control.http.post(url, data=body) as response:
            assert response.status in (200, 400)
    async with control.http.get(url.update_query(sid="x")) as response:
        assert response.status == 400
    for query in ({"EIO": "3"}, {"EIO": "4", "transport": "carrier-pigeon"}, {}):
        async with control.http.get((control.base / "socket.io/").with_query(query)) as response:
            assert response.status == 400


async def test_who_polls_no_more_is_cut_off_and_nobody_waits(start: Start) -> None:
    control = await start(limits=Limits(event_send_s=0.5))
    ann = await control.person("Ann")
    assert ann.token is not None
    code = await meeting_of(control, ann)
    url = await polling(control, ann.token)
    async with control.http.post(url, data=f'42["join",{{"meeting":"{code}"}}]') as response:
        assert response.status == 200
    async with talking(control.base, ann.token) as honest:
        await join(honest, code)
        for number in range(40):
            assert (await send(honest, code, f"m{number}"))["ok"]
        assert len(await honest.told(40)) == 40

        async def cut_off() -> bool:
            return await metric(control, CLOSED % "too_slow") == 1

        await until("the one that does not poll cut off", cut_off)


async def deaf(control: Control, client: Client, code: str) -> socket.socket:
    """A member of the meeting who reads nothing any more."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (control.base.host, control.base.port))
    request = (
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {control.base.authority}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(deaf, request.encode())
    assert (await loop.sock_recv(deaf, 12)).endswith(b" 101")
    for packet in (f'40{{"token":"{client.token}"}}', f'421["join",{{"meeting":"{code}"}}]'):
        await loop.sock_sendall(deaf, _masked(packet.encode()))
    return deaf


def _masked(payload: bytes) -> bytes:
    """Return a text frame of a client's (RFC 6455), its mask all zero."""
    return b"\x81" + bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


async def test_who_does_not_read_is_cut_off_and_nobody_waits(start: Start) -> None:
    control = await start(limits=Limits(event_send_s=0.5, event_outbox=64))
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    numbers = iter(range(2, 10_000))
    with await deaf(control, ann, code):
        async with await ann.listen(code) as good:
            await good.receive_json(timeout=20)

            async def cut_off() -> bool:
                for number in itertools.islice(numbers, 20):
                    assert (await say(ann, code, "\U0001f600" * 4000)).status == 201
                    assert (await good.receive_json(timeout=20))["id"] == number
                return await metric(control, CLOSED % "too_slow") == 1

            await until("the deaf one cut off", cut_off, deadline_s=90, every_s=0)

            async def one_left() -> bool:
                return await metric(control, "parley_control_event_sockets") == 1

            await until("its place given back", one_left)
