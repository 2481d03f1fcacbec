"""Files in the chat: chosen or dropped, sent with a message, seen and got by the others."""

import base64

import pytest

from tests.e2e.stage import Desk, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOT = list(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
)
PAGE = list(b"<script>document.title = 'taken over'</script>")


async def test_files_go_with_messages(stage: Stage, red: Desk, green: Desk) -> None:
    anna, gus = await stage.member("Anna", red), await stage.guest("Gus", green)
    meeting = await stage.meeting()
    await anna.join(meeting)
    await gus.join(meeting, guest=True)
    for person in (anna, gus):
        await person.press("chat-toggle")

    await gus.attaches("dot.png", "image/png", DOT, by="choice")
    await gus.attaches("page.html", "text/html", PAGE, by="drop")
    await gus.says("Look at these")
    await anna.reads("Look at these")
    assert await anna.gets("dot.png") == {"type": "image/png", "content": DOT, "width": 1}
    assert await anna.gets("page.html") == {
        "type": "application/octet-stream",
        "content": PAGE,
        "width": -1,
    }
    assert (await gus.gets("dot.png"))["width"] == 1

    await anna.attaches("empty.txt", "text/plain", [], by="choice")
    assert await anna.refusals() == ["The file is empty."]
    await anna.attaches("no.png", "image/png", PAGE, by="drop")
    await anna.press("chat-send")
    await anna.finds_text("no.png is not the kind of file it is said to be.")
