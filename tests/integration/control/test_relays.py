"""Credentials for TURN servers: who gets which, for how long; and that a TURN server takes them."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from tests.integration.control.conftest import Start
from tests.integration.control.harness import Client, Control
from tests.support.coturn import SECRET, TurnServer, coturn

URLS = ("turn:turn.example.org?transport=udp", "turns:turn.example.org:443")


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    with coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


async def relaying(start: Start, *urls: str, secret: str = SECRET) -> Control:
    control = await start(turn_urls=urls or URLS, turn_secret=secret, turn_ttl_s=600)
    await control.report()
    return control


async def joined(client: Client, meeting: dict[str, Any], **body: str) -> dict[str, Any]:
    reply = await client.post(f"/api/meetings/{meeting['code']}/join", body)
    assert reply.status == 200
    answer: dict[str, Any] = reply.json
    return answer


async def renewed(client: Client, meeting: dict[str, Any]) -> list[dict[str, Any]]:
    reply = await client.get(f"/api/meetings/{meeting['code']}/ice-servers")
    assert reply.status == 200
    servers: list[dict[str, Any]] = reply.json["ice_servers"]
    return servers


async def test_who_joins_gets_credentials_that_say_whose_they_are_and_when_they_end(start: Start) -> None:
    control = await relaying(start)
    ann = await control.person()
    meeting = await control.meeting(ann)
    ends = int(control.clock().timestamp()) + 600
    guest = await joined(control.client(), meeting, name="Gus")
    for name, answer in (
        (ann.user["id"], await joined(ann, meeting)),
        (guest["peer"], guest),
    ):
        (server,) = answer["ice_servers"]
        assert server["urls"] == list(URLS)
        assert server["username"] == f"{ends}:{name}"
        assert server["ttl_s"] == 600


async def test_they_are_renewed_for_who_is_in_the_meeting(start: Start) -> None:
    control = await relaying(start)
    ann = await control.person()
    meeting = await control.meeting(ann)
    guest = await joined(control.client(), meeting, name="Gus")
    control.clock.forward(1800)
    ends = int(control.clock().timestamp()) + 600
    for name, client in ((ann.user["id"], ann), (guest["peer"], control.client(guest["access_token"]))):
        (server,) = await renewed(client, meeting)
        assert server["username"] == f"{ends}:{name}"


async def test_when_the_meeting_is_over_there_are_no_more(start: Start) -> None:
    control = await relaying(start)
    ann = await control.person()
    meeting = await control.meeting(ann)
    await ann.post(f"/api/meetings/{meeting['code']}/end")
    reply = await ann.get(f"/api/meetings/{meeting['code']}/ice-servers")
    assert (reply.status, reply.code) == (410, "meeting_ended")


async def test_without_a_turn_server_there_are_none(control: Control) -> None:
    await control.report()
    ann = await control.person()
    meeting = await control.meeting(ann)
    assert (await joined(ann, meeting))["ice_servers"] == []
    assert await renewed(ann, meeting) == []


async def relayed_address(turn: TurnServer, server: dict[str, Any]) -> tuple[str, int]:
    """Allocate a relayed address as a TURN client would, and return it. Raises `TransactionFailed`."""
    transport, _ = await create_turn_endpoint(
        asyncio.DatagramProtocol,
        (turn.host, turn.port),
        username=server["username"],
        password=server["credential"],
    )
    address: tuple[str, int] = transport.get_extra_info("sockname")
    transport.close()
    return address


async def test_a_turn_server_takes_them_until_they_end(start: Start, turn: TurnServer) -> None:
    control = await relaying(start, turn.url("udp"))
    ann = await control.person()
    meeting = await control.meeting(ann)
    control.clock.now = datetime.now(UTC)
    (server,) = await renewed(ann, meeting)
    host, port = await relayed_address(turn, server)
    assert host == turn.host
    assert port >= 50_000
    with pytest.raises(TransactionFailed, match="401"):
        await relayed_address(turn, server | {"username": f"9{server['username']}"})
    control.clock.forward(-601)
    (ended,) = await renewed(ann, meeting)
    with pytest.raises(TransactionFailed, match="401"):
        await relayed_address(turn, ended)


async def test_a_turn_server_takes_none_of_another_secret(start: Start, turn: TurnServer) -> None:
    control = await relaying(start, turn.url("udp"), secret="another secret")
    ann = await control.person()
    meeting = await control.meeting(ann)
    with pytest.raises(TransactionFailed, match="401"):
        await relayed_address(turn, (await renewed(ann, meeting))[0])
