"""Puts words into the node's mouth: what a page does with a message, whether or not the node says it now."""

from sfu.contract.signals import Clocks, Encodings, NodeMessage, Quality, encode
from tests.e2e.person import Person
from tests.support.browsers import Page

# Every socket the page opens keeps what hears it within reach, and passes on what the node itself says
# unless it is of these types.
INSTALL = """(types) => {
    const told = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
    window.prompter = { hear: null };
    window.WebSocket = class extends WebSocket {
        get onmessage() { return told.get.call(this); }
        set onmessage(hear) {
            if (this.url.endsWith("/signal")) window.prompter.hear = hear;
            told.set.call(this, hear && ((event) => {
                if (!types.includes(JSON.parse(event.data).type)) hear(event);
            }));
        }
    };
}"""
SAY = "(text) => { prompter.hear({ data: text }); }"


class Prompter:
    """Speaks for the node to one page, and keeps the node from contradicting it."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def say(self, message: NodeMessage) -> None:
        """Let the page hear the message."""
        await self._page.evaluate(SAY, encode(message))


async def prompted(person: Person) -> Prompter:
    """Let somebody who is still in the lobby go in, and return who speaks for the node to them.

    Of layers, qualities and clocks their page hears from now on only what is said here.
    """
    tags = [kind.__struct_config__.tag for kind in (Clocks, Encodings, Quality)]
    await person.page.evaluate(INSTALL, tags)
    await person.press("join")
    await person.is_connected()
    return Prompter(person.page)
