"""Real browsers, each in a network namespace of its own, driven alike by WebDriver BiDi.

    async with chromium(client.namespace, RED, folder, origin="http://10.77.0.1:8080") as browser:
        page = await browser.page()
        await page.goto("http://10.77.0.1:8080/")
        await page.click("[data-testid=join]")

`origin` is treated as secure though it is not https, as a page needs it for the camera. Each `page`
has its own cookies and storage unless it asks to share another's. Each browser sends its sender's
colour and tone. The scripts of `probe.js` stand ready in every page as `window.probe`.
"""

import asyncio
import base64
import json
import re
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from yarl import URL

from tests.support.bidi import BidiError, ScriptError, Session, connected
from tests.support.http import http
from tests.support.netns import Namespace
from tests.support.processes import Process
from tests.support.senders import FRAMES_PER_S, HEIGHT, WIDTH, Sender, colour_file, tone_file
from tests.support.waiting import DEADLINE_S, until

PROBE = Path(__file__).with_name("probe.js").read_text()
CONSOLE_LINES = 500
UNCAUGHT = "uncaught: "
"""What the probe puts before an exception it tells the console."""

CHROMIUM_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=display-media-type=browser",
    "--autoplay-policy=no-user-gesture-required",
)

FIREFOX_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "extensions.getAddons.cache.enabled": False,
}

KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "Backspace": "\ue003"}


class Page:
    """One page in a window of its own: `console` is what it said last, `faults` the exceptions uncaught."""

    def __init__(self, session: Session, context: str, storage: str) -> None:
        self._session = session
        self._context = context
        self.storage = storage
        self.console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self.faults: list[str] = []

    async def goto(self, url: str) -> None:
        """Open the address and wait until it has loaded."""
        await self._session.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def reload(self) -> None:
        """Load the page anew."""
        await self._session.call("browsingContext.reload", context=self._context, wait="complete")

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function with JSON values and return its (awaited) result as JSON.

        Raises `ScriptError` with the page's exception.
        """
        result = await self._session.call(
            "script.callFunction",
            functionDeclaration=f"""async (packed) => {{
                const result = await ({function})(...JSON.parse(packed));
                return JSON.stringify(result === undefined ? null : result);
            }}""",
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if result["type"] == "exception":
            raise ScriptError(f"{function}: {result['exceptionDetails']['text']}")
        return json.loads(result["result"]["value"])

    async def until(
        self,
        function: str,
        *arguments: Any,
        accept: Callable[[Any], bool] = bool,
        deadline_s: float = DEADLINE_S,
    ) -> Any:
        """Return the first result of the function that is accepted; raise `TimeoutError` after that time.

        While the page is between two documents the result is None.
        """

        async def check() -> Any:
            try:
                return await self.evaluate(function, *arguments)
            except ScriptError:
                raise
            except BidiError:
                return None

        return await until(f"{function} {arguments or ''}", check, accept=accept, deadline_s=deadline_s)

    async def click(self, selector: str) -> None:
        """Click in the middle of the element, as soon as a person could."""
        await self.until("(selector) => probe.obstacle(selector)", selector, accept=lambda why: why == "")
        found = await self._session.call(
            "browsingContext.locateNodes", context=self._context, locator={"type": "css", "value": selector}
        )
        element = {"type": "element", "element": {"sharedId": found["nodes"][0]["sharedId"]}}
        await self._perform(
            {
                "type": "pointer",
                "id": "mouse",
                "actions": [
                    {"type": "pointerMove", "x": 0, "y": 0, "origin": element},
                    {"type": "pointerDown", "button": 0},
                    {"type": "pointerUp", "button": 0},
                ],
            }
        )

    async def press(self, key: str) -> None:
        """Press and release one key: a name from `KEYS`, or a character."""
        await self.type(KEYS.get(key, key))

    async def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        strokes = [{"type": kind, "value": character} for character in text for kind in ("keyDown", "keyUp")]
        await self._perform({"type": "key", "id": "keyboard", "actions": strokes})

    async def fill(self, selector: str, text: str) -> None:
        """Click into a field, empty it and type."""
        await self.click(selector)
        await self.evaluate("(selector) => document.querySelector(selector).select()", selector)
        await self.press("Backspace")
        await self.type(text)

    async def set_cookie(self, origin: str, name: str, value: str) -> None:
        """Give the page's storage a cookie that scripts cannot read."""
        await self._session.call(
            "storage.setCookie",
            cookie={
                "name": name,
                "value": {"type": "string", "value": value},
                "domain": URL(origin).host,
                "path": "/",
                "httpOnly": True,
                "sameSite": "lax",
            },
            partition={"type": "storageKey", "userContext": self.storage},
        )

    async def resize(self, width: int, height: int) -> None:
        """Give the page a size in CSS pixels."""
        await self._session.call(
            "browsingContext.setViewport",
            context=self._context,
            viewport={"width": width, "height": height},
        )

    async def screenshot(self) -> bytes:
        """Return what the page shows, as PNG."""
        shot = await self._session.call("browsingContext.captureScreenshot", context=self._context)
        return base64.b64decode(shot["data"])

    async def close(self) -> None:
        """Close the window, as a person would."""
        await self._session.call("browsingContext.close", context=self._context)

    async def _perform(self, source: dict[str, Any]) -> None:
        await self._session.call("input.performActions", context=self._context, actions=[source])


