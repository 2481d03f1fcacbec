"""Somebody who uses the page in a browser: what they can do, see and hear, in the page's own terms.

This is the only module of these tests that knows the page's marks (`data-testid` and the like).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.browsers import Page
from tests.support.senders import SENDERS, WIDTH, Sender, by_colour
from tests.support.servers import Account, Meeting
from tests.support.waiting import DEADLINE_S, until

ACCESS_COOKIE = "parley_access"
MOST_TABS = 60

TILES = """() => Promise.all([...document.querySelectorAll("article.tile")].map(async (tile) => {
    const video = tile.querySelector("video");
    const shown = tile.dataset.video === "on" && video.checkVisibility();
    const name = tile.querySelector("[data-slot=name]").textContent;
    const colour = shown ? await probe.live(video) : null;
    return { ...tile.dataset, name, shown, width: video?.videoWidth ?? 0, colour };
}))"""

# All that sounds in the page now.
SOUNDS = """async (frequencies) => {
    const playing = [...document.querySelectorAll("audio, video")].filter((element) =>
        !element.muted && !element.paused && element.volume && element.srcObject?.getAudioTracks().length);
    const heard = await Promise.all(playing.map((element) => probe.tones(element.srcObject, frequencies)));
    return heard.flat();
}"""

GIVE_FILE = """(by, name, kind, content) => {
    const given = new DataTransfer();
    given.items.add(new File([new Uint8Array(content)], name, { type: kind }));
    if (by === "drop") {
        const drop = { dataTransfer: given, bubbles: true, cancelable: true };
        document.querySelector("[data-part=lines]").dispatchEvent(new DragEvent("drop", drop));
    } else {
        const input = document.querySelector("[data-testid=files]");
        input.files = given.files;
        input.dispatchEvent(new Event("change"));
    }
}"""

FILE = """(name) => [...document.querySelectorAll("[data-testid=attachment]")].some(
    (link) => link.textContent.includes(name))"""

# A file's type and bytes as the server gives them, and how wide its picture is drawn, -1 if there is none.
GET_FILE = """async (name) => {
    const links = [...document.querySelectorAll("[data-testid=attachment]")];
    const link = links.find((each) => each.textContent.includes(name));
    const response = await fetch(link.href);
    const content = [...new Uint8Array(await response.arrayBuffer())];
    const picture = link.querySelector("img");
    return { type: response.headers.get("Content-Type"), content, width: picture?.naturalWidth ?? -1 };
}"""


@dataclass(frozen=True)
class Tile:
    """One picture, or the place of one, in the call."""

    peer: str
    source: str
    name: str
    muted: bool
    speaking: bool
    shown: bool
    """Whether there is a video to be seen, be it frozen."""
    width: int
    """Of the video as it arrives, in pixels."""
    sender: Sender | None
    """Whose colour the live video shows."""


@dataclass(frozen=True)
class Arrivals:
    """When the first picture and sound of each of the others came, in seconds after the click on join."""

    seen_s: list[float]
    heard_s: list[float]


@dataclass(frozen=True)
class Route:
    """A way to the node: over which protocol (if it is relayed, that to the relay), and to which address."""

    protocol: str
    to: str
    relayed: bool = False


class Person:
    """One page of one person. `name` is what the others see."""

    def __init__(self, page: Page, name: str, sender: Sender) -> None:
        self.page = page
        self.name = name
        self.sender = sender

    async def sign_in(self, origin: str, account: Account) -> None:
        """Be signed in to the account."""
        await self.page.set_cookie(origin, ACCESS_COOKIE, account.token)

    async def open(self, meeting: Meeting) -> None:
        """Open the meeting's link, up to the lobby, until one sees oneself and the microphone is on."""
        await self.page.goto(meeting.url)
        await self.is_in("lobby")
        await self.page.until(
            "() => probe.live(document.querySelector('[data-part=preview] video'))",
            accept=lambda rgb: rgb is not None and by_colour(tuple(rgb)) == self.sender,
        )
        await self.page.until(
            "(mic) => document.querySelector(mic).dataset.on === 'true'", mark("prejoin-mic")
        )

    async def join(self, meeting: Meeting, *, guest: bool = False) -> None:
        """Open the meeting's link and go in."""
        await self.open(meeting)
        if guest:
            await self.page.fill(mark("name-input"), self.name)
        await self.press("join")
        await self.is_connected()

    async def press(self, button: str) -> None:
        """Click one of the page's marked buttons."""
        await self.page.click(mark(button))

    async def is_in(self, view: str) -> None:
        """Wait until the meeting's page shows this view: lobby, call or ended."""
        await self.page.until("() => document.body.dataset.view", accept=lambda now: now == view)

    async def is_connected(self) -> None:
        """Wait until the call is up."""
        await self.page.until("() => document.body.dataset.state", accept=lambda now: now == "connected")

    async def knows_of_the_loss(self) -> None:
        """Wait until the page says that it has lost the connection."""
        await self.page.until("() => document.body.dataset.state", accept=lambda now: now == "reconnecting")
        await self.page.until("(mark) => document.querySelector(mark).checkVisibility()", mark("banner"))

    async def goes_by(self, *routes: Route) -> None:
        """Wait until one of these is the way to the node."""
        await self.page.until(
            "() => probe.route()", accept=lambda now: now is not None and Route(**now) in routes
        )

    async def tiles(self) -> list[Tile]:
        """Return all tiles as they are now."""
        return [_tile(raw) for raw in await self.page.evaluate(TILES)]

    async def tiles_of(self, other: "Person", source: str = "camera") -> list[Tile]:
        """Return the other's tiles of one source; two cameras of one person who joined once are a ghost."""
        return [tile for tile in await self.tiles() if other.name in tile.name and tile.source == source]

    async def finds(
        self,
        what: str,
        other: "Person",
        accept: Callable[[Tile], bool],
        *,
        source: str = "camera",
        count: int = 1,
        deadline_s: float = DEADLINE_S,
    ) -> list[Tile]:
        """Wait until the other has just `count` tiles of the source and all are as wanted; return them."""
        return await until(
            f"{self.name} finds {count} {source} of {other.name} {what}",
            lambda: self.tiles_of(other, source),
            accept=lambda tiles: len(tiles) == count and all(map(accept, tiles)),
            deadline_s=deadline_s,
        )

    async def sees(self, other: "Person", *, tabs: int = 1, deadline_s: float = DEADLINE_S) -> list[Tile]:
        """Wait until the other's tile (one for each tab) shows the other's camera, live."""
        return await self.finds(
            "live", other, lambda tile: tile.sender == other.sender, count=tabs, deadline_s=deadline_s
        )

    async def sees_whole(self, other: "Person") -> None:
        """Wait until the other's camera arrives in its full size."""
        await self.finds(f"{WIDTH} wide", other, lambda tile: tile.width == WIDTH)

    async def sees_no_picture_of(self, other: "Person") -> None:
        """Wait until the other's tile is there without a video."""
        await self.finds("without a picture", other, lambda tile: not tile.shown)

    async def sees_screen_of(self, other: "Person") -> None:
        """Wait until the other's screen is shown."""
        await self.finds("shown", other, lambda tile: tile.shown, source="screen")

    async def sees_no_screen_of(self, other: "Person") -> None:
        """Wait until there is no screen of the other's."""
        await self.finds("at all", other, lambda _: True, source="screen", count=0)

    async def sees_people(self, *others: "Person", deadline_s: float = DEADLINE_S) -> None:
        """Wait until there are camera tiles of just these others, one of each, besides one's own."""
        expected = sorted(person.name for person in (self, *others))

        async def names() -> list[str]:
            tiles = [tile for tile in await self.tiles() if tile.source == "camera"]
            return sorted(next((name for name in expected if name in tile.name), tile.name) for tile in tiles)

        await until(
            f"{self.name} sees just {expected}",
            names,
            accept=lambda seen: seen == expected,
            deadline_s=deadline_s,
        )

    async def hears(self, *others: "Person", deadline_s: float = DEADLINE_S) -> None:
        """Wait until just these others are heard."""
        expected = {other.sender.tone_hz for other in others}
        frequencies = [sender.tone_hz for sender in SENDERS]

        async def heard() -> set[int]:
            return set(await self.page.evaluate(SOUNDS, frequencies))

        await until(
            f"{self.name} hears {[other.name for other in others]}, in Hz {sorted(expected)}",
            heard,
            accept=lambda tones: tones == expected,
            deadline_s=deadline_s,
        )

    async def finds_muted(self, other: "Person") -> None:
        """Wait until the other is marked as muted, and not as speaking."""
        await self.finds("muted and silent", other, lambda tile: tile.muted and not tile.speaking)

    async def finds_speaking(self, other: "Person") -> None:
        """Wait until the other is marked as speaking, and not as muted."""
        await self.finds("unmuted and speaking", other, lambda tile: tile.speaking and not tile.muted)

    async def join_and_time(self, others: int) -> Arrivals:
        """Click on join, at the preview, and return how long it took to see and hear so many others."""
        await self.page.evaluate(
            "(button, others) => { probe.arriving = probe.arrivals(button, others); }", mark("join"), others
        )
        await self.press("join")
        times = await self.page.evaluate("() => probe.arriving")
        return Arrivals(times["seen"], times["heard"])

    async def says(self, text: str) -> None:
        """Write into the chat, which is open."""
        await self.page.fill(mark("chat-input"), text)
        await self.press("chat-send")

    async def reads(self, *texts: str) -> None:
        """Wait until the open chat holds these texts in this order, and each once."""

        def in_order(said: list[str]) -> bool:
            wanted = [text for entry in said for text in texts if text in entry]
            return wanted == list(texts)

        await self.page.until(
            "(lines) => [...document.querySelectorAll(lines)].map((line) => line.textContent)",
            f"{mark('chat-message')} .text",
            accept=in_order,
        )

    async def attaches(self, name: str, kind: str, content: list[int], *, by: str) -> None:
        """Choose a file in the open chat, or drop it there, and wait until it has arrived or was refused."""
        await self.page.evaluate(GIVE_FILE, by, name, kind, content)
        await self.page.until(
            "(name) => [...document.querySelectorAll('.upload.arrived, .upload.failed')]"
            ".some((upload) => upload.textContent.includes(name))",
            name,
        )

    async def refusals(self) -> list[str]:
        """Return what is said of files that were refused."""
        refused: list[str] = await self.page.evaluate(
            "() => [...document.querySelectorAll('.upload.failed .state')].map((each) => each.textContent)"
        )
        return refused

    async def gets(self, name: str) -> dict[str, Any]:
        """Wait for the file in the open chat and get it; return its type, bytes and picture's width."""
        await self.page.until(FILE, name)
        got: dict[str, Any] = await self.page.until(GET_FILE, name, accept=lambda got: got["width"] != 0)
        return got

    async def reacts(self, reaction: str) -> None:
        """Send a reaction."""
        await self.press("react")
        await self.press(f"reaction-{reaction}")

    async def notices(self, other: "Person", reaction: str) -> None:
        """Wait until the other's reaction is told."""
        await self.page.until(
            "() => document.querySelector('[data-part=reactions]').textContent",
            accept=lambda told: told == f"{other.name}: {reaction}",
        )

    async def is_at(self, path: str) -> None:
        """Wait until the page with this path has loaded."""
        await self.page.until(
            "() => document.readyState === 'complete' && location.pathname", accept=lambda at: at == path
        )

    async def finds_text(self, text: str) -> None:
        """Wait until the text is on the page."""
        await self.page.until("(text) => document.body?.innerText.includes(text)", text)

    async def tab_to(self, target: str) -> None:
        """Move the focus to a marked element by the Tab key alone."""
        passed = []
        for _ in range(MOST_TABS):
            await self.page.press("Tab")
            focused = await self.page.evaluate("() => document.activeElement.dataset.testid ?? null")
            if focused == target:
                return
            passed.append(focused)
        raise AssertionError(f"Tab does not lead to {target}; it passed {passed}")


def mark(testid: str) -> str:
    """Return the selector of a marked element."""
    return f'[data-testid="{testid}"]'


def _tile(raw: dict[str, Any]) -> Tile:
    colour = raw["colour"]
    return Tile(
        peer=raw.get("peer", ""),
        source=raw.get("source", ""),
        name=raw["name"],
        muted=raw.get("muted") == "true",
        speaking=raw.get("speaking") == "true",
        shown=raw["shown"],
        width=raw["width"],
        sender=by_colour(tuple(colour)) if colour else None,
    )
