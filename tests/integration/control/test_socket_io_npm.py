"""Meetings over Socket.IO, as npm's client has them, which most applications of others use."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from control.settings import Settings
from tests.integration.control.conftest import PLENTY, running
from tests.integration.control.harness import Control, Hands
from tests.integration.control.test_chat import say
from tests.integration.control.test_socket_io import meeting_of, over_all_transports
from tests.support.socket_io import NodeTalker, node_talking


async def answer(talker: NodeTalker, event: str, data: Any) -> Any:
    """Send an event, and return its acknowledgement, which must be what it says next."""
    talker.do("send", event, data)
    word, answered = await talker.said()
    assert word == "answer", answered
    return answered


def message(code: str, text: str) -> dict[str, str]:
    return {"meeting": code, "text": text, "client_id": uuid4().hex}


@over_all_transports
async def test_it_joins_writes_hears_and_resumes(control: Control, transports: list[str]) -> None:
    ann = await control.person("Ann")
    code = await meeting_of(control, ann)
    options = {"auth": {"token": ann.token}, "transports": transports}
    async with node_talking() as talker:
        talker.do("connect", str(control.base), options)
        assert (await talker.said())[0] == "connect"
        assert (await answer(talker, "join", {"meeting": code}))["id"] == 1
        talker.do("send", "send-message", message(code, "hello"))
        said = [await talker.said() for _ in range(2)]  # the two go their own ways
        posted = next(words[1] for words in said if words[0] == "answer")["message"]
        heard = next(words[1:] for words in said if words[0] == "event")
        assert heard == ["receive-message", {"meeting": code, "id": 2, "message": posted}]
        assert (await answer(talker, "send-message", {"meeting": code}))["error"]["code"] == "invalid"

        talker.do("drop")
        assert (await talker.said())[0] == "disconnect"
        await say(ann, code, "meanwhile")
        assert (await talker.said())[0] == "connect"  # by itself
        assert (await answer(talker, "join", {"meeting": code, "after": 2}))["id"] == 3
        _, event, data = await talker.said()
        assert (event, data["id"], data["message"]["text"]) == ("receive-message", 3, "meanwhile")


@over_all_transports
async def test_it_is_told_why_it_is_not_let_in(control: Control, transports: list[str]) -> None:
    async with node_talking() as talker:
        talker.do("connect", str(control.base), {"auth": {"token": "x"}, "transports": transports})
        word, text, data = await talker.said()
        assert (word, text, data["code"]) == ("connect_error", "Sign in to do this.", "unauthenticated")
    async with node_talking() as talker:
        talker.do("connect", f"{control.base.origin()}/nowhere", {"auth": {}, "transports": transports})
        word, _, data = await talker.said()
        assert (word, data["code"]) == ("connect_error", "not_found")


async def test_it_stays_away_when_its_token_has_expired(control: Control) -> None:
    ann = await control.person("Ann")
    async with node_talking() as talker:
        talker.do("connect", str(control.base), {"auth": {"token": ann.token}})
        await talker.said()
        control.clock.forward(3601)
        assert (await talker.said())[:2] == ["event", "closing"]
        assert await talker.said() == ["disconnect", "io server disconnect"]


@over_all_transports
async def test_it_comes_back_by_itself_when_we_were_gone(tmp_path: Path, transports: list[str]) -> None:
    clock = Hands()
    async with node_talking() as talker:
        async with running(Settings(data=tmp_path, bcrypt_cost=4, rates=PLENTY), clock) as control:
            ann = await control.person("Ann")
            options = {"auth": {"token": ann.token}, "transports": transports}
            talker.do("connect", str(control.base), options)
            assert (await talker.said())[0] == "connect"
        said = await talker.said()
        if transports != ["polling"] or said[0] == "event":  # one may be between two polls
            assert said == ["event", "closing", {"reason": "stopping"}]
            said = await talker.said()
        word, reason = said
        assert word == "disconnect"
        assert reason != "io server disconnect"
        assert (await talker.said())[0] == "connect_error"  # it tries
