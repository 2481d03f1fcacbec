"""Clients and control of a later version, which say more than this node knows."""

import json
import time
from typing import Any

import msgspec

from sfu.contract import signals
from sfu.contract.operations import Drain, sign_token
from sfu.contract.signals import Hello, Ping, View, Want
from tests.integration.node.conftest import SECRET, House
from tests.integration.node.test_call import enter, receive_frames
from tests.integration.node.test_operation import metrics


def more(message: Any) -> str:
    """Return a message as a later version says it."""
    return json.dumps(json.loads(msgspec.json.encode(message)) | {"later": {"lamps": [4]}})


async def test_a_later_client_calls_and_is_told_what_is_not_understood(house: House) -> None:
    await enter(house, "anna")
    ben = house.client()
    ben.add_slots(audio=1, video=1)
    sdp, _ = await ben.offer()
    await ben.connect()
    assert ben.socket is not None
    await ben.socket.send_str(more(Hello(ticket=house.ticket(peer="ben"), offer=sdp)))
    await ben.answered(await ben.expect(signals.Welcome))
    await ben.socket.send_str('{"type":"dim","lamps":4}')
    refused = await ben.expect(signals.Refused)
    assert (refused.code, refused.id) == ("bad_message", None)
    await ben.socket.send_str(more(View(wants=(Want(track="anna.1", width=640, height=480),))))
    await receive_frames(ben, "video", 5)
    await ben.socket.send_str(more(Ping(id=7)))
    await ben.expect(signals.Pong)
    assert (await metrics(house))[("parley_node_refusals_total", "bad_message")] == 1


async def test_later_commands_are_obeyed_as_far_as_they_are_understood(house: House) -> None:
    token = sign_token(SECRET, audience="n1", now=time.time())

    async def status_of(text: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{house.url}/internal/commands"
        async with house.http.post(url, data=text, headers=headers) as response:
            return response.status

    assert await status_of('{"type":"dim","lamps":4}') == 400
    assert (await metrics(house))[("parley_node_refusals_total", "bad_message")] == 1
    assert await status_of(more(Drain())) == 200
    assert house.node.draining