class Browser:
    """A running browser: where pages come from."""

    def __init__(self, session: Session, sender: Sender) -> None:
        self._session = session
        self.sender = sender
        self._pages: dict[str, Page] = {}

    async def page(self, *, beside: Page | None = None) -> Page:
        """Return a new page in a window of its own; it shares cookies and storage with `beside`, if given."""
        if beside is None:
            storage = (await self._session.call("browser.createUserContext"))["userContext"]
        else:
            storage = beside.storage
        made = await self._session.call("browsingContext.create", type="window", userContext=storage)
        page = self._pages[made["context"]] = Page(self._session, made["context"], storage)
        return page

    async def forget(self, storage: str) -> None:
        """Delete a page's storage, and close all pages that share it."""
        await self._session.call("browser.removeUserContext", userContext=storage)

    def log(self, entry: dict[str, Any]) -> None:
        """Keep a console entry with its page."""
        page = self._pages.get(entry["source"].get("context", ""))
        if page is None:
            return
        page.console.append(f"{entry['level']}: {entry['text']}")
        if entry["text"].startswith(UNCAUGHT):
            page.faults.append(entry["text"].removeprefix(UNCAUGHT))


@asynccontextmanager
async def chromium(
    namespace: Namespace,
    sender: Sender,
    folder: Path,
    *,
    origin: str,
    filming: Callable[[Sender, Path], Path] = colour_file,
    yielding: int = 0,
    trusting: str = "",
) -> AsyncIterator[Browser]:
    """Run Chromium in the namespace. Its log, its profile and its camera are put into the folder.

    `filming` writes what its camera shows. `yielding` is how nice it is to other processes, from 0 to 19.
    `trusting` is the SHA-256, in base64, of a public key whose certificate is taken whoever signed it.
    """
    camera, microphone = await asyncio.to_thread(filming, sender, folder), folder / "microphone.wav"
    await asyncio.to_thread(tone_file, sender, microphone)
    arguments = [
        *CHROMIUM_ARGUMENTS,
        f"--unsafely-treat-insecure-origin-as-secure={origin}",
        f"--use-file-for-fake-video-capture={camera}",
        f"--use-file-for-fake-audio-capture={microphone}",
        f"--ignore-certificate-errors-spki-list={trusting}",
    ]
    wanted = {"webSocketUrl": True, "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments}}
    argv = namespace.command("nice", "-n", str(yielding), "chromedriver", "--port=0")
    with Process(argv, folder / "chromium.log", env=_home(folder), exits=-signal.SIGTERM) as driver:
        port = await _printed(driver, r"started successfully on port (\d+)")
        async with http(namespace) as client:
            body = {"capabilities": {"alwaysMatch": wanted}}
            async with client.post(f"http://127.0.0.1:{port}/session", json=body) as response:
                value = (await response.json())["value"]
        if "capabilities" not in value:
            raise BidiError(f"chromium did not start: {value['message']}")
        async with connected(namespace, value["capabilities"]["webSocketUrl"]) as session:
            yield await _browser(session, sender, {})
            await session.call("browser.close")


@asynccontextmanager
async def firefox(
    namespace: Namespace, sender: Sender, folder: Path, *, origin: str, credulous: bool = False
) -> AsyncIterator[Browser]:
    """Run Firefox in the namespace. Its log and its profile are put into the folder.

    Its fake microphone can be tuned; its fake camera cannot, so the probe paints one. It has no sound
    device: an AudioContext stays suspended. `credulous`, it takes any certificate.
    """
    preferences = {
        **FIREFOX_PREFERENCES,
        "dom.securecontext.allowlist": URL(origin).host,
        "media.navigator.audio.fake_frequency": sender.tone_hz,
    }
    profile = folder / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines))
    options = ("--headless", "--no-remote", "--new-instance", "--remote-debugging-port", "0")
    argv = namespace.command("firefox-esr", *options, "--profile", str(profile), "about:blank")
    with Process(argv, folder / "firefox.log", env=_home(folder), exits=-signal.SIGTERM) as process:
        address = await _printed(process, r"WebDriver BiDi listening on (\S+)")
        async with connected(namespace, f"{address}/session") as session:
            wanted = {"alwaysMatch": {"acceptInsecureCerts": credulous}}
            await session.call("session.new", capabilities=wanted)
            camera = {"rgb": sender.rgb, "width": WIDTH, "height": HEIGHT, "framesPerSecond": FRAMES_PER_S}
            yield await _browser(session, sender, {"camera": camera})


async def _browser(session: Session, sender: Sender, probe_settings: dict[str, Any]) -> Browser:
    preload = f"() => ({PROBE})({json.dumps({'uncaught': UNCAUGHT, **probe_settings})})"
    await session.call("script.addPreloadScript", functionDeclaration=preload)
    browser = Browser(session, sender)
    await session.listen("log.entryAdded", browser.log)
    return browser


def _home(folder: Path) -> dict[str, str]:
    """Keep what a browser writes for itself out of the tester's home."""
    return {"HOME": str(folder), "TMPDIR": str(folder)}


async def _printed(process: Process, pattern: str) -> str:
    """Wait until the process has printed the pattern, and return its group."""

    async def search() -> re.Match[str] | None:
        return re.search(pattern, process.output()) if process.alive() else None

    match = await until(f"{process.argv} prints {pattern}", search)
    assert match is not None
    return match[1]
